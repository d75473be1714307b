#include "base/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"

enum { OPTIONS_FILE_MAX = 1024 * 1024 };

static const char *const type_names[] = {
    [OPTION_STRING] = "text",
    [OPTION_PATH] = "absolute path",
    [OPTION_INTEGER] = "integer",
    [OPTION_BOOLEAN] = "true or false",
};

static int option_wrong(Fail *why, const OptionRow *row, const char *value)
{
    if (row->type == OPTION_INTEGER)
        return fail_set(why, FAIL_INVALID, "%s: \"%s\" is not an integer from %lld to %lld.",
                        row->name, value, (long long)row->minimum, (long long)row->maximum);
    return fail_set(why, FAIL_INVALID, "%s: \"%s\" is not a valid %s.", row->name, value,
                    type_names[row->type]);
}

static int option_set_text(const OptionRow *row, void *at, const char *value, Fail *why)
{
    size_t length = strlen(value);
    if ((int64_t)length < row->minimum || (int64_t)length > row->maximum ||
        (row->type == OPTION_PATH && length && *value != '/'))
        return option_wrong(why, row, value);
    free(*(char **)at);
    *(char **)at = memory_string(value);
    return 0;
}

static int option_set(const OptionRow *row, void *target, const char *value, Fail *why)
{
    void *at = (char *)target + row->offset;
    char *end;
    switch (row->type) {
    case OPTION_STRING:
    case OPTION_PATH: return option_set_text(row, at, value, why);
    case OPTION_INTEGER: {
        errno = 0;
        long long number = strtoll(value, &end, 10);
        if (end == value || *end || errno || number < row->minimum || number > row->maximum)
            return option_wrong(why, row, value);
        *(int *)at = (int)number;
        return 0;
    }
    case OPTION_BOOLEAN: {
        bool yes = !strcasecmp(value, "true") || !strcasecmp(value, "yes");
        if (!yes && strcasecmp(value, "false") && strcasecmp(value, "no"))
            return option_wrong(why, row, value);
        *(bool *)at = yes;
        return 0;
    }
    }
    return 0;
}

void options_set_defaults(const OptionRow *rows, size_t count, void *target)
{
    for (size_t i = 0; i < count; i++)
        if (option_set(&rows[i], target, rows[i].fallback, NULL))
            abort(); // a default outside its own range
}

static char *option_trim(char *text)
{
    text += strspn(text, " \t\r");
    size_t length = strlen(text);
    while (length && strchr(" \t\r", text[length - 1]))
        text[--length] = 0;
    return text;
}

int options_assign(const OptionRow *rows, size_t count, void *target, const char *assignment,
                   Fail *why)
{
    AUTO_FREE char *copy = memory_string(assignment);
    char *equals = strchr(copy, '=');
    if (!equals)
        return fail_set(why, FAIL_SYNTAX, "\"%s\" has no \"=\".", assignment);
    *equals = 0;
    char *name = option_trim(copy), *value = option_trim(equals + 1);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(rows[i].name, name))
            return option_set(&rows[i], target, value, why);
    return fail_set(why, FAIL_INVALID, "There is no option %s.", name);
}

int options_load(const OptionRow *rows, size_t count, void *target, const char *path, bool required,
                 Fail *why)
{
    AUTO_FREE char *text = NULL;
    int result = file_read(path, OPTIONS_FILE_MAX, &text, NULL);
    if (result == -ENOENT && !required)
        return 0;
    if (result)
        return fail_errno(why, FAIL_INVALID, result, "The configuration %s can't be read", path);
    char *rest = text;
    int number = 0;
    for (char *line; (line = strsep(&rest, "\n"));) {
        number++;
        line = option_trim(line);
        if (!*line || *line == '#')
            continue;
        result = options_assign(rows, count, target, line, why);
        if (result) {
            fail_prefix(why, "%s line %d: ", path, number);
            return result;
        }
    }
    return 0;
}

void options_done(const OptionRow *rows, size_t count, void *target)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].type == OPTION_STRING || rows[i].type == OPTION_PATH) {
            char **at = (char **)((char *)target + rows[i].offset);
            free(*at);
            *at = NULL;
        }
}

char *option_kind(const OptionRow *row)
{
    const char *name = type_names[row->type];
    return row->type == OPTION_INTEGER
               ? memory_format("%s, %lld to %lld", name, (long long)row->minimum,
                               (long long)row->maximum)
               : memory_string(name);
}

void options_print_sample(const OptionRow *rows, size_t count, FILE *to)
{
    for (size_t i = 0; i < count; i++) {
        const OptionRow *row = &rows[i];
        AUTO_FREE char *kind = option_kind(row);
        fprintf(to, "# %s\n# Type: %s.\n#%s = %s\n\n", row->text, kind, row->name, row->fallback);
    }
}
