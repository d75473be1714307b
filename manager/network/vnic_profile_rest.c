// vNIC profiles: at the root and below their network.
#include <string.h>

#include "manager/network/network_filter.h"
#include "manager/network/network_rules.h"
#include "manager/rest/check.h"
#include "manager/rest/reply.h"
#include "rest_handlers.h"

enum { PROFILE_NAME_MAX = 256 };

static void vnic_profile_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiVnicProfile *view = target;
    (void)request;
    (void)scratch;
    *view = *(const ApiVnicProfile *)item->document->object;
    view->description = VIEW_TEXT(view->description);
    view->comment = VIEW_TEXT(view->comment);
}

static bool is_of_network(const Request *request, const Entity *profile, const void *id)
{
    (void)request;
    return reference_is(ENTITY_OBJECT(profile, VnicProfile)->network, id);
}

int vnic_profile_list(Request *request, Items *items)
{
    const char *network = request_id_of(request, "Network");
    if (request_check_parents(request))
        return fail_to_errno(request->why.code);
    if (!network)
        return items_collect(request, items, KIND_VNIC_PROFILE, vnic_profile_view);
    items_set_home(request, items, "/vnicprofiles");
    return items_select(request, items, KIND_VNIC_PROFILE, vnic_profile_view, is_of_network,
                        network);
}

static Entity *profile_of_path(Request *request)
{
    const char *id = request_last_id(request), *network = request_id_of(request, "Network");
    Entity *profile = inventory_get(request->manager->inventory, KIND_VNIC_PROFILE, id);
    if (request_check_parents(request))
        return NULL;
    if (profile && (!network || is_of_network(request, profile, network)))
        return profile;
    request_not_found(request, kind_noun(KIND_VNIC_PROFILE), id);
    return NULL;
}

int vnic_profile_get(Request *request, Items *items)
{
    Entity *profile = profile_of_path(request);
    if (!profile)
        return fail_to_errno(request->why.code);
    items->view = vnic_profile_view;
    items_add_entity(items, profile);
    return 0;
}

// ---- rules

static bool passes_through(const ApiVnicProfile *profile)
{
    return profile->pass_through &&
           profile->pass_through->mode == API_VNIC_PASS_THROUGH_MODE_ENABLED;
}

static int check_unique(Request *request, const ApiVnicProfile *profile, const Entity *except)
{
    Inventory *inventory = request->manager->inventory;
    for (Entity *other = inventory_named(inventory, KIND_VNIC_PROFILE, profile->name); other;
         other = other->twin) {
        if (other == except || !is_of_network(request, other, profile->network->id))
            continue;
        fail_set(&request->why, FAIL_EXISTS,
                 "Cannot %s vNIC profile. The name %s is already in use in its network.",
                 except ? "edit" : "add", profile->name);
        fail_object(&request->why, other->id);
        return fail_to_errno(FAIL_EXISTS);
    }
    return 0;
}

static int check_filter(Request *request, ApiVnicProfile *profile, Arena *arena)
{
    char id[UUID_SIZE];
    const ApiNetworkFilter *filter = profile->network_filter;
    if (!filter)
        return 0;
    if (!filter->id && !filter->name) { // <network_filter/>: none
        profile->network_filter = NULL;
        return 0;
    }
    const NetworkFilterRow *row = network_filter_find(filter->id, filter->name);
    if (!row)
        return fail_set(&request->why, FAIL_INVALID,
                        "vnic_profile.network_filter: there is no network filter %s.",
                        filter->id ? filter->id : filter->name);
    profile->network_filter =
        api_reference_new(arena, &api_type_network_filter, network_filter_id(row, id));
    return 0;
}

static int check_pass_through(Request *request, const ApiVnicProfile *profile,
                              const ApiNetwork *network)
{
    const struct {
        bool set;
        const char *member, *text;
    } rows[] = {
        {profile->port_mirroring == API_TRUE, "port_mirroring", "mirrors no ports"},
        {profile->qos != NULL, "qos", "has no quality of service"},
        {profile->network_filter != NULL, "network_filter", "has no filter"},
        {network->port_isolation == API_TRUE, "network",
         "can't be on a network that isolates ports"},
    };
    for (size_t i = 0; passes_through(profile) && i < COUNT_OF(rows); i++)
        if (rows[i].set)
            return fail_set(&request->why, FAIL_INVALID,
                            "vnic_profile.%s: a profile with pass-through %s.", rows[i].member,
                            rows[i].text);
    if (profile->migratable == API_TRUE && !passes_through(profile))
        return fail_set(&request->why, FAIL_INVALID,
                        "vnic_profile.migratable: only a profile with pass-through has it.");
    return 0;
}

static int check_failover(Request *request, ApiVnicProfile *profile, Arena *arena)
{
    if (!profile->failover)
        return 0;
    if (!profile->failover->id && !profile->failover->name) {
        profile->failover = NULL;
        return 0;
    }
    Entity *other =
        request_reference(request, KIND_VNIC_PROFILE, profile->failover, "vnic_profile.failover");
    if (!other)
        return fail_to_errno(request->why.code);
    if (!strcmp(other->id, profile->id) || passes_through(ENTITY_OBJECT(other, VnicProfile)))
        return fail_set(&request->why, FAIL_INVALID,
                        "vnic_profile.failover: it must be another profile without pass-through.");
    if (!passes_through(profile) || profile->migratable != API_TRUE)
        return fail_set(&request->why, FAIL_INVALID,
                        "vnic_profile.failover: only a migratable "
                        "profile with pass-through has one.");
    profile->failover = api_reference_new(arena, &api_type_vnic_profile, other->id);
    return 0;
}

static int check_properties(Request *request, const ApiVnicProfile *profile)
{
    for (uint32_t i = 0; i < profile->custom_properties.count; i++) {
        const ApiCustomProperty *property = profile->custom_properties.items[i];
        if (!property->name || !*property->name)
            return fail_set(&request->why, FAIL_INVALID,
                            "vnic_profile.custom_properties."
                            "custom_property.name: it is missing.");
    }
    return 0;
}

static int profile_check(Request *request, ApiDocument *draft, const Entity *network,
                         const Entity *except)
{
    ApiVnicProfile *profile = draft->object;
    const ApiNetwork *object = ENTITY_OBJECT(network, Network);
    int result = request_check_identified(request, &api_type_vnic_profile, profile, NAME_TEXT,
                                          PROFILE_NAME_MAX);
    if (!result && !(network_usages(object) & USAGE_BIT(VM)))
        result = fail_set(&request->why, FAIL_REJECTED,
                          "Cannot add vNIC profile. Network %s is not for VMs.", object->name);
    if (profile->qos && !profile->qos->id)
        profile->qos = NULL;
    if (!result && profile->qos)
        result = request_not_found(request, "QoS", profile->qos->id);
    if (!result)
        result = check_filter(request, profile, &draft->arena);
    if (!result)
        result = check_pass_through(request, profile, object);
    if (!result)
        result = check_failover(request, profile, &draft->arena);
    if (!result)
        result = check_properties(request, profile);
    return result ? result : check_unique(request, profile, except);
}

// ---- adding

static Entity *wanted_network(Request *request)
{
    const ApiVnicProfile *wanted = request->body;
    const char *above = request_id_of(request, "Network");
    if (!above)
        return request_reference(request, KIND_NETWORK, wanted->network, "vnic_profile.network");
    if (wanted->network && wanted->network->id && strcmp(wanted->network->id, above)) {
        fail_set(&request->why, FAIL_INVALID,
                 "vnic_profile.network: it is another network than that of the URL.");
        return NULL;
    }
    return request_entity_of(request, "Network", KIND_NETWORK);
}

static void profile_fill(ApiDocument *draft, const Entity *network)
{
    ApiVnicProfile *profile = draft->object;
    profile->network = api_reference_new(&draft->arena, &api_type_network, network->id);
    if (!profile->port_mirroring)
        profile->port_mirroring = API_FALSE;
    if (!profile->pass_through)
        profile->pass_through = ARENA_NEW(&draft->arena, ApiVnicPassThrough);
    if (!profile->pass_through->mode)
        profile->pass_through->mode = API_VNIC_PASS_THROUGH_MODE_DISABLED;
    if (!profile->migratable && passes_through(profile))
        profile->migratable = API_TRUE;
}

void vnic_profile_add(Request *request)
{
    Entity *network = request_check_parents(request) ? NULL : wanted_network(request);
    if (!network) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_add(change, KIND_VNIC_PROFILE, NULL);
    ApiVnicProfile *profile = draft->object;
    api_merge(&draft->arena, draft->type, profile, request_body_members(request));
    profile_fill(draft, network);
    if (profile_check(request, draft, network, NULL)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    AUTO_FREE char *path = memory_format("%s/%s", request->route.path, profile->id);
    event_add(change, request->method->event,
              &(EventFacts){.name = profile->name, .network = network});
    commit_and_show(request, change, 201, path);
}

// ---- changing

// What running NICs were made with can't change under them.
static int check_transition(Request *request, const Entity *entity, const ApiVnicProfile *after)
{
    const ApiVnicProfile *before = ENTITY_OBJECT(entity, VnicProfile);
    const char *failover = before->failover ? before->failover->id : NULL;
    bool same_failover = failover ? reference_is(after->failover, failover) : !after->failover;
    if (passes_through(before) == passes_through(after) && same_failover &&
        (before->port_mirroring == API_TRUE) == (after->port_mirroring == API_TRUE))
        return 0;
    return network_check_unused(request, NULL, entity, "edit");
}

static int profile_change(Request *request, Change *change, Entity *entity)
{
    const ApiVnicProfile *wanted = request_body_members(request);
    ApiDocument *draft = change_edit(change, entity);
    ApiVnicProfile *profile = draft->object;
    const char *network_id = profile->network->id;
    Entity *network = inventory_get(request->manager->inventory, KIND_NETWORK, network_id);
    if (wanted->network && wanted->network->id && strcmp(wanted->network->id, network_id))
        return fail_set(&request->why, FAIL_INVALID,
                        "vnic_profile.network: a profile can't move to another network.");
    api_merge(&draft->arena, draft->type, profile, wanted);
    if (wanted->pass_through && !passes_through(profile) && !wanted->migratable)
        profile->migratable = API_UNSET;
    profile_fill(draft, network);
    int result = profile_check(request, draft, network, entity);
    return result ? result : check_transition(request, entity, profile);
}

void vnic_profile_update(Request *request)
{
    Entity *profile = profile_of_path(request);
    if (!profile) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    if (profile_change(request, change, profile)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    event_add(change, request->method->event, &(EventFacts){.name = entity_name(profile)});
    commit_and_show(request, change, 200, request->route.path);
}

// ---- removing

static int check_no_failover_of(Request *request, const Entity *profile)
{
    INVENTORY_EACH(request->manager->inventory, KIND_VNIC_PROFILE, other)
        if (reference_is(ENTITY_OBJECT(other, VnicProfile)->failover, profile->id)) {
            fail_set(&request->why, FAIL_CONFLICT,
                     "Cannot remove vNIC profile. %s is the failover of %s.", entity_name(profile),
                     entity_name(other));
            fail_object(&request->why, other->id);
            return fail_to_errno(FAIL_CONFLICT);
        }
    return 0;
}

void vnic_profile_remove(Request *request)
{
    Entity *profile = profile_of_path(request);
    if (!profile || network_check_unused(request, NULL, profile, "remove") ||
        check_no_failover_of(request, profile)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, request->method->event, &(EventFacts){.name = entity_name(profile)});
    change_remove(change, profile);
    commit_and_remove(request, change);
}
