#include "agent/console/qemu_config.h"

#include <string.h>

const char *qemu_config_value(const char *text, const char *key)
{
    size_t length = strlen(key);
    const char *found = NULL;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += strspn(line, "\n \t");
        if (strncmp(line, key, length))
            continue;
        const char *value = line + length;
        value += strspn(value, " \t");
        if (*value == '=')
            found = value + 1 + strspn(value + 1, " \t");
    }
    return found;
}
