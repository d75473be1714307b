// Clusters, also those of one data centre.
#include <string.h>

#include "manager/cluster/cluster_rules.h"
#include "manager/network/network_rules.h"
#include "manager/rest/check.h"
#include "manager/rest/reply.h"
#include "manager/search/search.h"
#include "model/cluster_level.h"
#include "rest_handlers.h"

static void cluster_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiCluster *view = target;
    (void)request;
    *view = *(const ApiCluster *)item->document->object;
    memset(&view->networks, 0, sizeof(view->networks)); // they have a URL of their own
    cluster_level_list(scratch, view->version, &view->supported_versions);
}

static bool is_of_data_center(const Request *request, const Entity *cluster, const void *id)
{
    (void)request;
    return reference_is(ENTITY_OBJECT(cluster, Cluster)->data_center, id);
}

// What search= and max= leave of a data centre's clusters.
static int search_of_data_center(Request *request, Items *items, const char *data_center)
{
    AUTO_ARRAY found = {0};
    int64_t max = -1;
    const char *text = request_parameter(request, "search");
    int flags = request_flag(request, "case_sensitive", false) ? SEARCH_CASE_SENSITIVE : 0;
    SearchFilter *filter = search_filter_new(request->manager, &request->arena, "clusters", text,
                                             flags, &request->why);
    if (!filter || request_integer(request, "max", &max))
        return fail_to_errno(request->why.code);
    items->view = cluster_view;
    INVENTORY_EACH(request->manager->inventory, KIND_CLUSTER, cluster)
    if (is_of_data_center(request, cluster, data_center) && search_filter_match(filter, cluster))
        array_add(&found, cluster);
    search_filter_arrange(filter, &found, max);
    for (size_t i = 0; i < found.count; i++)
        items_add_entity(items, found.items[i]);
    return 0;
}

int cluster_list(Request *request, Items *items)
{
    const char *data_center = request_id_of(request, "DataCenter");
    if (request_check_parents(request))
        return fail_to_errno(request->why.code);
    if (!data_center)
        return items_collect(request, items, KIND_CLUSTER, cluster_view);
    items_set_home(request, items, "/clusters");
    if (request->http && request_parameter(request, "search"))
        return search_of_data_center(request, items, data_center);
    return items_select(request, items, KIND_CLUSTER, cluster_view, is_of_data_center, data_center);
}

static Entity *cluster_of_path(Request *request)
{
    Entity *cluster = request_entity_of(request, "Cluster", KIND_CLUSTER);
    return cluster && !request_check_parents(request) ? cluster : NULL;
}

int cluster_get(Request *request, Items *items)
{
    Entity *cluster = cluster_of_path(request);
    if (!cluster)
        return fail_to_errno(request->why.code);
    items->view = cluster_view;
    items_add_entity(items, cluster);
    return 0;
}

// ---- what bodies refer to

static int take_mac_pool(Request *request, Arena *arena, ApiCluster *cluster,
                         const Entity *data_center)
{
    Inventory *inventory = request->manager->inventory;
    const ApiCluster *wanted = request->body;
    const ApiDataCenter *object = data_center ? ENTITY_OBJECT(data_center, DataCenter) : NULL;
    Entity *pool = NULL;
    if (wanted->mac_pool)
        pool = request_reference(request, KIND_MAC_POOL, wanted->mac_pool, "cluster.mac_pool");
    else if (cluster->mac_pool)
        return 0;
    else if (object && object->mac_pool)
        pool = inventory_get(inventory, KIND_MAC_POOL, object->mac_pool->id);
    if (fail_is_set(&request->why))
        return fail_to_errno(request->why.code);
    INVENTORY_EACH(inventory, KIND_MAC_POOL, other)
    if (!pool && ENTITY_OBJECT(other, MacPool)->default_pool == API_TRUE)
        pool = other;
    if (pool)
        cluster->mac_pool = api_reference_new(arena, &api_type_mac_pool, pool->id);
    return 0;
}

// The one that is wanted, else the one that other clusters have or the first that is named so.
static Entity *management_network(Request *request, const Entity *data_center)
{
    Inventory *inventory = request->manager->inventory;
    const ApiNetwork *wanted = ((const ApiCluster *)request->body)->management_network;
    Entity *network = NULL;
    if (wanted)
        network = wanted->id
                      ? inventory_get(inventory, KIND_NETWORK, wanted->id)
                      : network_named(request->manager, data_center, VIEW_TEXT(wanted->name));
    else
        network = network_named(request->manager, data_center, "ovirtmgmt");
    INVENTORY_EACH(inventory, KIND_CLUSTER, other)
    {
        const ApiCluster *object = ENTITY_OBJECT(other, Cluster);
        if (!network && !wanted && is_of_data_center(request, other, data_center->id) &&
            object->management_network)
            network = inventory_get(inventory, KIND_NETWORK, object->management_network->id);
    }
    if (network && reference_is(ENTITY_OBJECT(network, Network)->data_center, data_center->id))
        return network;
    fail_set(&request->why, FAIL_INVALID,
             "cluster.management_network: data center %s has no such network.",
             entity_name(data_center));
    return NULL;
}

static int take_scheduling_policy(Request *request, Arena *arena, ApiCluster *cluster)
{
    const ApiSchedulingPolicy *wanted = ((const ApiCluster *)request->body)->scheduling_policy;
    if (!wanted)
        return 0;
    if (wanted->id ? strcmp(wanted->id, SCHEDULING_POLICY_NONE)
                   : strcmp(VIEW_TEXT(wanted->name), "none")) {
        fail_set(&request->why, FAIL_NOT_FOUND,
                 "cluster.scheduling_policy: there is no scheduling policy %s.",
                 wanted->id ? wanted->id : VIEW_TEXT(wanted->name));
        fail_hint(&request->why, "Policies other than \"none\" are not implemented yet");
        return fail_to_errno(FAIL_NOT_FOUND);
    }
    cluster->scheduling_policy =
        api_reference_new(arena, &api_type_scheduling_policy, SCHEDULING_POLICY_NONE);
    return 0;
}

// Lays the body over the draft and resolves what it refers to.
static int cluster_take(Request *request, ApiDocument *draft, const Entity *data_center)
{
    Arena *arena = &draft->arena;
    ApiCluster *cluster = draft->object;
    ApiCluster before = *cluster;
    api_merge(arena, draft->type, cluster, request_body_members(request));
    // What the system decides, or other calls.
    cluster->supported_versions.count = 0;
    cluster->supported_versions.set = false;
    cluster->upgrade_in_progress = before.upgrade_in_progress;
    cluster->upgrade_percent_complete = before.upgrade_percent_complete;
    cluster->upgrade_correlation_id = before.upgrade_correlation_id;
    cluster->management_network = before.management_network;
    cluster->mac_pool = before.mac_pool;
    cluster->data_center =
        data_center ? api_reference_new(arena, &api_type_data_center, data_center->id) : NULL;
    if (!cluster->version && data_center)
        cluster->version =
            api_clone(arena, &api_type_version, ENTITY_OBJECT(data_center, DataCenter)->version);
    cluster_fill(arena, cluster);
    int result = take_mac_pool(request, arena, cluster, data_center);
    return result ? result : take_scheduling_policy(request, arena, cluster);
}

// ---- adding

static Entity *wanted_data_center(Request *request)
{
    const ApiCluster *wanted = request->body;
    if (request_is_below(request, "DataCenter"))
        return request_entity_of(request, "DataCenter", KIND_DATA_CENTER);
    if (!wanted->data_center) {
        fail_set(&request->why, FAIL_INCOMPLETE, "Cluster [data_center.id|name] required for add");
        return NULL;
    }
    return request_reference(request, KIND_DATA_CENTER, wanted->data_center, "cluster.data_center");
}

static int cluster_make(Request *request, ApiDocument *draft, const Entity *data_center)
{
    int result = cluster_take(request, draft, data_center);
    if (!result)
        result = cluster_check(request, draft->object, data_center, NULL);
    Entity *network = result ? NULL : management_network(request, data_center);
    if (!network)
        return fail_to_errno(request->why.code);
    cluster_set_management(&draft->arena, draft->object, network->id);
    return 0;
}

void cluster_add(Request *request)
{
    Entity *data_center = wanted_data_center(request);
    if (!data_center) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_add(change, KIND_CLUSTER, NULL);
    if (cluster_make(request, draft, data_center)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    ApiCluster *cluster = draft->object;
    AUTO_FREE char *path = memory_format("%s/%s", request->route.path, cluster->id);
    event_add(change, request->method->event,
              &(EventFacts){.name = cluster->name, .data_center = data_center});
    commit_and_show(request, change, 201, path);
}

// ---- changing

// A cluster stays in its data centre; one whose data centre was removed gets another.
static Entity *data_center_after(Request *request, const Entity *cluster)
{
    const ApiCluster *wanted = request->body, *object = ENTITY_OBJECT(cluster, Cluster);
    Inventory *inventory = request->manager->inventory;
    Entity *now = object->data_center
                      ? inventory_get(inventory, KIND_DATA_CENTER, object->data_center->id)
                      : NULL;
    if (!wanted->data_center)
        return now;
    Entity *after =
        request_reference(request, KIND_DATA_CENTER, wanted->data_center, "cluster.data_center");
    if (after && now && after != now)
        fail_set(&request->why, FAIL_REJECTED,
                 "cluster.data_center: cluster %s can't move to another data center.",
                 entity_name(cluster));
    return after;
}

static int take_management(Request *request, ApiDocument *draft, const Entity *cluster,
                           const Entity *data_center)
{
    ApiCluster *object = draft->object;
    const ApiCluster *wanted = request->body;
    if (!data_center || (object->management_network && !wanted->management_network))
        return 0;
    Entity *network = management_network(request, data_center);
    if (!network)
        return fail_to_errno(request->why.code);
    if (reference_is(object->management_network, network->id))
        return 0;
    if (cluster_count_hosts(request->manager, cluster->id))
        return fail_set(&request->why, FAIL_STATE,
                        "cluster.management_network: it can't change while cluster %s has hosts.",
                        entity_name(cluster));
    cluster_set_management(&draft->arena, object, network->id);
    return 0;
}

static int cluster_change(Request *request, Change *change, Entity *cluster)
{
    ApiDocument *draft = change_edit(change, cluster);
    Entity *data_center = data_center_after(request, cluster);
    int result = fail_is_set(&request->why) ? fail_to_errno(request->why.code)
                                            : cluster_take(request, draft, data_center);
    if (!result)
        result = cluster_check(request, draft->object, data_center, cluster);
    if (!result)
        result = cluster_check_transition(request, cluster, draft->object);
    return result ? result : take_management(request, draft, cluster, data_center);
}

void cluster_update(Request *request)
{
    Entity *cluster = cluster_of_path(request);
    if (!cluster) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    if (cluster_change(request, change, cluster)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    event_add(change, request->method->event, &(EventFacts){.cluster = cluster});
    commit_and_show(request, change, 200, request->route.path);
}

// ---- removing

static int check_empty(Request *request, const Entity *cluster)
{
    Manager *manager = request->manager;
    size_t templates = 0;
    INVENTORY_EACH(manager->inventory, KIND_TEMPLATE, template)
    templates += reference_is(ENTITY_OBJECT(template, Template)->cluster, cluster->id);
    const struct {
        size_t count;
        const char *what;
    } rows[] = {
        {cluster_count_hosts(manager, cluster->id), "hosts"},
        {cluster_count_vms(manager, cluster->id), "VMs"},
        {templates, "templates"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!rows[i].count)
            continue;
        fail_set(&request->why, FAIL_CONFLICT, "Cannot remove cluster. Cluster %s has %zu %s.",
                 entity_name(cluster), rows[i].count, rows[i].what);
        fail_hint(&request->why, "Remove them or move them to another cluster first");
        return fail_to_errno(FAIL_CONFLICT);
    }
    return 0;
}

void cluster_remove(Request *request)
{
    Entity *cluster = cluster_of_path(request);
    if (!cluster || check_empty(request, cluster) ||
        request_check_free(request, cluster, LOCK_EXCLUSIVE)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, request->method->event, &(EventFacts){.name = entity_name(cluster)});
    change_remove(change, cluster);
    commit_and_remove(request, change);
}

// ---- upgrades: a tool outside upgrades the hosts one by one and tells how far it is

static const struct {
    EventCode event;
    ApiBoolean running;
} upgrade_rows[] = {
    [API_CLUSTER_UPGRADE_ACTION_START] = {EVENT_USER_START_CLUSTER_UPGRADE, API_TRUE},
    [API_CLUSTER_UPGRADE_ACTION_UPDATE_PROGRESS] = {EVENT_USER_UPDATE_CLUSTER_UPGRADE, API_TRUE},
    [API_CLUSTER_UPGRADE_ACTION_FINISH] = {EVENT_USER_FINISH_CLUSTER_UPGRADE, API_FALSE},
};

static int check_upgrade(Request *request, const Entity *cluster, const ApiAction *action)
{
    bool running = ENTITY_OBJECT(cluster, Cluster)->upgrade_in_progress == API_TRUE;
    bool start = action->upgrade_action == API_CLUSTER_UPGRADE_ACTION_START;
    if (!action->upgrade_action)
        return fail_set(&request->why, FAIL_INCOMPLETE,
                        "Action [upgrade_action] required for "
                        "upgrade");
    if (start == running)
        return fail_set(&request->why, FAIL_STATE,
                        "Cannot %s upgrade. Cluster %s is %sbeing "
                        "upgraded.",
                        start ? "start" : "continue", entity_name(cluster), running ? "" : "not ");
    return request_check_integer(request, "action.upgrade_percent_complete",
                                 action->upgrade_percent_complete, 0, 100);
}

void cluster_upgrade(Request *request)
{
    Entity *cluster = cluster_of_path(request);
    const ApiAction *action = request->body;
    if (!cluster || check_upgrade(request, cluster, action)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_edit(change, cluster);
    ApiCluster *object = draft->object;
    bool start = action->upgrade_action == API_CLUSTER_UPGRADE_ACTION_START;
    object->upgrade_in_progress = upgrade_rows[action->upgrade_action].running;
    if (action->upgrade_percent_complete.set || start)
        object->upgrade_percent_complete = API_INT(action->upgrade_percent_complete.value);
    if (start)
        object->upgrade_correlation_id =
            arena_string(&draft->arena, action->correlation_id ? action->correlation_id
                                                               : request->cause.correlation);
    event_add(change, upgrade_rows[action->upgrade_action].event,
              &(EventFacts){.cluster = cluster});
    commit_and_act(request, change, NULL);
}
