// Data centres.
#include <string.h>

#include "manager/datacenter/data_center_status.h"
#include "manager/inventory/state.h"
#include "manager/network/network_rules.h"
#include "manager/rest/check.h"
#include "manager/rest/reply.h"
#include "manager/storage/pool.h"
#include "model/cluster_level.h"
#include "rest_handlers.h"

enum { DATA_CENTER_NAME_MAX = 40 };

// ---- showing

// The pool of its clusters while they agree, its own while it has none.
static const ApiMacPool *shown_mac_pool(const Manager *manager, const Entity *data_center)
{
    const ApiMacPool *pool = NULL;
    bool any = false;
    INVENTORY_EACH(manager->inventory, KIND_CLUSTER, cluster) {
        const ApiCluster *object = ENTITY_OBJECT(cluster, Cluster);
        if (!reference_is(object->data_center, data_center->id))
            continue;
        if (any && !(pool && reference_is(object->mac_pool, pool->id)))
            return NULL;
        pool = object->mac_pool;
        any = true;
    }
    return any ? pool : ENTITY_OBJECT(data_center, DataCenter)->mac_pool;
}

static void data_center_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiDataCenter *view = target;
    *view = *(const ApiDataCenter *)item->document->object;
    view->description = VIEW_TEXT(view->description);
    view->comment = VIEW_TEXT(view->comment);
    view->status = data_center_status(request->manager, item->entity);
    view->mac_pool = (ApiMacPool *)shown_mac_pool(request->manager, item->entity);
    cluster_level_list(scratch, view->version, &view->supported_versions);
}

int data_center_list(Request *request, Items *items)
{
    return items_collect(request, items, KIND_DATA_CENTER, data_center_view);
}

int data_center_get(Request *request, Items *items)
{
    return items_one(request, items, KIND_DATA_CENTER, 0, data_center_view);
}

// ---- rules

static int check_version(Request *request, const ApiDataCenter *object)
{
    const ApiVersion *version = object->version;
    if (cluster_level_is_known(version))
        return 0;
    return fail_set(&request->why, FAIL_INVALID,
                    "data_center.version: %lld.%lld is not supported; %d.%d to %d.%d are.",
                    (long long)version->major.value, (long long)version->minor.value,
                    CLUSTER_LEVEL_MAJOR, CLUSTER_LEVEL_FIRST, CLUSTER_LEVEL_MAJOR,
                    CLUSTER_LEVEL_LAST);
}

static int data_center_check(Request *request, const ApiDataCenter *object, const Entity *except)
{
    int result = request_check_identified(request, &api_type_data_center, object, NAME_WORD,
                                          DATA_CENTER_NAME_MAX);
    if (!result)
        result = check_version(request, object);
    return result ? result
                  : request_check_name_unused(request, KIND_DATA_CENTER, object->name, except);
}

static int take_mac_pool(Request *request, ApiDocument *draft)
{
    const ApiDataCenter *wanted = request->body;
    if (!wanted->mac_pool)
        return 0;
    Entity *pool =
        request_reference(request, KIND_MAC_POOL, wanted->mac_pool, "data_center.mac_pool");
    if (!pool)
        return fail_to_errno(request->why.code);
    ((ApiDataCenter *)draft->object)->mac_pool =
        api_reference_new(&draft->arena, &api_type_mac_pool, pool->id);
    return 0;
}

// Lays the body over the draft, without what the system decides.
static int data_center_take(Request *request, ApiDocument *draft)
{
    ApiDataCenter *object = draft->object;
    ApiDataCenter before = *object;
    api_merge(&draft->arena, draft->type, object, request_body_members(request));
    object->status = API_DATA_CENTER_STATUS_UNSET;
    object->storage_format = before.storage_format;
    object->mac_pool = before.mac_pool;
    object->master_version = before.master_version;
    object->supported_versions.count = 0;
    object->supported_versions.set = false;
    return take_mac_pool(request, draft);
}

// ---- adding

static void data_center_fill(ApiDocument *draft)
{
    ApiDataCenter *object = draft->object;
    object->storage_format = API_STORAGE_FORMAT_V5;
    object->master_version = API_INT(1);
    if (!object->local)
        object->local = API_FALSE;
    if (!object->quota_mode)
        object->quota_mode = API_QUOTA_MODE_TYPE_DISABLED;
    if (object->version)
        return;
    object->version = ARENA_NEW(&draft->arena, ApiVersion);
    object->version->major = API_INT(CLUSTER_LEVEL_MAJOR);
    object->version->minor = API_INT(CLUSTER_LEVEL_DEFAULT);
}

void data_center_add(Request *request)
{
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_add(change, KIND_DATA_CENTER, NULL);
    ApiDataCenter *object = draft->object;
    int result = data_center_take(request, draft);
    data_center_fill(draft);
    if (result || data_center_check(request, object, NULL)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    network_add_management(change, object->id);
    AUTO_FREE char *path = memory_format("/datacenters/%s", object->id);
    event_add(change, request->method->event, &(EventFacts){.name = object->name});
    commit_and_show(request, change, 201, path);
}

// ---- changing

static bool is_cluster_of(const Entity *cluster, const Entity *data_center)
{
    return reference_is(ENTITY_OBJECT(cluster, Cluster)->data_center, data_center->id);
}

static size_t count_clusters(const Manager *manager, const Entity *data_center)
{
    size_t count = 0;
    INVENTORY_EACH(manager->inventory, KIND_CLUSTER, cluster)
        count += is_cluster_of(cluster, data_center);
    return count;
}

static size_t count_domains(const Manager *manager, const Entity *data_center)
{
    AUTO_ARRAY domains = {0};
    pool_domains(manager, data_center, &domains);
    return domains.count;
}

static int check_local_transition(Request *request, const Entity *entity,
                                  const ApiDataCenter *after)
{
    Manager *manager = request->manager;
    if ((ENTITY_OBJECT(entity, DataCenter)->local == API_TRUE) == (after->local == API_TRUE))
        return 0;
    if (count_domains(manager, entity))
        return fail_set(&request->why, FAIL_STATE,
                        "Cannot edit data center. data_center.local can't change while data center "
                        "%s has storage.",
                        entity_name(entity));
    if (after->local == API_TRUE && count_clusters(manager, entity) > 1)
        return fail_set(&request->why, FAIL_STATE,
                        "Cannot edit data center. A local data center has one cluster at most; %s "
                        "has more.",
                        entity_name(entity));
    return 0;
}

static int check_version_transition(Request *request, const Entity *entity,
                                    const ApiDataCenter *after)
{
    Manager *manager = request->manager;
    int order = cluster_level_compare(after->version, ENTITY_OBJECT(entity, DataCenter)->version);
    if (order < 0 && count_domains(manager, entity))
        return fail_set(&request->why, FAIL_STATE,
                        "Cannot edit data center. data_center.version can't be lowered while data "
                        "center %s has storage.",
                        entity_name(entity));
    INVENTORY_EACH(manager->inventory, KIND_CLUSTER, cluster)
        if (is_cluster_of(cluster, entity) &&
            cluster_level_compare(ENTITY_OBJECT(cluster, Cluster)->version, after->version) < 0)
            return fail_set(&request->why, FAIL_STATE,
                            "Cannot edit data center. data_center.version can't be higher than "
                            "that of cluster %s.",
                            entity_name(cluster));
    return 0;
}

// A pool given to the data centre is given to its clusters.
static void hand_mac_pool_on(Request *request, Change *change, const Entity *entity,
                             const ApiDataCenter *after)
{
    const ApiDataCenter *wanted = request->body;
    INVENTORY_EACH(request->manager->inventory, KIND_CLUSTER, cluster) {
        if (!wanted->mac_pool || !is_cluster_of(cluster, entity) ||
            reference_is(ENTITY_OBJECT(cluster, Cluster)->mac_pool, after->mac_pool->id))
            continue;
        ApiDocument *draft = change_edit(change, cluster);
        ((ApiCluster *)draft->object)->mac_pool =
            api_reference_new(&draft->arena, &api_type_mac_pool, after->mac_pool->id);
    }
}

void data_center_update(Request *request)
{
    Entity *entity = request_entity(request, 0, KIND_DATA_CENTER);
    if (!entity) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_edit(change, entity);
    if (data_center_take(request, draft) || data_center_check(request, draft->object, entity) ||
        check_local_transition(request, entity, draft->object) ||
        check_version_transition(request, entity, draft->object)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    hand_mac_pool_on(request, change, entity, draft->object);
    event_add(change, request->method->event, &(EventFacts){.data_center = entity});
    commit_and_show(request, change, 200, request->route.path);
}

// ---- removing

static int refuse(Request *request, const Entity *entity, const char *because, const char *name,
                  const char *hint)
{
    fail_set(&request->why, FAIL_CONFLICT, "Cannot remove data center. %s %s %s.",
             entity_name(entity), because, name);
    fail_hint(&request->why, "%s", hint);
    fail_object(&request->why, entity->id);
    return fail_to_errno(FAIL_CONFLICT);
}

static int check_hosts(Request *request, const Entity *entity, bool force)
{
    Manager *manager = request->manager;
    INVENTORY_EACH(manager->inventory, KIND_HOST, host) {
        const ApiHost *object = ENTITY_OBJECT(host, Host);
        Entity *cluster = object->cluster
                              ? inventory_get(manager->inventory, KIND_CLUSTER, object->cluster->id)
                              : NULL;
        if (!cluster || !is_cluster_of(cluster, entity))
            continue;
        if (!force)
            return refuse(request, entity, "has host", entity_name(host),
                          "Remove its hosts first, or use force");
        if (host_state(host)->status != API_HOST_STATUS_MAINTENANCE)
            return refuse(request, entity,
                          "has a host that is not in maintenance:", entity_name(host),
                          "Move all of its hosts to maintenance");
    }
    return 0;
}

static int check_vms(Request *request, const Entity *entity)
{
    Manager *manager = request->manager;
    INVENTORY_EACH(manager->inventory, KIND_VM, vm) {
        const ApiVm *object = ENTITY_OBJECT(vm, Vm);
        Entity *cluster = object->cluster
                              ? inventory_get(manager->inventory, KIND_CLUSTER, object->cluster->id)
                              : NULL;
        if (cluster && is_cluster_of(cluster, entity))
            return refuse(request, entity, "has VM", entity_name(vm), "Remove its VMs first");
    }
    return 0;
}

static int check_domains(Request *request, const Entity *entity, bool force)
{
    AUTO_ARRAY domains = {0};
    pool_domains(request->manager, entity, &domains);
    for (size_t i = 0; i < domains.count; i++) {
        const Entity *domain = domains.items[i];
        if (!force)
            return refuse(request, entity, "has storage domain", entity_name(domain),
                          "Detach its storage domains first, or use force");
        if (ENTITY_OBJECT(domain, StorageDomain)->wanted_active == API_TRUE)
            return refuse(request, entity, "has an active storage domain:", entity_name(domain),
                          "Put all of its storage domains into maintenance");
        if (request_check_free(request, domain, LOCK_EXCLUSIVE))
            return fail_to_errno(request->why.code);
    }
    return 0;
}

// The storage itself is not touched: the domains can be imported again.
static void forget_domains(Change *change, const Entity *entity)
{
    AUTO_ARRAY domains = {0};
    Manager *manager = change_manager(change);
    pool_domains(manager, entity, &domains);
    for (size_t i = 0; i < domains.count; i++) {
        Entity *domain = domains.items[i];
        INVENTORY_EACH(manager->inventory, KIND_DISK, disk) {
            const ApiDisk *object = ENTITY_OBJECT(disk, Disk);
            if (object->storage_domains.count &&
                reference_is(object->storage_domains.items[0], domain->id))
                change_remove(change, disk);
        }
        change_remove(change, domain);
    }
}

static void forget_networks(Change *change, const Entity *entity)
{
    Inventory *inventory = change_manager(change)->inventory;
    INVENTORY_EACH(inventory, KIND_NETWORK, network)
        if (reference_is(ENTITY_OBJECT(network, Network)->data_center, entity->id))
            network_remove_from(change, network);
    INVENTORY_EACH(inventory, KIND_CLUSTER, cluster) {
        if (!is_cluster_of(cluster, entity))
            continue;
        ApiCluster *draft = change_edit(change, cluster)->object;
        draft->data_center = NULL;
        draft->management_network = NULL;
        draft->networks.count = 0;
    }
}

void data_center_remove(Request *request)
{
    Entity *entity = request_entity(request, 0, KIND_DATA_CENTER);
    bool force = request_flag(request, "force", false);
    if (!entity || fail_is_set(&request->why) || check_vms(request, entity) ||
        check_hosts(request, entity, force) || check_domains(request, entity, force) ||
        request_check_free(request, entity, LOCK_EXCLUSIVE)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, force ? EVENT_USER_FORCE_REMOVE_STORAGE_POOL : request->method->event,
              &(EventFacts){.name = entity_name(entity)});
    forget_domains(change, entity);
    forget_networks(change, entity);
    change_remove(change, entity);
    commit_and_remove(request, change);
}
