#include "model/cpu_type.h"

#include <string.h>

#include "base/memory.h"

static const CpuTypeRow rows[] = {
#define CPU_TYPE(first, last, rank, architecture, name, model) \
    {first, last, rank, API_ARCHITECTURE_##architecture, name, model},
#include "model/cpu_types.def"
#undef CPU_TYPE
};

const CpuTypeRow *cpu_type_at(int index)
{
    return index >= 0 && (size_t)index < COUNT_OF(rows) ? &rows[index] : NULL;
}

const CpuTypeRow *cpu_type_find(const char *name, int minor)
{
    for (size_t i = 0; name && i < COUNT_OF(rows); i++)
        if (minor >= rows[i].first && minor <= rows[i].last && !strcmp(rows[i].name, name))
            return &rows[i];
    return NULL;
}
