// Compatibility levels: which CPU types and permits each has. A catalogue; ids are "4.2" to "4.8".
#include "manager/identity/permit.h"
#include "manager/identity/permit_view.h"
#include "manager/rest/check.h"
#include "manager/rest/items.h"
#include "model/cluster_level.h"
#include "model/cpu_type.h"
#include "rest_handlers.h"

static void add_cpu_types(Arena *arena, ApiClusterLevel *level, int minor)
{
    for (int i = 0; cpu_type_at(i); i++) {
        const CpuTypeRow *row = cpu_type_at(i);
        if (minor < row->first || minor > row->last)
            continue;
        ApiCpuType *type = ARENA_NEW(arena, ApiCpuType);
        type->name = row->name;
        type->level = API_INT(row->rank);
        type->architecture = row->architecture;
        api_list_add(arena, &level->cpu_types, type);
    }
}

static void add_level(Request *request, Items *items, int minor)
{
    Arena *arena = &request->arena;
    ApiClusterLevel *level = ARENA_NEW(arena, ApiClusterLevel);
    level->id = arena_format(arena, "%d.%d", CLUSTER_LEVEL_MAJOR, minor);
    add_cpu_types(arena, level, minor);
    for (Permit permit = 0; permit < _PERMIT_MAX; permit++)
        api_list_add(arena, &level->permits, permit_view(arena, permit, NULL));
    items_add_value(items, level);
}

int cluster_level_list_all(Request *request, Items *items)
{
    for (int minor = CLUSTER_LEVEL_FIRST; minor <= CLUSTER_LEVEL_LAST; minor++)
        add_level(request, items, minor);
    return 0;
}

int cluster_level_get(Request *request, Items *items)
{
    const char *id = request_last_id(request);
    if (cluster_level_minor(id)) {
        add_level(request, items, cluster_level_minor(id));
        return 0;
    }
    return request_not_found(request, "cluster level", id);
}
