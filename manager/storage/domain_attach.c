// Attaching storage domains to data centers, and activating them.
//
// The first domain of a data center becomes the master of a new pool; a host connects to the pool
// and becomes its manager. Further ones are attached and activated by that manager.
#include <string.h>

#include "manager/fleet/fleet.h"
#include "manager/storage/domain_step.h"
#include "manager/storage/pool.h"
#include "proto/vdsm.h"

enum {
    LOCK_RENEWAL_S = 5,
    LEASE_S = 60,
    IO_TIMEOUT_S = 10,
    LEASE_RETRIES = 3,
    MANAGE_POLL_MS = 200,
};

// ---- checks and planning

static const char doing[] = "Cannot attach Storage";

static Entity *only_host(const Manager *manager, const Entity *data_center, int *ret_count)
{
    Entity *found = NULL;
    *ret_count = 0;
    INVENTORY_EACH(manager->inventory, KIND_HOST, host)
        if (host_data_center(manager, host) == data_center) {
            found = host;
            ++*ret_count;
        }
    return found;
}

static int check_local(Manager *manager, const ApiStorageDomain *domain, const Entity *data_center,
                       Fail *why)
{
    int count;
    if (domain->storage->type != API_STORAGE_TYPE_LOCALFS)
        return 0;
    if (ENTITY_OBJECT(data_center, DataCenter)->local != API_TRUE)
        return fail_set(why, FAIL_CONFLICT,
                        "%s. Cannot attach a local Storage Domain to a shared storage Data Center.",
                        doing);
    Entity *host = only_host(manager, data_center, &count);
    if (count != 1)
        return fail_set(
            why, FAIL_CONFLICT,
            "%s. Data center %s has local storage, so it must have exactly one host; it "
            "has %d.",
            doing, entity_name(data_center), count);
    Entity *connection =
        domain->connection
            ? inventory_get(manager->inventory, KIND_STORAGE_CONNECTION, domain->connection->id)
            : NULL;
    const ApiHost *owner = connection ? ENTITY_OBJECT(connection, StorageConnection)->host : NULL;
    if (owner && strcmp(owner->id, host->id))
        return fail_set(why, FAIL_CONFLICT, "%s. The domain lies on another host than %s.", doing,
                        entity_name(host));
    return 0;
}

// The host that does the work; NULL and NO_HOST when there is none.
static Entity *attaching_host(Manager *manager, const Entity *data_center, bool first, Fail *why)
{
    if (!first)
        return fleet_storage_manager(manager, data_center, why);
    Entity *host = fleet_host_of_data_center(manager, data_center);
    if (host)
        return host;
    fail_set(why, FAIL_NO_HOST, "%s. There is no active Host in the Data Center.", doing);
    fleet_explain_no_host(manager, data_center, why);
    return NULL;
}

static bool is_first(const Manager *manager, const Entity *data_center)
{
    AUTO_ARRAY domains = {0};
    pool_domains(manager, data_center, &domains);
    return !domains.count;
}

int storage_domain_check_attach(Manager *manager, const Entity *domain, const Entity *data_center,
                                Fail *why)
{
    const ApiStorageDomain *object = ENTITY_OBJECT(domain, StorageDomain);
    if (object->data_center)
        return fail_set(why, FAIL_STATE,
                        "%s. Storage domain %s is attached to a data center already.", doing,
                        entity_name(domain));
    if (check_local(manager, object, data_center, why))
        return fail_to_errno(why->code);
    return attaching_host(manager, data_center, is_first(manager, data_center), why)
               ? 0
               : fail_to_errno(why->code);
}

int storage_domain_plan_attach(Change *change, Entity *domain, Entity *data_center,
                               const char **ret_operation, Fail *why)
{
    Arena *arena;
    Manager *manager = change_manager(change);
    bool first = is_first(manager, data_center);
    Entity *host = attaching_host(manager, data_center, first, why);
    if (!host)
        return fail_to_errno(why->code);
    ApiOperationContext *context =
        operation_plan(change, &storage_domain_attach_kind, &arena, ret_operation);
    context->storage_domain = arena_string(arena, domain->id);
    context->data_center = arena_string(arena, data_center->id);
    context->host = arena_string(arena, host->id);
    context->text = arena_string(arena, entity_name(domain));
    context->flag = API_BOOL(first);
    operation_lock(change, *ret_operation, domain->id, LOCK_EXCLUSIVE);
    operation_lock(change, *ret_operation, data_center->id, first ? LOCK_EXCLUSIVE : LOCK_SHARED);
    return 0;
}

// ---- into the pool

static bool context_first(const Operation *operation)
{
    return operation_context(operation)->flag == API_TRUE;
}

static const char *context_data_center(const Operation *operation)
{
    return operation_context(operation)->data_center;
}

// Asked of the host that connected to the storage, or of the manager.
static Entity *acting_host(Operation *operation)
{
    return context_first(operation) ? domain_step_host(operation) : domain_step_manager(operation);
}

static void joined(Operation *operation)
{
    Change *change = operation_change(operation);
    Entity *domain = domain_step_domain(operation);
    if (!domain) {
        change_cancel(change);
        return;
    }
    ApiDocument *draft = change_edit(change, domain);
    ApiStorageDomain *object = draft->object;
    object->data_center = ARENA_NEW(&draft->arena, ApiDataCenter);
    object->data_center->id = arena_string(&draft->arena, context_data_center(operation));
    // A pool is created with its master active.
    object->master = object->wanted_active = API_BOOL(context_first(operation));
    operation_done_with(operation, change);
}

static void join_answered(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)result;
    if (!fail_is_set(why))
        joined(operation);
    else if (code == VDSM_DOMAIN_ALREADY_ATTACHED) // to us, by a call before a crash: asked again
        step_put_off(operation, why);
    else if (context_first(operation) ||
             !domain_step_lost_role(operation, step_host(operation), why, code))
        step_fail(operation, why);
}

static void write_pool(Operation *operation, JsonWriter *writer)
{
    const ApiOperationContext *context = operation_context(operation);
    const ApiDataCenter *data_center = ENTITY_OBJECT(step_data_center(operation), DataCenter);
    json_add_string(writer, "name", data_center->name);
    json_add_string(writer, "masterSdUUID", context->storage_domain);
    json_add_integer(writer, "masterVersion", data_center->master_version.value);
    json_key(writer, "domainList");
    json_open(writer, '[');
    json_put_string(writer, context->storage_domain);
    json_close(writer, ']');
    json_add_integer(writer, "lockRenewalIntervalSec", LOCK_RENEWAL_S);
    json_add_integer(writer, "leaseTimeSec", LEASE_S);
    json_add_integer(writer, "ioOpTimeoutSec", IO_TIMEOUT_S);
    json_add_integer(writer, "leaseRetries", LEASE_RETRIES);
}

static void in_other_pool(Operation *operation, const Json *info)
{
    AUTO_FAIL why = {0};
    const char *pool = json_string(json_first(json_get(info, "pool")));
    fail_set(&why, FAIL_CONFLICT, "%s. Storage domain %s belongs to another data center.", doing,
             operation_context(operation)->text);
    fail_detail(&why, "its metadata names pool %s", pool ? pool : "(unknown)");
    fail_hint(&why, "Detach it there first");
    operation_fail(operation, &why);
}

static void join_asked(Operation *operation, const Json *result, const Fail *why, int code)
{
    const char *pool = context_data_center(operation);
    const char *role = json_get_string(result, "role");
    bool master = role && !strcmp(role, "Master");
    (void)code;
    if (fail_is_set(why)) {
        step_fail(operation, why);
        return;
    }
    // A domain that joins others is in the pool only when its manager has it in its list too, which
    // comes after the domain's own metadata: that one is asked in any case.
    if (context_first(operation) && domain_info_in_pool(result, pool) && master) {
        joined(operation);
        return;
    }
    if (domain_info_in_pool(result, NULL) && !domain_info_in_pool(result, pool)) {
        in_other_pool(operation, result);
        return;
    }
    Entity *host = acting_host(operation);
    if (!host)
        return;
    if (context_first(operation))
        domain_step_call(operation, host, "StoragePool.create", pool, write_pool, join_answered);
    else
        domain_step_call(operation, host, "StorageDomain.attach", pool, NULL, join_answered);
}

static void act_join(Operation *operation)
{
    Entity *host = domain_step_domain(operation) ? acting_host(operation) : NULL;
    if (host)
        domain_step_ask(operation, host, join_asked);
}

// ---- out of it again

static void unjoin_answered(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)result;
    if (!fail_is_set(why) || code == VDSM_DOMAIN_NOT_IN_POOL || code == VDSM_DOMAIN_DOES_NOT_EXIST)
        domain_step_detached(operation);
    else if (context_first(operation) ||
             !domain_step_lost_role(operation, step_host(operation), why, code))
        step_fail(operation, why);
}

static void unjoin_asked(Operation *operation, const Json *result, const Fail *why, int code)
{
    Entity *host = acting_host(operation);
    (void)code;
    if (!host)
        return;
    if (fail_is_set(why) || !domain_info_in_pool(result, context_data_center(operation)))
        domain_step_detached(operation);
    else
        domain_step_detach(operation, host, unjoin_answered);
}

// What can't be reached now keeps the name of the pool, which does no harm when it is attached here
// again.
static void unjoin_connected(Operation *operation, const Json *result, const Fail *why, int code)
{
    Entity *host = acting_host(operation);
    (void)result;
    (void)code;
    if (!host)
        return;
    if (fail_is_set(why))
        domain_step_detached(operation);
    else
        domain_step_ask(operation, host, unjoin_asked);
}

static void undo_join(Operation *operation)
{
    if (!step_host(operation) || !step_storage_domain(operation)) {
        domain_step_detached(operation);
        return;
    }
    Entity *host = acting_host(operation);
    if (host) // leaving the pool has left its servers
        domain_step_call_server(operation, host, unjoin_connected);
}

// ---- a manager for the pool

static void managed(const Fail *why, void *argument)
{
    Operation *operation = step_wait_end(argument);
    if (!operation)
        return;
    if (fail_is_set(why))
        step_fail_or_put_off(operation, why);
    else
        operation_done(operation);
}

static void act_manage(Operation *operation)
{
    Entity *data_center = step_data_center(operation);
    if (!context_first(operation) || !data_center || data_center_state(data_center)->spm) {
        operation_done(operation);
        return;
    }
    if (data_center_state(data_center)->connecting) {
        operation_wait(operation, MANAGE_POLL_MS);
        return;
    }
    Entity *host = domain_step_host(operation);
    if (host)
        pool_elect(operation->manager, data_center, host, managed, step_wait_new(operation));
}

// ---- active

static void activated(Operation *operation)
{
    Change *change = operation_change(operation);
    Entity *domain = step_storage_domain(operation);
    if (domain)
        ((ApiStorageDomain *)change_edit(change, domain)->object)->wanted_active = API_TRUE;
    operation_done_with(operation, change);
}

static void activate_answered(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)result;
    if (!fail_is_set(why))
        activated(operation);
    else if (!domain_step_lost_role(operation, step_host(operation), why, code))
        step_fail(operation, why);
}

// Activating what is active is fine with hosts, so there is nothing to ask first.
static void act_activate(Operation *operation)
{
    if (context_first(operation)) {
        activated(operation);
        return;
    }
    Entity *host = domain_step_domain(operation) ? domain_step_manager(operation) : NULL;
    if (host)
        domain_step_call(operation, host, "StorageDomain.activate", context_data_center(operation),
                         NULL, activate_answered);
}

// ---- out of use again: first it is no longer wanted, then everybody hears of that

static void disused(const Fail *why, void *argument)
{
    Operation *operation = step_wait_end(argument);
    if (!operation)
        return;
    if (fail_is_set(why))
        step_fail(operation, why);
    else
        operation_done(operation);
}

static void disuse_leave(const Fail *why, void *argument)
{
    Operation *operation = step_wait_end(argument);
    Entity *data_center = operation ? step_data_center(operation) : NULL;
    (void)why; // hosts that did not hear it hear it when they connect
    if (!operation)
        return;
    if (data_center && step_storage_domain(operation))
        pool_leave_server(operation->manager, data_center, step_storage_domain(operation), disused,
                          step_wait_new(operation));
    else
        operation_done(operation);
}

static void disuse_answered(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)result;
    if (fail_is_set(why) && domain_step_lost_role(operation, step_host(operation), why, code))
        return;
    // One that the pool does not know, or can't reach, is not in use.
    if (step_data_center(operation))
        pool_connect_hosts(operation->manager, step_data_center(operation), disuse_leave,
                           step_wait_new(operation));
    else
        operation_done(operation);
}

static void write_same_master(Operation *operation, JsonWriter *writer)
{
    const ApiDataCenter *data_center = ENTITY_OBJECT(step_data_center(operation), DataCenter);
    json_add_string(writer, "masterSdUUID", UUID_ZERO);
    json_add_integer(writer, "masterVersion", data_center->master_version.value);
}

static void disuse_everywhere(Operation *operation, Entity *data_center)
{
    if (domain_step_await_hosts(operation))
        return;
    if (context_first(operation)) {
        pool_disconnect_hosts(operation->manager, data_center, disused, step_wait_new(operation));
        return;
    }
    Entity *host = domain_step_manager(operation);
    if (host)
        domain_step_call(operation, host, "StorageDomain.deactivate", data_center->id,
                         write_same_master, disuse_answered);
}

static void undo_use(Operation *operation)
{
    Entity *domain = step_storage_domain(operation), *data_center = step_data_center(operation);
    if (!domain || !data_center) {
        operation_done(operation);
        return;
    }
    if (ENTITY_OBJECT(domain, StorageDomain)->wanted_active != API_TRUE) {
        disuse_everywhere(operation, data_center);
        return;
    }
    Change *change = operation_change(operation);
    ((ApiStorageDomain *)change_edit(change, domain)->object)->wanted_active = API_FALSE;
    operation_remember(operation, change, 0);
}

static void undo_manage(Operation *operation)
{
    if (context_first(operation))
        undo_use(operation);
    else
        operation_done(operation);
}

static void undo_activate(Operation *operation)
{
    if (context_first(operation))
        operation_done(operation); // with the step before
    else
        undo_use(operation);
}

// ---- all hosts

static void hosts_told(const Fail *why, void *argument)
{
    Operation *operation = step_wait_end(argument);
    (void)why; // a host that can't reach the domain shows that by its own status
    if (!operation)
        return;
    Entity *data_center = step_data_center(operation);
    if (data_center)
        pool_refresh_space(operation->manager, data_center);
    operation_done(operation);
}

static void act_tell_hosts(Operation *operation)
{
    Entity *data_center = step_data_center(operation);
    if (!data_center)
        operation_done(operation);
    else if (!domain_step_await_hosts(operation))
        pool_connect_hosts(operation->manager, data_center, hosts_told, step_wait_new(operation));
}

static const OperationStep attach_steps[] = {
    {"connect", "Connecting the storage to the host", domain_step_connect, domain_step_disconnect,
     0},
    {"join", "Attaching the domain", act_join, undo_join, 0},
    {"manage", "Waiting for a storage manager", act_manage, undo_manage, 0},
    {"activate", "Activating the domain", act_activate, undo_activate, 0},
    {"hosts", "Telling all hosts", act_tell_hosts, NULL, 0},
};

static void attach_finish(Operation *operation, Change *change, const Fail *why)
{
    domain_step_event(operation, change, why, EVENT_USER_ATTACH_STORAGE_DOMAIN_TO_POOL,
                      EVENT_USER_ATTACH_STORAGE_DOMAIN_TO_POOL_FAILED);
    if (!fail_is_set(why))
        domain_step_event(operation, change, why, EVENT_USER_ACTIVATED_STORAGE_DOMAIN,
                          EVENT_USER_ACTIVATE_STORAGE_DOMAIN_FAILED);
}

const OperationKind storage_domain_attach_kind = {
    .name = "storage_domain_attach",
    .title = "Attaching storage domain ${storage_domain} to data center ${data_center}",
    .steps = attach_steps,
    .count = COUNT_OF(attach_steps),
    .finish = attach_finish,
};

// ---- out of maintenance: the pool knows the domain already

// What is wanted is durable before the pool hears of it: its hosts connect to what is wanted.
static const OperationStep activate_steps[] = {
    {"connect", "Connecting the storage to the host", domain_step_connect, domain_step_disconnect,
     0},
    {"want", "Marking the domain", activated, undo_use, 0},
    {"manage", "Waiting for a storage manager", act_manage, NULL, 0},
    {"activate", "Activating the domain", act_activate, NULL, 0},
    {"hosts", "Telling all hosts", act_tell_hosts, NULL, 0},
};

static void activate_finish(Operation *operation, Change *change, const Fail *why)
{
    domain_step_event(operation, change, why, EVENT_USER_ACTIVATED_STORAGE_DOMAIN,
                      EVENT_USER_ACTIVATE_STORAGE_DOMAIN_FAILED);
}

const OperationKind storage_domain_activate_kind = {
    .name = "storage_domain_activate",
    .title = "Activating storage domain ${storage_domain}",
    .steps = activate_steps,
    .count = COUNT_OF(activate_steps),
    .finish = activate_finish,
};
