// Putting storage domains into maintenance and detaching them from their data center.
//
// The role of the master moves to another active domain. With the last active one the hosts leave
// the pool; when it is detached the pool is forgotten.
#include <string.h>
#include <strings.h>

#include "manager/storage/domain_step.h"
#include "manager/storage/pool.h"
#include "proto/vdsm.h"

static const char *context_data_center(const Operation *operation)
{
    return operation_context(operation)->data_center;
}

// The last active domain of its data center, or the last attached one.
static bool context_last(const Operation *operation)
{
    return operation_context(operation)->flag == API_TRUE;
}

// ---- deactivating

static void deactivated(Operation *operation)
{
    const ApiOperationContext *context = operation_context(operation);
    Manager *manager = operation->manager;
    Change *change = operation_change(operation);
    Entity *domain = step_storage_domain(operation), *data_center = step_data_center(operation);
    Entity *master = context->new_master ? inventory_get(manager->inventory, KIND_STORAGE_DOMAIN,
                                                         context->new_master)
                                         : NULL;
    if (domain)
        ((ApiStorageDomain *)change_edit(change, domain)->object)->wanted_active = API_FALSE;
    if (domain && master && data_center) {
        ((ApiStorageDomain *)change_edit(change, domain)->object)->master = API_FALSE;
        ((ApiStorageDomain *)change_edit(change, master)->object)->master = API_TRUE;
        ((ApiDataCenter *)change_edit(change, data_center)->object)->master_version =
            context->master_version;
    }
    operation_done_with(operation, change);
}

static void deactivate_answered(Operation *operation, const Json *result, const Fail *why, int code)
{
    Entity *host =
        step_data_center(operation) ? data_center_state(step_data_center(operation))->spm : NULL;
    (void)result;
    if (!fail_is_set(why))
        deactivated(operation);
    else if (!domain_step_lost_role(operation, host, why, code))
        step_fail(operation, why);
}

static void write_new_master(Operation *operation, JsonWriter *writer)
{
    const ApiOperationContext *context = operation_context(operation);
    json_add_string(writer, "masterSdUUID", context->new_master ? context->new_master : UUID_ZERO);
    json_add_integer(writer, "masterVersion", context->master_version.value);
}

// StoragePool.getInfo tells whether the domain is out of use, and who the master is.
static void deactivate_asked(Operation *operation, const Json *result, const Fail *why, int code)
{
    const ApiOperationContext *context = operation_context(operation);
    const Json *domain = json_get(json_get(result, "dominfo"), context->storage_domain);
    const char *status = json_get_string(domain, "status");
    const char *master = json_get_string(json_get(result, "info"), "master_uuid");
    Entity *host = domain_step_manager(operation);
    bool moved = !context->new_master || (master && !strcmp(master, context->new_master));
    if (!host)
        return;
    if (fail_is_set(why)) {
        if (!domain_step_lost_role(operation, host, why, code))
            step_fail(operation, why);
    } else if (status && strcasecmp(status, "active") && moved)
        deactivated(operation);
    else
        domain_step_call(operation, host, "StorageDomain.deactivate",
                         context_data_center(operation), write_new_master, deactivate_answered);
}

static void released(const Fail *why, void *argument)
{
    Operation *operation = step_wait_end(argument);
    if (!operation)
        return;
    if (fail_is_set(why))
        step_fail_or_put_off(operation, why);
    else
        deactivated(operation);
}

static void act_deactivate(Operation *operation)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    Entity *data_center = step_data_center(operation);
    if (!domain_step_domain(operation))
        return;
    if (!data_center) {
        deactivated(operation);
        return;
    }
    if (context_last(operation)) {
        if (!domain_step_await_hosts(operation))
            pool_disconnect_hosts(operation->manager, data_center, released,
                                  step_wait_new(operation));
        return;
    }
    Entity *host = domain_step_manager(operation);
    if (!host)
        return;
    json_open(&writer, '{');
    json_add_string(&writer, "storagepoolID", data_center->id);
    json_close(&writer, '}');
    step_call(operation, host, "StoragePool.getInfo", &params, deactivate_asked);
}

static void hosts_told(const Fail *why, void *argument)
{
    Operation *operation = step_wait_end(argument);
    (void)why; // hosts that did not hear it hear it when they connect
    if (operation)
        operation_done(operation);
}

static void act_tell_hosts(Operation *operation)
{
    Entity *data_center = step_data_center(operation);
    if (!data_center || context_last(operation))
        operation_done(operation);
    else if (!domain_step_await_hosts(operation))
        pool_connect_hosts(operation->manager, data_center, hosts_told, step_wait_new(operation));
}

static void act_leave_servers(Operation *operation)
{
    Entity *data_center = step_data_center(operation), *domain = step_storage_domain(operation);
    if (!data_center || !domain || context_last(operation))
        operation_done(operation);
    else if (!domain_step_await_hosts(operation))
        pool_leave_server(operation->manager, data_center, domain, hosts_told,
                          step_wait_new(operation));
}

static const OperationStep deactivate_steps[] = {
    {"deactivate", "Taking the domain out of use", act_deactivate, NULL, 0},
    {"hosts", "Telling all hosts", act_tell_hosts, NULL, 0},
    {"servers", "Leaving the storage", act_leave_servers, NULL, 0},
};

static void deactivate_finish(Operation *operation, Change *change, const Fail *why)
{
    domain_step_event(operation, change, why, EVENT_USER_DEACTIVATED_STORAGE_DOMAIN,
                      EVENT_USER_DEACTIVATE_STORAGE_DOMAIN_FAILED);
}

const OperationKind storage_domain_deactivate_kind = {
    .name = "storage_domain_deactivate",
    .title = "Putting storage domain ${storage_domain} into maintenance",
    .steps = deactivate_steps,
    .count = COUNT_OF(deactivate_steps),
    .finish = deactivate_finish,
};

// ---- detaching

static void detach_answered(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)result;
    if (!fail_is_set(why) || code == VDSM_DOMAIN_NOT_IN_POOL)
        domain_step_detached(operation);
    else if (context_last(operation) ||
             !domain_step_lost_role(operation, step_host(operation), why, code))
        step_fail(operation, why);
}

static void detach_asked(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)code;
    Entity *host =
        context_last(operation) ? domain_step_host(operation) : domain_step_manager(operation);
    if (!host)
        return;
    if (fail_is_set(why))
        step_fail(operation, why);
    else if (!domain_info_in_pool(result, context_data_center(operation)))
        domain_step_detached(operation);
    else
        domain_step_detach(operation, host, detach_answered);
}

static void act_detach(Operation *operation)
{
    if (!domain_step_domain(operation))
        return;
    Entity *host = domain_step_host(operation);
    if (host)
        domain_step_ask(operation, host, detach_asked);
}

static const OperationStep detach_steps[] = {
    {"connect", "Connecting the storage to the host", domain_step_connect, domain_step_disconnect,
     0},
    {"detach", "Detaching the domain", act_detach, NULL, 0},
    {"disconnect", "Leaving the storage", domain_step_disconnect, NULL, 0},
};

static void detach_finish(Operation *operation, Change *change, const Fail *why)
{
    domain_step_event(operation, change, why, EVENT_USER_DETACH_STORAGE_DOMAIN_FROM_POOL,
                      EVENT_USER_DETACH_STORAGE_DOMAIN_FROM_POOL_FAILED);
}

const OperationKind storage_domain_detach_kind = {
    .name = "storage_domain_detach",
    .title = "Detaching storage domain ${storage_domain}",
    .steps = detach_steps,
    .count = COUNT_OF(detach_steps),
    .finish = detach_finish,
};
