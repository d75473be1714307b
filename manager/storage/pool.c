#include "manager/storage/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "manager/events/event_log.h"
#include "manager/fleet/fleet.h"
#include "manager/operations/operation.h"
#include "proto/vdsm.h"

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

static void write_nfs(JsonWriter *writer, const ApiHostStorage *storage)
{
    static const char *const versions[] = {
        [API_NFS_VERSION_AUTO] = "auto", [API_NFS_VERSION_V3] = "3",
        [API_NFS_VERSION_V4] = "4",      [API_NFS_VERSION_V4_0] = "4.0",
        [API_NFS_VERSION_V4_1] = "4.1",  [API_NFS_VERSION_V4_2] = "4.2",
    };
    json_add_string(writer, "protocol_version",
                    versions[storage->nfs_version ? storage->nfs_version : API_NFS_VERSION_AUTO]);
    if (storage->nfs_timeo.set)
        json_add_integer(writer, "timeout", storage->nfs_timeo.value);
    if (storage->nfs_retrans.set)
        json_add_integer(writer, "retrans", storage->nfs_retrans.value);
}

static void write_connection(JsonWriter *writer, const ApiHostStorage *storage, const char *id)
{
    bool remote = storage->address && *storage->address;
    AUTO_FREE char *place = remote ? memory_format("%s:%s", storage->address, storage->path)
                                   : memory_string(storage->path);
    json_open(writer, '{');
    json_add_string(writer, "id", id);
    json_add_string(writer, "connection", place);
    if (storage->vfs_type)
        json_add_string(writer, "vfs_type", storage->vfs_type);
    if (storage->mount_options)
        json_add_string(writer, "mnt_options", storage->mount_options);
    if (storage->type == API_STORAGE_TYPE_NFS)
        write_nfs(writer, storage);
    json_close(writer, '}');
}

void pool_write_server(JsonWriter *writer, const ApiStorageDomain *domain)
{
    json_add_integer(writer, "domainType", pool_storage_type_number(domain->storage->type));
    json_key(writer, "connectionParams");
    json_open(writer, '[');
    write_connection(writer, domain->storage,
                     domain->connection ? domain->connection->id : domain->id);
    json_close(writer, ']');
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
        // Our agents say what they found and what to do.
        const char *message = json_get_string(one, "message");
        fail_detail(why, "Error %lld: %s", (long long)status,
                    message ? message : vdsm_error_text((int)status));
        if (!message)
            fail_hint(why,
                      "Check that the path exists on the host, is owned by 36:36 and is writable");
        return fail_to_errno(FAIL_HOST);
    }
    return 0;
}

// ---- connecting a host: each domain's server, then the pool

static bool domain_wanted(const Entity *domain)
{
    return ENTITY_OBJECT(domain, StorageDomain)->wanted_active == API_TRUE;
}

typedef struct PoolJob {
    Manager *manager;
    Entity *host, *data_center; // references
    Array domains;              // references
    size_t next;
    bool moved; // tried with the master that an operation moves to
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

static void job_connect_pool(PoolJob *job);

// The operation that moves the role of the master, when hosts may have done so already.
static const ApiOperationContext *moving_master(const PoolJob *job)
{
    const Operation *holder = operation_holding(job->manager, job->data_center->id);
    const ApiOperationContext *context = holder ? operation_context(holder) : NULL;
    return context && context->new_master ? context : NULL;
}

static void job_connected(const Json *result, const Fail *why, int code, void *argument)
{
    PoolJob *job = argument;
    (void)result;
    if (code == VDSM_POOL_WRONG_MASTER && !job->moved && moving_master(job)) {
        job->moved = true;
        job_connect_pool(job);
        return;
    }
    job_end(job, why);
}

static void write_pool(JsonWriter *writer, const PoolJob *job, const char *master, int64_t version)
{
    json_open(writer, '{');
    json_add_string(writer, "storagepoolID", job->data_center->id);
    json_add_integer(writer, "hostID", ENTITY_OBJECT(job->host, Host)->number.value);
    json_add_string(writer, "scsiKey", job->data_center->id);
    json_add_string(writer, "masterSdUUID", master);
    json_add_integer(writer, "masterVersion", version);
    json_key(writer, "domainDict");
    pool_write_domain_map(writer, &job->domains);
    json_close(writer, '}');
}

static void job_connect_pool(PoolJob *job)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    const ApiDataCenter *object = ENTITY_OBJECT(job->data_center, DataCenter);
    const ApiOperationContext *moving = job->moved ? moving_master(job) : NULL;
    Entity *master = pool_master(job->manager, job->data_center);
    if (!master || !domain_wanted(master)) {
        job_end(job, NULL);
        return;
    }
    if (moving)
        write_pool(&writer, job, moving->new_master, moving->master_version.value);
    else
        write_pool(&writer, job, master->id, object->master_version.value);
    host_call_entity(job->manager, job->host, "StoragePool.connect", &params, POOL_CALL_MS,
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
    pool_write_server(&writer, object);
    json_close(&writer, '}');
    host_call_entity(job->manager, job->host, method, &params, POOL_CALL_MS, reply, job);
}

static void job_connect_next(PoolJob *job)
{
    while (job->next < job->domains.count && !domain_wanted(job->domains.items[job->next]))
        job->next++;
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

static void job_stop_managing(PoolJob *job);

static void job_pool_left(const Json *result, const Fail *why, int code, void *argument)
{
    PoolJob *job = argument;
    (void)result;
    if (code == VDSM_IS_SPM) // elected by an earlier life of this program
        job_stop_managing(job);
    else if (fail_is_set(why) && code != VDSM_POOL_NOT_CONNECTED && code != VDSM_POOL_UNKNOWN)
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
    host_call_entity(job->manager, job->host, "StoragePool.disconnect", &params, POOL_CALL_MS,
                     job_pool_left, job);
}

static void job_role_given_up(const Json *result, const Fail *why, int code, void *argument)
{
    PoolJob *job = argument;
    (void)result;
    if (fail_is_set(why) && code != VDSM_SPM_STATUS && code != VDSM_POOL_UNKNOWN) {
        job_end(job, why);
        return;
    }
    pool_host_lost(job->manager, job->host);
    job_leave_pool(job);
}

static void job_stop_managing(PoolJob *job)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    json_open(&writer, '{');
    json_add_string(&writer, "storagepoolID", job->data_center->id);
    json_close(&writer, '}');
    host_call_entity(job->manager, job->host, "StoragePool.spmStop", &params, POOL_CALL_MS,
                     job_role_given_up, job);
}

void pool_disconnect_host(Manager *manager, Entity *host, PoolDone done, void *argument)
{
    PoolJob *job = job_new(manager, host, done, argument);
    if (!job->domains.count)
        job_end(job, NULL);
    else if (data_center_state(job->data_center)->spm == host)
        job_stop_managing(job);
    else
        job_leave_pool(job);
}

// Leaves one server only.
static void leave_server(Manager *manager, Entity *host, Entity *domain, PoolDone done,
                         void *argument)
{
    PoolJob *job = job_new(manager, host, done, argument);
    for (size_t i = 0; i < job->domains.count; i++)
        entity_unref(job->domains.items[i]);
    job->domains.count = 0;
    array_add(&job->domains, entity_ref(domain));
    job_leave_next(job);
}

// ---- all hosts of a data center

typedef struct PoolRound {
    Manager *manager;
    int pending;
    PoolDone done;
    void *argument;
    Fail why; // the first failure
} PoolRound;

static void round_ended(const Fail *why, void *argument)
{
    PoolRound *round = argument;
    if (fail_is_set(why)) {
        AUTO_FREE char *text = fail_text(why);
        log_warn("storage.hosts", LOG_NONE, "%s", text);
        if (!fail_is_set(&round->why))
            fail_copy(&round->why, why);
    }
    if (--round->pending)
        return;
    round->done(&round->why, round->argument);
    fail_done(&round->why);
    free(round);
}

typedef void HostAction(Manager *manager, Entity *host, Entity *domain, PoolDone done,
                        void *argument);

static void round_begin(Manager *manager, const Entity *data_center, HostAction *action,
                        Entity *domain, PoolDone done, void *argument)
{
    static const Fail good;
    PoolRound *round = NEW(PoolRound);
    *round = (PoolRound){.manager = manager, .pending = 1, .done = done, .argument = argument};
    Entity *first = data_center_state(data_center)->spm;
    if (first) {
        round->pending++;
        action(manager, first, domain, round_ended, round);
    }
    INVENTORY_EACH(manager->inventory, KIND_HOST, host) {
        if (host == first || host_data_center(manager, host) != data_center ||
            !host_link_is_open(host_state(host)->link) ||
            host_state(host)->status != API_HOST_STATUS_UP)
            continue;
        round->pending++;
        action(manager, host, domain, round_ended, round);
    }
    round_ended(&good, round);
}

static void connect_one(Manager *manager, Entity *host, Entity *domain, PoolDone done,
                        void *argument)
{
    (void)domain;
    pool_connect_host(manager, host, done, argument);
}

static void disconnect_one(Manager *manager, Entity *host, Entity *domain, PoolDone done,
                           void *argument)
{
    (void)domain;
    pool_disconnect_host(manager, host, done, argument);
}

void pool_connect_hosts(Manager *manager, const Entity *data_center, PoolDone done, void *argument)
{
    round_begin(manager, data_center, connect_one, NULL, done, argument);
}

void pool_disconnect_hosts(Manager *manager, const Entity *data_center, PoolDone done,
                           void *argument)
{
    round_begin(manager, data_center, disconnect_one, NULL, done, argument);
}

void pool_leave_server(Manager *manager, const Entity *data_center, Entity *domain, PoolDone done,
                       void *argument)
{
    round_begin(manager, data_center, leave_server, domain, done, argument);
}
