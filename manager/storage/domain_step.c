#include "manager/storage/domain_step.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "manager/fleet/fleet.h"
#include "manager/storage/pool.h"
#include "manager/storage/task_step.h"
#include "proto/vdsm.h"

enum { HOSTS_POLL_MS = 200 };

Entity *domain_step_domain(Operation *operation)
{
    AUTO_FAIL why = {0};
    Entity *domain = step_storage_domain(operation);
    if (domain)
        return domain;
    fail_set(&why, FAIL_NOT_FOUND, "The storage domain was removed meanwhile.");
    operation_fail(operation, &why);
    return NULL;
}

Entity *domain_step_host(Operation *operation)
{
    AUTO_FAIL why = {0};
    Entity *host = step_host(operation);
    if (!host) {
        fail_set(&why, FAIL_NOT_FOUND, "The host was removed meanwhile.");
        operation_fail(operation, &why);
        return NULL;
    }
    if (host_link_is_open(host_state(host)->link))
        return host;
    fail_set(&why, FAIL_NO_HOST, "Host %s is not connected.", entity_name(host));
    step_put_off(operation, &why);
    return NULL;
}

Entity *domain_step_manager(Operation *operation)
{
    AUTO_FAIL why = {0};
    Entity *data_center = step_data_center(operation);
    Entity *host =
        data_center ? fleet_storage_manager(operation->manager, data_center, &why) : NULL;
    if (!data_center)
        fail_set(&why, FAIL_NOT_FOUND, "The data center was removed meanwhile.");
    if (!host && data_center) // nobody else looks for one while we hold the data centre
        pool_need_manager(operation->manager, data_center);
    if (!host)
        step_put_off(operation, &why);
    return host;
}

bool domain_step_lost_role(Operation *operation, Entity *host, const Fail *why, int code)
{
    if (code != VDSM_SPM_STATUS && code != VDSM_POOL_UNKNOWN && code != VDSM_POOL_NOT_CONNECTED)
        return false;
    if (host)
        pool_host_lost(operation->manager, host);
    step_put_off(operation, why);
    return true;
}

// ---- servers

static const char *context_pool(const Operation *operation)
{
    const char *pool = operation_context(operation)->data_center;
    return pool ? pool : UUID_ZERO;
}

static void call_server(Operation *operation, Entity *host, const char *method, StepReply reply)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    const Entity *domain = step_storage_domain(operation);
    json_open(&writer, '{');
    json_add_string(&writer, "storagepoolID", context_pool(operation));
    pool_write_server(&writer, ENTITY_OBJECT(domain, StorageDomain));
    json_close(&writer, '}');
    step_call(operation, host, method, &params, reply);
}

static void server_connected(Operation *operation, const Json *result, const Fail *why, int code)
{
    AUTO_FAIL failed = {0};
    Entity *domain = domain_step_domain(operation), *host = step_host(operation);
    (void)code;
    if (!domain)
        return;
    if (fail_is_set(why))
        fail_copy(&failed, why);
    else if (host)
        pool_check_connections(result, host, entity_name(domain), &failed);
    if (fail_is_set(&failed))
        operation_fail(operation, &failed);
    else
        operation_done(operation);
}

void domain_step_connect(Operation *operation)
{
    if (!domain_step_domain(operation))
        return;
    Entity *host = domain_step_host(operation);
    if (host)
        domain_step_call_server(operation, host, server_connected);
}

void domain_step_call_server(Operation *operation, Entity *host, StepReply reply)
{
    call_server(operation, host, "StoragePool.connectStorageServer", reply);
}

static void server_left(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)result;
    (void)why;
    (void)code; // a mount that is busy now goes when the host restarts
    operation_done(operation);
}

// A host that is away for long has no mounts to leave when it comes back, or keeps an unused one.
void domain_step_disconnect(Operation *operation)
{
    Entity *host = step_host(operation);
    if (!host || !step_storage_domain(operation))
        operation_done(operation);
    else if (host_link_is_open(host_state(host)->link))
        call_server(operation, host, "StoragePool.disconnectStorageServer", server_left);
    else if (fleet_host_returns(host))
        operation_wait(operation, HOSTS_POLL_MS);
    else
        operation_done(operation);
}

bool domain_step_await_hosts(Operation *operation)
{
    Entity *data_center = step_data_center(operation);
    if (!data_center || !fleet_hosts_return(operation->manager, data_center))
        return false;
    operation_wait(operation, HOSTS_POLL_MS);
    return true;
}

// ---- asking and calling

void domain_step_call(Operation *operation, Entity *host, const char *method, const char *pool,
                      void (*write)(Operation *operation, JsonWriter *writer), StepReply reply)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    json_open(&writer, '{');
    storage_write_place(&writer, pool, operation_context(operation)->storage_domain, NULL, NULL);
    if (write)
        write(operation, &writer);
    json_close(&writer, '}');
    step_call(operation, host, method, &params, reply);
}

void domain_step_ask(Operation *operation, Entity *host, StepReply reply)
{
    domain_step_call(operation, host, "StorageDomain.getInfo", NULL, NULL, reply);
}

bool domain_info_in_pool(const Json *info, const char *pool)
{
    JSON_EACH(json_get(info, "pool"), one) {
        const char *id = json_string(one);
        if (id && (pool ? !strcasecmp(id, pool) : !uuid_is_zero(id)))
            return true;
    }
    return false;
}

void domain_step_event(Operation *operation, Change *change, const Fail *why, EventCode done,
                       EventCode failed)
{
    AUTO_FREE char *text = fail_is_set(why) ? fail_text(why) : NULL;
    event_add(change, text ? failed : done,
              &(EventFacts){.storage_domain = step_storage_domain(operation),
                            .data_center = step_data_center(operation),
                            .host = step_host(operation),
                            .name = operation_context(operation)->text,
                            .detail = text});
}

static void formatted(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)result;
    if (fail_is_set(why) && code != VDSM_DOMAIN_DOES_NOT_EXIST)
        step_fail(operation, why);
    else
        operation_done(operation);
}

static void write_format(Operation *operation, JsonWriter *writer)
{
    (void)operation;
    json_add_bool(writer, "autoDetach", false);
}

void domain_step_format(Operation *operation, Entity *host)
{
    domain_step_call(operation, host, "StorageDomain.format", NULL, write_format, formatted);
}

static void write_detachment(Operation *operation, JsonWriter *writer)
{
    Entity *data_center = step_data_center(operation);
    Entity *master = data_center ? pool_master(operation->manager, data_center) : NULL;
    bool only = operation_context(operation)->flag == API_TRUE;
    json_add_string(writer, "masterSdUUID", master && !only ? master->id : UUID_ZERO);
    json_add_integer(writer, "masterVersion",
                     data_center ? ENTITY_OBJECT(data_center, DataCenter)->master_version.value
                                 : 0);
    json_add_bool(writer, "force", only);
}

void domain_step_detach(Operation *operation, Entity *host, StepReply reply)
{
    const ApiOperationContext *context = operation_context(operation);
    // A pool with one domain has no manager to leave it with: the domain forgets all pools.
    domain_step_call(operation, host, "StorageDomain.detach",
                     context->flag == API_TRUE ? UUID_ZERO : context->data_center, write_detachment,
                     reply);
}

void domain_step_detached(Operation *operation)
{
    Change *change = operation_change(operation);
    Entity *domain = step_storage_domain(operation);
    if (domain) {
        ApiStorageDomain *object = change_edit(change, domain)->object;
        object->data_center = NULL;
        object->master = object->wanted_active = API_FALSE;
    }
    operation_done_with(operation, change);
}
