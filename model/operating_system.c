#include "model/operating_system.h"

#include <string.h>

#include "base/memory.h"

static const OperatingSystem rows[] = {
#define OPERATING_SYSTEM(name, number, architecture, family, bits, memory, tpm, text) \
    {#name, text,   number,      API_ARCHITECTURE_##architecture, OS_FAMILY_##family, \
     bits,  memory, OS_TPM_##tpm},
#include "model/operating_systems.def"
#undef OPERATING_SYSTEM
};

const OperatingSystem *operating_system_find(const char *name)
{
    for (size_t i = 0; name && i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].name, name))
            return &rows[i];
    return NULL;
}

const OperatingSystem *operating_system_at(int index)
{
    return index >= 0 && (size_t)index < COUNT_OF(rows) ? &rows[index] : NULL;
}
