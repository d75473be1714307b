// Options of the system: a table that clients read one by one; there is no list of them.
#include <stdio.h>
#include <string.h>

#include "manager/rest/check.h"
#include "manager/rest/items.h"
#include "rest_handlers.h"

typedef struct SystemOptionRow {
    const char *name;
    int first, last; // 0: general
    const char *value;
} SystemOptionRow;

static const SystemOptionRow rows[] = {
#define SYSTEM_OPTION(name, first, last, value) {name, first, last, value},
#include "manager/system/system_options.def"
#undef SYSTEM_OPTION
};

static void add_value(Arena *arena, ApiSystemOption *option, const char *value, const char *version,
                      const char *asked)
{
    if (asked && *asked && strcmp(asked, version))
        return;
    ApiSystemOptionValue *entry = ARENA_NEW(arena, ApiSystemOptionValue);
    entry->value = value;
    entry->version = arena_string(arena, version);
    api_list_add(arena, &option->values, entry);
}

static void add_row(Arena *arena, ApiSystemOption *option, const SystemOptionRow *row,
                    const char *asked)
{
    if (!row->first)
        add_value(arena, option, row->value, "general", asked);
    for (int minor = row->first; minor && minor <= row->last; minor++) {
        char version[8];
        snprintf(version, sizeof(version), "4.%d", minor);
        add_value(arena, option, row->value, version, asked);
    }
}

int system_option_get(Request *request, Items *items)
{
    const char *name = request_last_id(request);
    const char *asked = request->http ? request_parameter(request, "version") : NULL;
    ApiSystemOption *option = ARENA_NEW(&request->arena, ApiSystemOption);
    option->id = option->name = name;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].name, name))
            add_row(&request->arena, option, &rows[i], asked);
    if (!option->values.count)
        return request_not_found(request, "option", name);
    items_add_value(items, option);
    return 0;
}
