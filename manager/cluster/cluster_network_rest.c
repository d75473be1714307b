// The networks of a cluster: which of its data centre's networks its hosts have, and what for.
#include <string.h>

#include "manager/cluster/cluster_rules.h"
#include "manager/inventory/state.h"
#include "manager/network/network_rules.h"
#include "manager/network/network_view.h"
#include "manager/rest/check.h"
#include "manager/rest/reply.h"
#include "rest_handlers.h"

static Entity *cluster_of_path(Request *request)
{
    Entity *cluster = request_entity_of(request, "Cluster", KIND_CLUSTER);
    return cluster && !request_check_parents(request) ? cluster : NULL;
}

// ---- showing

static bool host_has_bridge(const Entity *host, const char *bridge)
{
    const ApiDocument *hardware = host_state(host)->hardware;
    const ApiHost *object = hardware ? hardware->object : NULL;
    for (uint32_t i = 0; object && i < object->nics.count; i++)
        if (!strcmp(VIEW_TEXT(object->nics.items[i]->name), bridge))
            return true;
    return !object; // nothing is known of it yet
}

// A required network is operational when every host that is up has it.
static ApiNetworkStatus network_status(const Manager *manager, const Entity *cluster,
                                       const ApiNetwork *network, bool required)
{
    INVENTORY_EACH(manager->inventory, KIND_HOST, host)
        if (required && network->vdsm_name &&
            reference_is(ENTITY_OBJECT(host, Host)->cluster, cluster->id) &&
            host_state(host)->status == API_HOST_STATUS_UP &&
            !host_has_bridge(host, network->vdsm_name))
            return API_NETWORK_STATUS_NON_OPERATIONAL;
    return API_NETWORK_STATUS_OPERATIONAL;
}

// The item's part is the cluster's entry for the network.
static void cluster_network_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiNetwork *view = target;
    const ApiNetwork *attached = item->part;
    Entity *network = inventory_get(request->manager->inventory, KIND_NETWORK, attached->id);
    *view = *attached;
    if (network) {
        const Item whole = {.entity = network, .document = network->document};
        network_view(request, &whole, scratch, view);
        network_set_usages(scratch, view, network_usages(view) | network_usages(attached));
        view->status =
            network_status(request->manager, item->entity, view, attached->required == API_TRUE);
    }
    view->required = attached->required;
    view->display = API_BOOL(network_usages(attached) & USAGE_BIT(DISPLAY));
    view->cluster = api_reference_new(scratch, &api_type_cluster, item->entity->id);
}

int cluster_network_list(Request *request, Items *items)
{
    Entity *cluster = cluster_of_path(request);
    if (!cluster)
        return fail_to_errno(request->why.code);
    const ApiCluster *object = ENTITY_OBJECT(cluster, Cluster);
    items->view = cluster_network_view;
    for (uint32_t i = 0; i < object->networks.count; i++)
        items_add_part(items, cluster, object->networks.items[i]);
    return 0;
}

static const ApiNetwork *attached_of_path(Request *request, Entity **ret_cluster)
{
    const char *id = request_last_id(request);
    *ret_cluster = cluster_of_path(request);
    if (!*ret_cluster)
        return NULL;
    const ApiNetwork *attached = cluster_network_find(ENTITY_OBJECT(*ret_cluster, Cluster), id);
    if (!attached)
        request_not_found(request, "network", id);
    return attached;
}

int cluster_network_get(Request *request, Items *items)
{
    Entity *cluster;
    const ApiNetwork *attached = attached_of_path(request, &cluster);
    if (!attached)
        return fail_to_errno(request->why.code);
    items->view = cluster_network_view;
    items_add_part(items, cluster, attached);
    return 0;
}

// ---- attaching

static Entity *wanted_network(Request *request, const Entity *cluster)
{
    Inventory *inventory = request->manager->inventory;
    const ApiNetwork *wanted = request->body;
    const ApiDataCenter *data_center = ENTITY_OBJECT(cluster, Cluster)->data_center;
    Entity *home = data_center ? inventory_get(inventory, KIND_DATA_CENTER, data_center->id) : NULL;
    Entity *network = NULL;
    if (wanted->id)
        network = inventory_get(inventory, KIND_NETWORK, wanted->id);
    else if (home)
        network = network_named(request->manager, home, wanted->name);
    if (network && home && reference_is(ENTITY_OBJECT(network, Network)->data_center, home->id))
        return network;
    fail_set(&request->why, FAIL_NOT_FOUND,
             "network: the data center of cluster %s has no network with the %s %s.",
             entity_name(cluster), wanted->id ? "id" : "name",
             wanted->id ? wanted->id : wanted->name);
    return NULL;
}

static int check_roles(Request *request, const ApiCluster *cluster, const ApiNetwork *wanted,
                       const Entity *network)
{
    unsigned roles = network_usages(wanted);
    bool management = reference_is(cluster->management_network, network->id);
    if (management && wanted->required == API_FALSE)
        return fail_set(&request->why, FAIL_REJECTED,
                        "network.required: hosts can't do without the management network.");
    if (management && wanted->usages.set && !(roles & USAGE_BIT(MANAGEMENT)))
        return fail_set(&request->why, FAIL_REJECTED,
                        "network.usages: the management network is changed by making another one "
                        "the management network.");
    return 0;
}

// Roles that hosts would have to follow can't move while there are hosts.
static int check_management(Request *request, const Entity *cluster, const ApiNetwork *wanted,
                            const Entity *network)
{
    const ApiCluster *object = ENTITY_OBJECT(cluster, Cluster);
    if (!(network_usages(wanted) & USAGE_BIT(MANAGEMENT)) ||
        reference_is(object->management_network, network->id) ||
        !cluster_count_hosts(request->manager, cluster->id))
        return 0;
    return fail_set(&request->why, FAIL_STATE,
                    "network.usages: the management network can't change while cluster %s has "
                    "hosts.",
                    entity_name(cluster));
}

static int check_wanted(Request *request, const Entity *cluster, const Entity *network)
{
    const ApiNetwork *wanted = request->body;
    int result = check_roles(request, ENTITY_OBJECT(cluster, Cluster), wanted, network);
    return result ? result : check_management(request, cluster, wanted, network);
}

static void apply_wanted(const ApiNetwork *wanted, ApiDocument *draft, ApiNetwork *attached)
{
    ApiCluster *cluster = draft->object;
    unsigned roles = network_usages(wanted) & ~USAGE_BIT(VM);
    if (wanted->required)
        attached->required = wanted->required;
    if (!wanted->usages.set && wanted->display) { // how older clients say it
        roles = network_usages(attached) & ~USAGE_BIT(DISPLAY);
        roles |= wanted->display == API_TRUE ? USAGE_BIT(DISPLAY) : 0;
    } else if (!wanted->usages.set)
        return;
    if (roles & USAGE_BIT(MANAGEMENT) && !reference_is(cluster->management_network, attached->id))
        cluster_set_management(&draft->arena, cluster, attached->id);
    cluster_network_set_roles(&draft->arena, cluster, attached, roles);
}

void cluster_network_add(Request *request)
{
    const ApiNetwork *wanted = request->body;
    Entity *cluster = cluster_of_path(request);
    Entity *network = cluster ? wanted_network(request, cluster) : NULL;
    if (network && cluster_network_find(ENTITY_OBJECT(cluster, Cluster), network->id)) {
        fail_set(&request->why, FAIL_EXISTS,
                 "Cannot attach network. Network %s is attached to cluster %s already.",
                 entity_name(network), entity_name(cluster));
        fail_object(&request->why, network->id);
    }
    if (!network || fail_is_set(&request->why) || check_wanted(request, cluster, network)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_edit(change, cluster);
    ApiNetwork *attached = cluster_network_attach(&draft->arena, draft->object, network->id,
                                                  wanted->required != API_FALSE);
    apply_wanted(wanted, draft, attached);
    AUTO_FREE char *path = memory_format("%s/%s", request->route.path, network->id);
    event_add(change, request->method->event,
              &(EventFacts){.network = network, .cluster = cluster});
    commit_and_show(request, change, 201, path);
}

void cluster_network_update(Request *request)
{
    Entity *cluster;
    const ApiNetwork *stored = attached_of_path(request, &cluster);
    Entity *network =
        stored ? inventory_get(request->manager->inventory, KIND_NETWORK, stored->id) : NULL;
    if (!network || check_wanted(request, cluster, network)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_edit(change, cluster);
    apply_wanted(request->body, draft, cluster_network_find(draft->object, network->id));
    event_add(change, request->method->event,
              &(EventFacts){.network = network, .cluster = cluster});
    commit_and_show(request, change, 200, request->route.path);
}

// ---- detaching

static bool nic_is_on(const Manager *manager, const ApiNic *nic, const Entity *network)
{
    Entity *profile = nic->vnic_profile ? inventory_get(manager->inventory, KIND_VNIC_PROFILE,
                                                        nic->vnic_profile->id)
                                        : NULL;
    return profile && reference_is(ENTITY_OBJECT(profile, VnicProfile)->network, network->id);
}

static int check_detachable(Request *request, const Entity *cluster, const Entity *network)
{
    Manager *manager = request->manager;
    if (reference_is(ENTITY_OBJECT(cluster, Cluster)->management_network, network->id))
        return fail_set(&request->why, FAIL_CONFLICT,
                        "Cannot detach network. Network %s is the management network of cluster "
                        "%s.",
                        entity_name(network), entity_name(cluster));
    INVENTORY_EACH(manager->inventory, KIND_VM, vm) {
        const ApiVm *object = ENTITY_OBJECT(vm, Vm);
        for (uint32_t i = 0; i < object->nics.count; i++)
            if (reference_is(object->cluster, cluster->id) &&
                nic_is_on(manager, object->nics.items[i], network))
                return fail_set(&request->why, FAIL_CONFLICT,
                                "Cannot detach network. VM %s of cluster %s uses network %s.",
                                entity_name(vm), entity_name(cluster), entity_name(network));
    }
    return 0;
}

void cluster_network_remove(Request *request)
{
    Entity *cluster;
    const ApiNetwork *stored = attached_of_path(request, &cluster);
    Entity *network =
        stored ? inventory_get(request->manager->inventory, KIND_NETWORK, stored->id) : NULL;
    if (!network || check_detachable(request, cluster, network)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_edit(change, cluster);
    cluster_network_detach(&draft->arena, draft->object, network->id);
    event_add(change, request->method->event,
              &(EventFacts){.network = network, .cluster = cluster});
    commit_and_remove(request, change);
}
