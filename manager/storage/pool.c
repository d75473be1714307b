#include "manager/storage/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "manager/events/event_log.h"
#include "manager/fleet/fleet.h"
#include "proto/vdsm.h"

enum { STORAGE_CALL_MS = 180000, TASK_POLL_MS = 200, SPACE_EVERY_MS = 30000, ELECT_EVERY_MS = 3000 };

// ---- pieces

int pool_storage_type_number(ApiStorageType type)
{
    static const int numbers[] = {
        [API_STORAGE_TYPE_NFS] = 1,     [API_STORAGE_TYPE_FCP] = 2,
        [API_STORAGE_TYPE_ISCSI] = 3,   [API_STORAGE_TYPE_LOCALFS] = 4,
        [API_STORAGE_TYPE_POSIXFS] = 6, [API_STORAGE_TYPE_GLUSTERFS] = 7,
    };
    return (size_t)type < COUNT_OF(numbers) ? numbers[type] : 0;
}

void pool_write_connection(JsonWriter *writer, const ApiStorageDomain *domain, const char *id)
{
    const ApiHostStorage *storage = domain->storage;
    bool remote = storage->address && *storage->address;
    json_open(writer, '{');
    json_add_string(writer, "id", id);
    json_key(writer, "connection");
    if (remote) {
        AUTO_FREE char *whole = memory_format("%s:%s", storage->address, storage->path);
        json_put_string(writer, whole);
    } else
        json_put_string(writer, storage->path);
    if (storage->type == API_STORAGE_TYPE_POSIXFS) {
        json_add_string(writer, "vfs_type", storage->vfs_type ? storage->vfs_type : "");
        json_add_string(writer, "mnt_options", storage->mount_options ? storage->mount_options : "");
    }
    json_close(writer, '}');
}

static int domains_master_first(const void *one, const void *other)
{
    const ApiStorageDomain *left = ENTITY_OBJECT(*(Entity *const *)one, StorageDomain);
    const ApiStorageDomain *right = ENTITY_OBJECT(*(Entity *const *)other, StorageDomain);
    return (right->master == API_TRUE) - (left->master == API_TRUE);
}

void pool_domains(const Manager *manager, const Entity *data_center, Array *ret)
{
    INVENTORY_EACH(manager->inventory, KIND_STORAGE_DOMAIN, domain) {
        const ApiStorageDomain *object = ENTITY_OBJECT(domain, StorageDomain);
        if (object->data_center && !strcmp(object->data_center->id, data_center->id))
            array_add(ret, domain);
    }
    if (ret->count)
        qsort(ret->items, ret->count, sizeof(void *), domains_master_first);
}

Entity *pool_master(const Manager *manager, const Entity *data_center)
{
    AUTO_ARRAY domains = {0};
    pool_domains(manager, data_center, &domains);
    Entity *first = domains.count ? domains.items[0] : NULL;
    return first && ENTITY_OBJECT(first, StorageDomain)->master == API_TRUE ? first : NULL;
}

void pool_write_domain_map(JsonWriter *writer, const Array *domains)
{
    json_open(writer, '{');
    for (size_t i = 0; i < domains->count; i++) {
        const Entity *domain = domains->items[i];
        json_add_string(writer, domain->id,
                        ENTITY_OBJECT(domain, StorageDomain)->wanted_active == API_TRUE
                            ? "active"
                            : "attached");
    }
    json_close(writer, '}');
}

int pool_check_connections(const Json *list, const Entity *host, const char *domain, Fail *why)
{
    JSON_EACH(list, one) {
        int64_t status = json_get_integer(one, "status", 0);
        if (!status)
            continue;
        fail_set(why, FAIL_HOST, "Host %s can't connect to the storage of %s.", entity_name(host),
                 domain);
        fail_detail(why, "%s (%lld)", vdsm_error_text((int)status), (long long)status);
        fail_hint(why, "Check that the path exists on the host, is owned by 36:36 and is writable");
        return fail_to_errno(FAIL_HOST);
    }
    return 0;
}

// ---- tasks

typedef struct TaskWait {
    Manager *manager;
    Entity *host; // a reference
    char *task;
    uv_timer_t timer;
    PoolDone done;
    void *argument;
    Fail why;
} TaskWait;

static void task_closed(uv_handle_t *handle)
{
    TaskWait *wait = handle->data;
    entity_unref(wait->host);
    fail_done(&wait->why);
    free(wait->task);
    free(wait);
}

static void task_end(TaskWait *wait)
{
    wait->done(&wait->why, wait->argument);
    uv_close((uv_handle_t *)&wait->timer, task_closed);
}

static void task_call(TaskWait *wait, const char *method, HostReply reply)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    json_open(&writer, '{');
    json_add_string(&writer, "taskID", wait->task);
    json_close(&writer, '}');
    host_call_entity(wait->manager, wait->host, method, &params, HOST_CALL_MS, reply, wait);
}

static void task_cleared(const Json *result, const Fail *why, int code, void *argument)
{
    (void)result;
    (void)why;
    (void)code; // a task that can't be cleared is cleared by its host some day
    task_end(argument);
}

static void task_poll(uv_timer_t *timer);

static void task_status(const Json *result, const Fail *why, int code, void *argument)
{
    TaskWait *wait = argument;
    const char *state = json_get_string(result, "taskState");
    const char *outcome = json_get_string(result, "taskResult");
    if (fail_is_set(why)) {
        fail_copy(&wait->why, why);
        if (code == VDSM_UNKNOWN_TASK)
            fail_hint(&wait->why, "The host has forgotten the task; what is true will be observed");
        task_end(wait);
        return;
    }
    if (!state || strcmp(state, "finished")) {
        uv_timer_start(&wait->timer, task_poll, TASK_POLL_MS, 0);
        return;
    }
    if (outcome && strcmp(outcome, "success")) {
        const char *message = json_get_string(result, "message");
        fail_set(&wait->why, FAIL_HOST, "A storage task failed on host %s.",
                 entity_name(wait->host));
        fail_detail(&wait->why, "%s (%lld)", message ? message : outcome,
                    (long long)json_get_integer(result, "code", 0));
    }
    task_call(wait, "Task.clear", task_cleared);
}

static void task_poll(uv_timer_t *timer)
{
    task_call(timer->data, "Task.getStatus", task_status);
}

void storage_task_wait(Manager *manager, Entity *host, const char *task, PoolDone done,
                       void *argument)
{
    TaskWait *wait = NEW(TaskWait);
    *wait = (TaskWait){.manager = manager,
                       .host = entity_ref(host),
                       .task = memory_string(task),
                       .done = done,
                       .argument = argument};
    uv_timer_init(manager->loop, &wait->timer);
    wait->timer.data = wait;
    uv_timer_start(&wait->timer, task_poll, 10, 0);
}

// ---- connecting a host: each domain's server, then the pool

typedef struct PoolJob {
    Manager *manager;
    Entity *host, *data_center; // references
    Array domains;              // references
    size_t next;
    PoolDone done;
    void *argument;
} PoolJob;

static void job_end(PoolJob *job, const Fail *why)
{
    static const Fail good;
    job->done(why ? why : &good, job->argument);
    for (size_t i = 0; i < job->domains.count; i++)
        entity_unref(job->domains.items[i]);
    array_done(&job->domains);
    entity_unref(job->host);
    if (job->data_center)
        entity_unref(job->data_center);
    free(job);
}

static void job_connected(const Json *result, const Fail *why, int code, void *argument)
{
    PoolJob *job = argument;
    (void)result;
    (void)code;
    job_end(job, why);
}

static void job_connect_pool(PoolJob *job)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    const ApiDataCenter *object = ENTITY_OBJECT(job->data_center, DataCenter);
    Entity *master = pool_master(job->manager, job->data_center);
    if (!master) {
        job_end(job, NULL);
        return;
    }
    json_open(&writer, '{');
    json_add_string(&writer, "storagepoolID", job->data_center->id);
    json_add_integer(&writer, "hostID", ENTITY_OBJECT(job->host, Host)->number.value);
    json_add_string(&writer, "scsiKey", job->data_center->id);
    json_add_string(&writer, "masterSdUUID", master->id);
    json_add_integer(&writer, "masterVersion", object->master_version.value);
    json_key(&writer, "domainDict");
    pool_write_domain_map(&writer, &job->domains);
    json_close(&writer, '}');
    host_call_entity(job->manager, job->host, "StoragePool.connect", &params, STORAGE_CALL_MS,
                     job_connected, job);
}

static void job_connect_next(PoolJob *job);

static void job_server_connected(const Json *result, const Fail *why, int code, void *argument)
{
    PoolJob *job = argument;
    const Entity *domain = job->domains.items[job->next];
    AUTO_FAIL failed = {0};
    (void)code;
    if (fail_is_set(why))
        fail_copy(&failed, why);
    else
        pool_check_connections(result, job->host, entity_name(domain), &failed);
    if (fail_is_set(&failed)) {
        job_end(job, &failed);
        return;
    }
    job->next++;
    job_connect_next(job);
}

static void job_server_call(PoolJob *job, const char *method, HostReply reply)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    const Entity *domain = job->domains.items[job->next];
    const ApiStorageDomain *object = ENTITY_OBJECT(domain, StorageDomain);
    json_open(&writer, '{');
    json_add_string(&writer, "storagepoolID", job->data_center->id);
    json_add_integer(&writer, "domainType", pool_storage_type_number(object->storage->type));
    json_key(&writer, "connectionParams");
    json_open(&writer, '[');
    pool_write_connection(&writer, object, domain->id);
    json_close(&writer, ']');
    json_close(&writer, '}');
    host_call_entity(job->manager, job->host, method, &params, STORAGE_CALL_MS, reply, job);
}

static void job_connect_next(PoolJob *job)
{
    if (job->next < job->domains.count)
        job_server_call(job, "StoragePool.connectStorageServer", job_server_connected);
    else
        job_connect_pool(job);
}

static PoolJob *job_new(Manager *manager, Entity *host, PoolDone done, void *argument)
{
    PoolJob *job = NEW(PoolJob);
    Entity *data_center = host_data_center(manager, host);
    *job = (PoolJob){.manager = manager,
                     .host = entity_ref(host),
                     .data_center = data_center ? entity_ref(data_center) : NULL,
                     .done = done,
                     .argument = argument};
    if (data_center)
        pool_domains(manager, data_center, &job->domains);
    for (size_t i = 0; i < job->domains.count; i++)
        entity_ref(job->domains.items[i]);
    return job;
}

void pool_connect_host(Manager *manager, Entity *host, PoolDone done, void *argument)
{
    PoolJob *job = job_new(manager, host, done, argument);
    if (!job->domains.count)
        job_end(job, NULL);
    else
        job_connect_next(job);
}

// ---- leaving

static void job_leave_next(PoolJob *job);

static void job_server_left(const Json *result, const Fail *why, int code, void *argument)
{
    PoolJob *job = argument;
    (void)result;
    (void)why;
    (void)code; // a mount that is busy or gone does not keep a host from maintenance
    job->next++;
    job_leave_next(job);
}

static void job_leave_next(PoolJob *job)
{
    if (job->next < job->domains.count)
        job_server_call(job, "StoragePool.disconnectStorageServer", job_server_left);
    else
        job_end(job, NULL);
}

static void job_pool_left(const Json *result, const Fail *why, int code, void *argument)
{
    PoolJob *job = argument;
    (void)result;
    if (fail_is_set(why) && code != VDSM_POOL_NOT_CONNECTED && code != VDSM_POOL_UNKNOWN)
        job_end(job, why);
    else
        job_leave_next(job);
}

static void job_leave_pool(PoolJob *job)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    json_open(&writer, '{');
    json_add_string(&writer, "storagepoolID", job->data_center->id);
    json_add_integer(&writer, "hostID", ENTITY_OBJECT(job->host, Host)->number.value);
    json_add_string(&writer, "scsiKey", job->data_center->id);
    json_close(&writer, '}');
    host_call_entity(job->manager, job->host, "StoragePool.disconnect", &params, STORAGE_CALL_MS,
                     job_pool_left, job);
}

static void set_storage_manager(Manager *manager, Entity *data_center, Entity *host)
{
    DataCenterState *state = data_center_state(data_center);
    (void)manager;
    if (state->spm == host)
        return;
    if (state->spm) {
        host_state(state->spm)->is_spm = false;
        entity_unref(state->spm);
    }
    state->spm = host ? entity_ref(host) : NULL;
    if (host)
        host_state(host)->is_spm = true;
}

static void job_role_given_up(const Json *result, const Fail *why, int code, void *argument)
{
    PoolJob *job = argument;
    (void)result;
    if (fail_is_set(why) && code != VDSM_SPM_STATUS && code != VDSM_POOL_UNKNOWN) {
        job_end(job, why);
        return;
    }
    set_storage_manager(job->manager, job->data_center, NULL);
    job_leave_pool(job);
}

void pool_disconnect_host(Manager *manager, Entity *host, PoolDone done, void *argument)
{
    PoolJob *job = job_new(manager, host, done, argument);
    if (!job->domains.count) {
        job_end(job, NULL);
        return;
    }
    if (data_center_state(job->data_center)->spm != host) {
        job_leave_pool(job);
        return;
    }
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    json_open(&writer, '{');
    json_add_string(&writer, "storagepoolID", job->data_center->id);
    json_close(&writer, '}');
    host_call_entity(manager, host, "StoragePool.spmStop", &params, STORAGE_CALL_MS,
                     job_role_given_up, job);
}

void pool_host_lost(Manager *manager, Entity *host)
{
    INVENTORY_EACH(manager->inventory, KIND_DATA_CENTER, data_center)
        if (data_center_state(data_center)->spm == host)
            set_storage_manager(manager, data_center, NULL);
}

// ---- electing a storage manager

typedef struct Election {
    Manager *manager;
    Entity *host, *data_center; // references
} Election;

static void election_end(Election *election, const Fail *why)
{
    DataCenterState *state = data_center_state(election->data_center);
    state->connecting = false;
    if (fail_is_set(why)) {
        AUTO_FREE char *text = fail_text(why);
        log_warn("storage.election", LOG_ID("data_center", election->data_center->id),
                 "Host %s could not become the storage manager of %s: %s",
                 entity_name(election->host), entity_name(election->data_center), text);
        state->elect_at_ms = clock_monotonic_ms() + ELECT_EVERY_MS;
    } else {
        set_storage_manager(election->manager, election->data_center, election->host);
        state->space_at_ms = 0;
        event_write(election->manager, NULL, EVENT_IRS_HOSTED_ON_VDS,
                    &(EventFacts){.host = election->host, .data_center = election->data_center});
    }
    entity_unref(election->host);
    entity_unref(election->data_center);
    free(election);
}

static void election_task_done(const Fail *why, void *argument)
{
    election_end(argument, why);
}

static void election_call(Election *election, const char *method, HostReply reply)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    json_open(&writer, '{');
    json_add_string(&writer, "storagepoolID", election->data_center->id);
    if (strstr(method, "spmStart")) {
        json_add_integer(&writer, "prevID", -1);
        json_add_string(&writer, "prevLver", "-1");
        json_add_string(&writer, "enableScsiFencing", "false");
        json_add_integer(&writer, "maxHostID", 250);
        json_add_string(&writer, "domVersion", "5");
    }
    json_close(&writer, '}');
    host_call_entity(election->manager, election->host, method, &params, STORAGE_CALL_MS, reply,
                     election);
}

static void election_started(const Json *result, const Fail *why, int code, void *argument)
{
    Election *election = argument;
    (void)code;
    if (fail_is_set(why) || !json_string(result))
        election_end(election, why);
    else
        storage_task_wait(election->manager, election->host, json_string(result),
                          election_task_done, election);
}

static void election_status(const Json *result, const Fail *why, int code, void *argument)
{
    static const Fail good;
    Election *election = argument;
    const char *status = json_get_string(result, "spmStatus");
    (void)code;
    if (fail_is_set(why))
        election_end(election, why);
    else if (status && !strcmp(status, "SPM"))
        election_end(election, &good);
    else
        election_call(election, "StoragePool.spmStart", election_started);
}

static void elect(Manager *manager, Entity *data_center)
{
    DataCenterState *state = data_center_state(data_center);
    Entity *host = fleet_host_of_data_center(manager, data_center);
    if (!host || !pool_master(manager, data_center))
        return;
    Election *election = NEW(Election);
    *election = (Election){manager, entity_ref(host), entity_ref(data_center)};
    state->connecting = true;
    election_call(election, "StoragePool.getSpmStatus", election_status);
}

// ---- space

typedef struct SpaceCall {
    Manager *manager;
    char domain[UUID_SIZE];
} SpaceCall;

static void space_answered(const Json *result, const Fail *why, int code, void *argument)
{
    SpaceCall *call = argument;
    Entity *domain = inventory_get(call->manager->inventory, KIND_STORAGE_DOMAIN, call->domain);
    (void)code;
    if (domain && !fail_is_set(why)) {
        StorageDomainState *state = storage_domain_state(domain);
        int64_t total = json_get_integer(result, "disktotal", 0);
        state->available = json_get_integer(result, "diskfree", 0);
        state->used = total - state->available;
        state->code = 0;
        state->seen_ms = clock_monotonic_ms();
    }
    free(call);
}

static void ask_space(Manager *manager, Entity *host, const Entity *domain)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    SpaceCall *call = NEW(SpaceCall);
    call->manager = manager;
    memcpy(call->domain, domain->id, UUID_SIZE);
    json_open(&writer, '{');
    json_add_string(&writer, "storagedomainID", domain->id);
    json_close(&writer, '}');
    host_call_entity(manager, host, "StorageDomain.getStats", &params, STORAGE_CALL_MS,
                     space_answered, call);
}

static void pool_tick(Manager *manager, Entity *data_center, int64_t now)
{
    DataCenterState *state = data_center_state(data_center);
    if (!state->spm && !state->connecting && now >= state->elect_at_ms)
        elect(manager, data_center);
    if (!state->spm || now < state->space_at_ms)
        return;
    AUTO_ARRAY domains = {0};
    state->space_at_ms = now + SPACE_EVERY_MS;
    pool_domains(manager, data_center, &domains);
    for (size_t i = 0; i < domains.count; i++)
        if (ENTITY_OBJECT((Entity *)domains.items[i], StorageDomain)->wanted_active == API_TRUE)
            ask_space(manager, state->spm, domains.items[i]);
}

void pools_tick(Manager *manager)
{
    int64_t now = clock_monotonic_ms();
    INVENTORY_EACH(manager->inventory, KIND_DATA_CENTER, data_center)
        pool_tick(manager, data_center, now);
}
