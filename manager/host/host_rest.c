// Adding, changing and removing hosts, and what administrators do with them.
#include <string.h>

#include "manager/fleet/enrol.h"
#include "manager/fleet/fleet.h"
#include "manager/rest/reply.h"
#include "rest_handlers.h"

enum { NAME_MAX_LENGTH = 255 };

static int check_name(Request *request, const char *name, const Entity *except)
{
    Entity *other = name ? inventory_named(request->manager->inventory, KIND_HOST, name) : NULL;
    if (!name || !*name || strlen(name) > NAME_MAX_LENGTH || strpbrk(name, " /<>\""))
        return fail_set(&request->why, FAIL_INVALID,
                        "host.name: a name has 1 to %d characters and no spaces.", NAME_MAX_LENGTH);
    if (!other || other == except)
        return 0;
    fail_set(&request->why, FAIL_EXISTS,
             "Cannot add Host. The Host name is already in use, please choose a unique name and "
             "try again.");
    fail_object(&request->why, other->id);
    return fail_to_errno(FAIL_EXISTS);
}

static int check_address(Request *request, const char *address, const Entity *except)
{
    if (!address || !*address || strlen(address) > 253 || strpbrk(address, " /<>\",;"))
        return fail_set(&request->why, FAIL_INVALID,
                        "host.address: \"%s\" is no host name or IP "
                        "address.",
                        address ? address : "");
    INVENTORY_EACH(request->manager->inventory, KIND_HOST, host)
    {
        const ApiHost *object = ENTITY_OBJECT(host, Host);
        if (host == except || !object->address || strcmp(object->address, address))
            continue;
        fail_set(&request->why, FAIL_EXISTS, "Cannot add Host. Host %s has the address %s already.",
                 entity_name(host), address);
        fail_object(&request->why, host->id);
        return fail_to_errno(FAIL_EXISTS);
    }
    return 0;
}

static Entity *wanted_cluster(Request *request, const ApiHost *wanted)
{
    if (wanted->cluster)
        return request_reference(request, KIND_CLUSTER, wanted->cluster, "host.cluster");
    Entity *fallback = inventory_named(request->manager->inventory, KIND_CLUSTER, "Default");
    if (!fallback)
        fail_set(&request->why, FAIL_INCOMPLETE, "host.cluster [id|name] required.");
    return fallback;
}

static void watch_when_durable(const Fail *why, void *argument)
{
    Request *request = argument;
    AUTO_FREE char *path = memory_string(request->scratch);
    if (fail_is_set(why)) {
        reply_fault(request, why);
        return;
    }
    Entity *host = inventory_get(request->manager->inventory, KIND_HOST, strrchr(path, '/') + 1);
    if (host)
        fleet_host_changed(request->manager, host);
    if (request->method->verb == API_ACTION)
        reply_action(request, NULL, NULL);
    else
        reply_object(request, request->method->verb == API_POST ? 201 : 200, path);
}

static void commit_and_watch(Request *request, Change *change, const char *id)
{
    request->scratch = arena_format(&request->arena, "/hosts/%s", id);
    change_commit(change, watch_when_durable, request);
}

void host_add(Request *request)
{
    const ApiHost *wanted = request->body;
    Entity *cluster = wanted_cluster(request, wanted);
    int number = enrol_free_number(request->manager);
    if (!cluster || check_name(request, wanted->name, NULL) ||
        check_address(request, wanted->address, NULL)) {
        reply_fail(request);
        return;
    }
    if (!number) {
        fail_set(&request->why, FAIL_CONFLICT,
                 "Cannot add Host. The data center has as many hosts as it can have.");
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_add(change, KIND_HOST, NULL);
    ApiHost *host = draft->object;
    const char *id = host->id;
    api_merge(&draft->arena, &api_type_host, host, wanted);
    host->id = id;
    host->root_password = NULL; // hosts join with a token; nobody logs in to them
    host->status = API_HOST_STATUS_UNSET;
    host->cluster = ARENA_NEW(&draft->arena, ApiCluster);
    host->cluster->id = arena_string(&draft->arena, cluster->id);
    host->number = API_INT(number);
    host->wanted = API_HOST_STATUS_UP;
    // A host that has a certificate of ours, or VDSM set up by RHV, answers at once; a fresh one
    // waits for its enrolment. Which it is shows when it is called.
    host->enrolled = API_TRUE;
    event_add(change, request->method->event, &(EventFacts){.name = host->name});
    commit_and_watch(request, change, id);
}

void host_update(Request *request)
{
    Entity *host = request_entity(request, 0, KIND_HOST);
    const ApiHost *wanted = request->body;
    Entity *cluster = NULL;
    if (!host || (wanted->name && check_name(request, wanted->name, host)) ||
        (wanted->address && check_address(request, wanted->address, host)) ||
        (wanted->cluster &&
         !(cluster = request_reference(request, KIND_CLUSTER, wanted->cluster, "host.cluster")))) {
        reply_fail(request);
        return;
    }
    bool moves = cluster && strcmp(cluster->id, ENTITY_OBJECT(host, Host)->cluster->id);
    if (moves && host_state(host)->status != API_HOST_STATUS_MAINTENANCE) {
        fail_set(&request->why, FAIL_STATE,
                 "Cannot edit Host. Host %s must be in maintenance to change its cluster.",
                 entity_name(host));
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_edit(change, host);
    ApiHost *object = draft->object;
    const char *id = object->id;
    api_merge(&draft->arena, &api_type_host, object, wanted);
    object->id = id;
    object->root_password = NULL;
    object->status = API_HOST_STATUS_UNSET;
    object->cluster = ARENA_NEW(&draft->arena, ApiCluster);
    object->cluster->id =
        arena_string(&draft->arena, cluster ? cluster->id : ENTITY_OBJECT(host, Host)->cluster->id);
    event_add(change, request->method->event, &(EventFacts){.host = host});
    commit_and_watch(request, change, host->id);
}

// ---- maintenance

static void host_want(Request *request, ApiHostStatus wanted, const char *reason)
{
    Entity *host = request_entity(request, 0, KIND_HOST);
    if (!host) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ((ApiHost *)change_edit(change, host)->object)->wanted = wanted;
    event_add(change, request->method->event, &(EventFacts){.host = host, .detail = reason});
    commit_and_watch(request, change, host->id);
}

void host_activate(Request *request)
{
    Entity *host = request_entity(request, 0, KIND_HOST);
    if (host && host_state(host)->status == API_HOST_STATUS_UP &&
        ENTITY_OBJECT(host, Host)->wanted == API_HOST_STATUS_UP)
        fail_set(&request->why, FAIL_STATE, "Cannot activate Host. Host %s is up already.",
                 entity_name(host));
    if (fail_is_set(&request->why)) {
        reply_fail(request);
        return;
    }
    host_want(request, API_HOST_STATUS_UP, NULL);
}

void host_deactivate(Request *request)
{
    Entity *host = request_entity(request, 0, KIND_HOST);
    const ApiAction *action = request->body;
    if (!host) {
        reply_fail(request);
        return;
    }
    HostState *state = host_state(host);
    if (ENTITY_OBJECT(host, Host)->wanted == API_HOST_STATUS_MAINTENANCE) {
        fail_set(&request->why, FAIL_STATE,
                 "Cannot switch Host to Maintenance mode. Host %s is already in or going to "
                 "maintenance.",
                 entity_name(host));
        reply_fail(request);
        return;
    }
    // Without a second host to move them to, running VMs would keep it waiting for ever.
    LIST_EACH(&state->vms, VmState, on_host, vm) {
        fail_set(&request->why, FAIL_STATE,
                 "Cannot switch Host to Maintenance mode. VM %s is running on host %s.",
                 entity_name(vm->entity), entity_name(host));
        fail_hint(&request->why, "Shut its VMs down first; live migration is not there yet");
        reply_fail(request);
        return;
    }
    host_want(request, API_HOST_STATUS_MAINTENANCE, action ? action->reason : NULL);
}

void host_refresh(Request *request)
{
    Entity *host = request_entity(request, 0, KIND_HOST);
    if (!host) {
        reply_fail(request);
        return;
    }
    fleet_recheck(request->manager, host);
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, request->method->event, &(EventFacts){.host = host});
    commit_and_act(request, change, NULL);
}

// ---- removal

static void removed_durable(const Fail *why, void *argument)
{
    Request *request = argument;
    Entity *host = request->scratch;
    if (fail_is_set(why))
        reply_fault(request, why);
    else {
        fleet_host_removed(request->manager, host);
        reply_removed(request);
    }
    entity_unref(host);
}

void host_remove(Request *request)
{
    Entity *host = request_entity(request, 0, KIND_HOST);
    bool force = request_flag(request, "force", false);
    if (!host || fail_is_set(&request->why) || request_check_free(request, host, LOCK_EXCLUSIVE)) {
        reply_fail(request);
        return;
    }
    HostState *state = host_state(host);
    bool idle = state->status == API_HOST_STATUS_MAINTENANCE ||
                state->status == API_HOST_STATUS_INSTALLING ||
                state->status == API_HOST_STATUS_INSTALL_FAILED ||
                (state->status == API_HOST_STATUS_UNASSIGNED && !state->capable);
    if (!idle && !(force && state->status == API_HOST_STATUS_NON_RESPONSIVE)) {
        fail_set(&request->why, FAIL_STATE,
                 "Cannot remove Host. Host %s is %s; it must be in maintenance.", entity_name(host),
                 api_enum_name(&api_enum_host_status, state->status));
        fail_hint(&request->why, "Move it to maintenance first");
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, request->method->event, &(EventFacts){.host = host});
    change_remove(change, host);
    request->scratch = entity_ref(host);
    change_commit(change, removed_durable, request);
}
