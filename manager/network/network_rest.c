// Networks, also those of one data centre.
#include <string.h>

#include "manager/network/network_rules.h"
#include "manager/network/network_view.h"
#include "manager/rest/check.h"
#include "manager/rest/reply.h"
#include "rest_handlers.h"

void network_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiNetwork *view = target;
    (void)request;
    *view = *(const ApiNetwork *)item->document->object;
    view->description = VIEW_TEXT(view->description);
    view->comment = VIEW_TEXT(view->comment);
    // What it is used for besides VMs each cluster decides.
    network_set_usages(scratch, view, network_usages(view) & USAGE_BIT(VM));
    memset(&view->network_labels, 0, sizeof(view->network_labels));
}

static bool is_of_data_center(const Request *request, const Entity *network, const void *id)
{
    (void)request;
    return reference_is(ENTITY_OBJECT(network, Network)->data_center, id);
}

int network_list(Request *request, Items *items)
{
    const char *data_center = request_id_of(request, "DataCenter");
    if (request_check_parents(request))
        return fail_to_errno(request->why.code);
    if (!data_center)
        return items_collect(request, items, KIND_NETWORK, network_view);
    items_set_home(request, items, "/networks");
    return items_select(request, items, KIND_NETWORK, network_view, is_of_data_center, data_center);
}

// /networks/N or /datacenters/D/networks/N
static Entity *network_of_path(Request *request)
{
    const char *id = request_last_id(request), *data_center = request_id_of(request, "DataCenter");
    Entity *network = inventory_get(request->manager->inventory, KIND_NETWORK, id);
    if (request_check_parents(request))
        return NULL;
    if (network && (!data_center || is_of_data_center(request, network, data_center)))
        return network;
    request_not_found(request, "network", id);
    return NULL;
}

int network_get(Request *request, Items *items)
{
    Entity *network = network_of_path(request);
    if (!network)
        return fail_to_errno(request->why.code);
    items->view = network_view;
    items_add_entity(items, network);
    return 0;
}

// ---- adding

static void network_fill(ApiDocument *draft, const ApiNetwork *wanted, const Entity *data_center)
{
    ApiNetwork *network = draft->object;
    if (!wanted->usages.set)
        network_set_usages(&draft->arena, network, USAGE_BIT(VM));
    if (!network->mtu.set)
        network->mtu = API_INT(0);
    if (!network->stp)
        network->stp = API_FALSE;
    if (!network->port_isolation)
        network->port_isolation = API_FALSE;
    if (network->vlan && !network->vlan->id)
        network->vlan = NULL;
    network->data_center = api_reference_new(&draft->arena, &api_type_data_center, data_center->id);
    network_set_bridge_name(&draft->arena, network);
}

// What is decided elsewhere: by clusters, by the system.
static void network_forget_foreign(ApiNetwork *network)
{
    network->status = API_NETWORK_STATUS_UNSET;
    network->required = network->display = network->profile_required = API_UNSET;
    network->cluster = NULL;
    network->ip = NULL;
    network->external_provider_physical_network = NULL;
    if (network->qos && !network->qos->id)
        network->qos = NULL;
}

static Entity *wanted_data_center(Request *request)
{
    const ApiNetwork *wanted = request->body;
    if (request_is_below(request, "DataCenter"))
        return request_entity_of(request, "DataCenter", KIND_DATA_CENTER);
    return request_reference(request, KIND_DATA_CENTER, wanted->data_center, "network.data_center");
}

void network_add(Request *request)
{
    const ApiNetwork *wanted = request_body_members(request);
    Entity *data_center = request_check_parents(request) ? NULL : wanted_data_center(request);
    if (!data_center) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_add(change, KIND_NETWORK, NULL);
    ApiNetwork *network = draft->object;
    api_merge(&draft->arena, &api_type_network, network, wanted);
    network_forget_foreign(network);
    network_fill(draft, wanted, data_center);
    if (network_check(request, network, data_center, NULL)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    if (network_usages(network) & USAGE_BIT(VM) && wanted->profile_required != API_FALSE)
        network_add_profile(change, network);
    AUTO_FREE char *path = memory_format("%s/%s", request->route.path, network->id);
    event_add(change, request->method->event,
              &(EventFacts){.name = network->name, .data_center = data_center});
    commit_and_show(request, change, 201, path);
}

// ---- changing

static int check_transition(Request *request, const Entity *entity, const ApiNetwork *after)
{
    const ApiNetwork *before = ENTITY_OBJECT(entity, Network);
    bool renamed = strcmp(before->name, after->name) != 0;
    const Entity *host = renamed ? network_host(request->manager, entity) : NULL;
    if (host) {
        fail_set(&request->why, FAIL_CONFLICT,
                 "Cannot edit network. Network %s has a bridge on host %s and can't be renamed.",
                 before->name, entity_name(host));
        return fail_to_errno(FAIL_CONFLICT);
    }
    if ((before->port_isolation == API_TRUE) != (after->port_isolation == API_TRUE))
        return fail_set(&request->why, FAIL_INVALID,
                        "network.port_isolation: it is decided when a network is added.");
    if (network_usages(before) & ~network_usages(after) & USAGE_BIT(VM))
        return network_check_unused(request, entity, NULL, "edit");
    return 0;
}

// The profile that came with the network keeps having its name.
static void rename_profile(Change *change, const Entity *entity, const char *name)
{
    Inventory *inventory = change_manager(change)->inventory;
    Entity *profile = inventory_named(inventory, KIND_VNIC_PROFILE, entity_name(entity));
    while (profile && !reference_is(ENTITY_OBJECT(profile, VnicProfile)->network, entity->id))
        profile = profile->twin;
    if (!profile || !strcmp(entity_name(entity), name))
        return;
    ApiDocument *draft = change_edit(change, profile);
    ((ApiVnicProfile *)draft->object)->name = arena_string(&draft->arena, name);
}

static void remove_profiles(Change *change, const Entity *entity)
{
    INVENTORY_EACH(change_manager(change)->inventory, KIND_VNIC_PROFILE, profile)
        if (reference_is(ENTITY_OBJECT(profile, VnicProfile)->network, entity->id))
            change_remove(change, profile);
}

static int network_change(Request *request, Change *change, Entity *entity)
{
    const ApiNetwork *wanted = request_body_members(request);
    ApiDocument *draft = change_edit(change, entity);
    ApiNetwork *network = draft->object;
    Entity *data_center = network_data_center(request->manager, entity);
    if (wanted->data_center && wanted->data_center->id &&
        !reference_is(wanted->data_center, data_center->id))
        return fail_set(&request->why, FAIL_INVALID,
                        "network.data_center: a network can't move to another data center.");
    const char *bridge = network->vdsm_name;
    api_merge(&draft->arena, &api_type_network, network, wanted);
    if (wanted->vlan) // an empty one takes the tag away
        network->vlan =
            wanted->vlan->id ? api_clone(&draft->arena, &api_type_vlan, wanted->vlan) : NULL;
    network->vdsm_name = bridge;
    network_forget_foreign(network);
    network->data_center = api_reference_new(&draft->arena, &api_type_data_center, data_center->id);
    int result = network_check(request, network, data_center, entity);
    if (!result)
        result = check_transition(request, entity, network);
    if (result)
        return result;
    if (strcmp(network->name, entity_name(entity)))
        network_set_bridge_name(&draft->arena, network);
    if (network_usages(network) & USAGE_BIT(VM))
        rename_profile(change, entity, network->name);
    else
        remove_profiles(change, entity);
    return 0;
}

void network_update(Request *request)
{
    Entity *network = network_of_path(request);
    if (!network) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    if (network_change(request, change, network)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    event_add(change, request->method->event,
              &(EventFacts){.network = network,
                            .data_center = network_data_center(request->manager, network)});
    commit_and_show(request, change, 200, request->route.path);
}

// ---- removing

static int check_not_management(Request *request, const Entity *network)
{
    INVENTORY_EACH(request->manager->inventory, KIND_CLUSTER, cluster)
        if (reference_is(ENTITY_OBJECT(cluster, Cluster)->management_network, network->id)) {
            fail_set(&request->why, FAIL_CONFLICT,
                     "Cannot remove network. Network %s is the management network of cluster %s.",
                     entity_name(network), entity_name(cluster));
            fail_object(&request->why, cluster->id);
            return fail_to_errno(FAIL_CONFLICT);
        }
    return 0;
}

void network_remove(Request *request)
{
    Entity *network = network_of_path(request);
    if (!network || check_not_management(request, network) ||
        network_check_unused(request, network, NULL, "remove")) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, request->method->event,
              &(EventFacts){.name = entity_name(network),
                            .data_center = network_data_center(request->manager, network)});
    network_remove_from(change, network);
    commit_and_remove(request, change);
}
