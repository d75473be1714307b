// MAC pools.
#include <string.h>

#include "manager/network/mac_pool.h"
#include "manager/network/mac_ranges.h"
#include "manager/rest/check.h"
#include "manager/rest/reply.h"
#include "rest_handlers.h"

enum { POOL_NAME_MAX = 255, RANGES_MAX = 1000 };

static void mac_pool_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiMacPool *view = target;
    (void)request;
    (void)scratch;
    *view = *(const ApiMacPool *)item->document->object;
    view->description = VIEW_TEXT(view->description);
    view->comment = VIEW_TEXT(view->comment);
}

int mac_pool_list(Request *request, Items *items)
{
    return items_collect(request, items, KIND_MAC_POOL, mac_pool_view);
}

int mac_pool_get(Request *request, Items *items)
{
    return items_one(request, items, KIND_MAC_POOL, 0, mac_pool_view);
}

// ---- rules

static int check_other_pools(Request *request, const MacRange *ranges, uint32_t count,
                             const Entity *except)
{
    INVENTORY_EACH(request->manager->inventory, KIND_MAC_POOL, other) {
        const ApiMacPool *object = ENTITY_OBJECT(other, MacPool);
        AUTO_FREE MacRange *theirs = NEW_ARRAY(MacRange, object->ranges.count + 1);
        if (other == except || mac_ranges_read(object, theirs, NULL))
            continue;
        for (uint32_t i = 0; i < count; i++)
            for (uint32_t j = 0; j < object->ranges.count; j++)
                if (mac_ranges_overlap(&ranges[i], &theirs[j])) {
                    fail_set(&request->why, FAIL_CONFLICT,
                             "Cannot %s MAC pool. Its ranges overlap with those of MAC pool %s.",
                             except ? "edit" : "add", entity_name(other));
                    fail_object(&request->why, other->id);
                    return fail_to_errno(FAIL_CONFLICT);
                }
    }
    return 0;
}

static int check_ranges(Request *request, const ApiMacPool *pool, const Entity *except)
{
    uint32_t count = pool->ranges.count;
    if (!count)
        return fail_set(&request->why, FAIL_INCOMPLETE,
                        "MacPool [ranges[].from, ranges[].to] "
                        "required");
    if (count > RANGES_MAX)
        return fail_set(&request->why, FAIL_OUT_OF_RANGE, "mac_pool.ranges: at most %d ranges.",
                        RANGES_MAX);
    AUTO_FREE MacRange *ranges = NEW_ARRAY(MacRange, count);
    int result = mac_ranges_read(pool, ranges, &request->why);
    return result ? result : check_other_pools(request, ranges, count, except);
}

static bool in_ranges(const MacRange *ranges, uint32_t count, uint64_t address)
{
    for (uint32_t i = 0; i < count; i++)
        if (address >= ranges[i].from && address <= ranges[i].to)
            return true;
    return false;
}

// Duplicates that are there can't be forbidden.
static int check_duplicates(Request *request, const ApiMacPool *pool, const Entity *entity)
{
    Inventory *inventory = request->manager->inventory;
    if (pool->allow_duplicates == API_TRUE ||
        ENTITY_OBJECT(entity, MacPool)->allow_duplicates != API_TRUE)
        return 0;
    AUTO_FREE MacRange *ranges = NEW_ARRAY(MacRange, pool->ranges.count + 1);
    mac_ranges_read(pool, ranges, NULL);
    INVENTORY_EACH(inventory, KIND_VM, vm) {
        const ApiVm *object = ENTITY_OBJECT(vm, Vm);
        for (uint32_t i = 0; i < object->nics.count; i++) {
            const ApiMac *mac = object->nics.items[i]->mac;
            uint64_t address;
            if (mac && mac_parse(mac->address, &address) &&
                in_ranges(ranges, pool->ranges.count, address) &&
                mac_index_count(inventory_macs(inventory), address) > 1)
                return fail_set(&request->why, FAIL_CONFLICT,
                                "Cannot edit MAC pool. Address %s is used more than once.",
                                mac->address);
        }
    }
    return 0;
}

static int pool_check(Request *request, const ApiMacPool *pool, const Entity *except)
{
    int result =
        request_check_identified(request, &api_type_mac_pool, pool, NAME_TEXT, POOL_NAME_MAX);
    if (!result)
        result = request_check_name_unused(request, KIND_MAC_POOL, pool->name, except);
    return result ? result : check_ranges(request, pool, except);
}

static int check_default(Request *request, ApiBoolean wanted, ApiBoolean is)
{
    if (!wanted || (wanted == API_TRUE) == (is == API_TRUE))
        return 0;
    return fail_set(&request->why, FAIL_REJECTED,
                    "mac_pool.default_pool: which pool is the default one can't be changed.");
}

// ---- acts

void mac_pool_add(Request *request)
{
    const ApiMacPool *wanted = request_body_members(request);
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_add(change, KIND_MAC_POOL, NULL);
    ApiMacPool *pool = draft->object;
    api_merge(&draft->arena, draft->type, pool, wanted);
    pool->default_pool = API_FALSE;
    if (!pool->allow_duplicates)
        pool->allow_duplicates = API_FALSE;
    if (check_default(request, wanted->default_pool, API_FALSE) ||
        pool_check(request, pool, NULL)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    AUTO_FREE char *path = memory_format("/macpools/%s", pool->id);
    event_add(change, request->method->event, &(EventFacts){.name = pool->name});
    commit_and_show(request, change, 201, path);
}

void mac_pool_update(Request *request)
{
    Entity *entity = request_entity(request, 0, KIND_MAC_POOL);
    const ApiMacPool *wanted = request_body_members(request);
    if (!entity) {
        reply_fail(request);
        return;
    }
    ApiBoolean is_default = ENTITY_OBJECT(entity, MacPool)->default_pool;
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_edit(change, entity);
    ApiMacPool *pool = draft->object;
    api_merge(&draft->arena, draft->type, pool, wanted);
    pool->default_pool = is_default;
    if (check_default(request, wanted->default_pool, is_default) ||
        pool_check(request, pool, entity) || check_duplicates(request, pool, entity)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    event_add(change, request->method->event, &(EventFacts){.name = pool->name});
    commit_and_show(request, change, 200, request->route.path);
}

static int check_removable(Request *request, const Entity *pool)
{
    if (ENTITY_OBJECT(pool, MacPool)->default_pool == API_TRUE)
        return fail_set(&request->why, FAIL_CONFLICT,
                        "Cannot remove MAC pool. %s is the default pool.", entity_name(pool));
    INVENTORY_EACH(request->manager->inventory, KIND_CLUSTER, cluster)
        if (reference_is(ENTITY_OBJECT(cluster, Cluster)->mac_pool, pool->id)) {
            fail_set(&request->why, FAIL_CONFLICT,
                     "Cannot remove MAC pool. %s is used by cluster %s.", entity_name(pool),
                     entity_name(cluster));
            fail_object(&request->why, cluster->id);
            return fail_to_errno(FAIL_CONFLICT);
        }
    return 0;
}

void mac_pool_remove(Request *request)
{
    Entity *pool = request_entity(request, 0, KIND_MAC_POOL);
    if (!pool || check_removable(request, pool)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, request->method->event, &(EventFacts){.name = entity_name(pool)});
    INVENTORY_EACH(request->manager->inventory, KIND_DATA_CENTER, data_center)
        if (reference_is(ENTITY_OBJECT(data_center, DataCenter)->mac_pool, pool->id))
            ((ApiDataCenter *)change_edit(change, data_center)->object)->mac_pool = NULL;
    change_remove(change, pool);
    commit_and_remove(request, change);
}
