#include "agent/storage/mount_table.h"

#include <string.h>

#include "base/file.h"

enum { MOUNT_TABLE_MAX = 16 * 1024 * 1024, TARGET_FIELD = 4 };

static bool is_octal(char digit)
{
    return digit >= '0' && digit <= '7';
}

// The table writes blanks and backslashes as \NNN.
static bool field_is(const char *field, size_t length, const char *target)
{
    size_t at = 0;
    while (at < length && *target) {
        char character = field[at];
        if (character == '\\' && at + 3 < length && is_octal(field[at + 1]) &&
            is_octal(field[at + 2]) && is_octal(field[at + 3])) {
            character = (char)((field[at + 1] - '0') * 64 + (field[at + 2] - '0') * 8 +
                               (field[at + 3] - '0'));
            at += 3;
        }
        if (character != *target)
            return false;
        at++;
        target++;
    }
    return at == length && !*target;
}

bool mount_table_has(const char *table, const char *target)
{
    for (const char *line = table; *line;) {
        const char *field = line;
        size_t line_length = strcspn(line, "\n");
        for (int i = 0; i < TARGET_FIELD && field < line + line_length; i++) {
            field += strcspn(field, " \n");
            field += *field == ' ';
        }
        if (field < line + line_length && field_is(field, strcspn(field, " \n"), target))
            return true;
        line += line_length + (line[line_length] == '\n');
    }
    return false;
}

bool mount_is_target(const char *target)
{
    AUTO_FREE char *table = NULL;
    if (file_read("/proc/self/mountinfo", MOUNT_TABLE_MAX, &table, NULL))
        return false;
    return mount_table_has(table, target);
}
