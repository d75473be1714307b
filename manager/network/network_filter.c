// Network filters: a fixed catalogue, at the root and below each cluster.
#include "manager/network/network_filter.h"

#include <string.h>

#include "manager/rest/check.h"
#include "manager/rest/items.h"
#include "rest_handlers.h"

static const NetworkFilterRow rows[] = {
#define NETWORK_FILTER(name, since, id) {name, since, id},
#include "manager/network/network_filters.def"
#undef NETWORK_FILTER
};

const NetworkFilterRow *network_filter_at(int index)
{
    return index >= 0 && (size_t)index < COUNT_OF(rows) ? &rows[index] : NULL;
}

char *network_filter_id(const NetworkFilterRow *row, char id[UUID_SIZE])
{
    if (row->given_id)
        return strcpy(id, row->given_id);
    return uuid_from_name("network_filter", row->name, id);
}

const NetworkFilterRow *network_filter_find(const char *id, const char *name)
{
    char own[UUID_SIZE];
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (id ? !strcmp(network_filter_id(&rows[i], own), id)
               : name && !strcmp(rows[i].name, name))
            return &rows[i];
    return NULL;
}

static void add_filter(Request *request, Items *items, const NetworkFilterRow *row)
{
    char id[UUID_SIZE];
    Arena *arena = &request->arena;
    ApiNetworkFilter *filter = ARENA_NEW(arena, ApiNetworkFilter);
    filter->id = arena_string(arena, network_filter_id(row, id));
    filter->name = row->name;
    filter->version = ARENA_NEW(arena, ApiVersion);
    filter->version->major = API_INT(3);
    filter->version->minor = API_INT(row->since);
    items_add_value(items, filter);
}

int network_filter_list(Request *request, Items *items)
{
    if (request_check_parents(request))
        return fail_to_errno(request->why.code);
    items_set_home(request, items, "/networkfilters");
    for (int i = 0; network_filter_at(i); i++)
        add_filter(request, items, network_filter_at(i));
    return 0;
}

int network_filter_get(Request *request, Items *items)
{
    const NetworkFilterRow *row = network_filter_find(request_last_id(request), NULL);
    if (request_check_parents(request))
        return fail_to_errno(request->why.code);
    if (!row)
        return request_not_found(request, "network filter", request_last_id(request));
    add_filter(request, items, row);
    return 0;
}
