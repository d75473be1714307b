#include "manager/network/mac_pool.h"

#include "manager/inventory/state.h"
#include "manager/network/mac_ranges.h"

Entity *mac_pool_of_cluster(const Manager *manager, const Entity *cluster)
{
    const ApiCluster *object = ENTITY_OBJECT(cluster, Cluster);
    Entity *pool = object->mac_pool
                       ? inventory_get(manager->inventory, KIND_MAC_POOL, object->mac_pool->id)
                       : NULL;
    if (pool)
        return pool;
    INVENTORY_EACH(manager->inventory, KIND_MAC_POOL, other)
        if (ENTITY_OBJECT(other, MacPool)->default_pool == API_TRUE)
            return other;
    return NULL;
}

int mac_pool_allocate(Manager *manager, const Entity *cluster, char text[MAC_SIZE], Fail *why)
{
    Entity *entity = mac_pool_of_cluster(manager, cluster);
    if (!entity)
        return fail_set(why, FAIL_CONFLICT, "Cluster %s has no MAC pool.", entity_name(cluster));
    const ApiMacPool *pool = ENTITY_OBJECT(entity, MacPool);
    uint64_t address;
    AUTO_FREE MacRange *ranges = NEW_ARRAY(MacRange, pool->ranges.count + 1);
    int result = mac_ranges_read(pool, ranges, why);
    if (result)
        return result;
    if (mac_ranges_take(ranges, pool->ranges.count, inventory_macs(manager->inventory),
                        &mac_pool_state(entity)->next, &address)) {
        mac_format(address, text);
        return 0;
    }
    fail_set(why, FAIL_CONFLICT, "Not enough MAC addresses left in MAC pool %s.",
             entity_name(entity));
    fail_detail(why, "all %llu are in use",
                (unsigned long long)mac_ranges_total(ranges, pool->ranges.count));
    fail_hint(why, "Add a range to the pool, or give cluster %s another one", entity_name(cluster));
    fail_object(why, entity->id);
    return fail_to_errno(FAIL_CONFLICT);
}

bool mac_in_use(const Manager *manager, const char *text)
{
    uint64_t address;
    return mac_parse(text, &address) &&
           mac_index_count(inventory_macs(manager->inventory), address) > 0;
}

int mac_check(const Manager *manager, const Entity *cluster, const char *text, Fail *why)
{
    uint64_t address;
    if (!mac_parse(text, &address))
        return fail_set(why, FAIL_INVALID, "nic.mac.address: \"%.40s\" is not a MAC address.",
                        text ? text : "");
    if (!mac_is_unicast(address) || !address)
        return fail_set(why, FAIL_INVALID, "nic.mac.address: %s is not a unicast address.", text);
    const Entity *pool = mac_pool_of_cluster(manager, cluster);
    if ((pool && ENTITY_OBJECT(pool, MacPool)->allow_duplicates == API_TRUE) ||
        !mac_in_use(manager, text))
        return 0;
    fail_set(why, FAIL_CONFLICT, "MAC address %s is already in use.", text);
    fail_hint(why, "Leave the address out to get a free one, or allow duplicates in MAC pool %s",
              pool ? entity_name(pool) : "");
    return fail_to_errno(FAIL_CONFLICT);
}
