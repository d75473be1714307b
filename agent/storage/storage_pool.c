// Creating, connecting and leaving pools, and who manages them.
#include "agent/storage/storage_pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/storage/direct.h"
#include "agent/storage/image.h"
#include "agent/storage/pool_internal.h"
#include "base/file.h"
#include "base/log.h"

// ---- common to all

int storage_pool_require(Storage *storage, const char *pool, bool spm, Fail *why)
{
    PoolState state = storage_pool_state(storage);
    if (!state.connected || strcasecmp(state.id, pool)) {
        storage_fail(why, VDSM_POOL_UNKNOWN, "This host is not connected to pool %s", pool);
        return VDSM_POOL_UNKNOWN;
    }
    if (spm && state.role != SPM_ACQUIRED)
        return storage_fail(why, VDSM_SPM_STATUS, "This host does not manage pool %s", pool);
    return 0;
}

int storage_pool_lock(Storage *storage, const char *pool, const char *what, LockHolder **ret,
                      Fail *why)
{
    LockSet locks = {0};
    lock_set_add(&locks, true, "pool:%s", pool);
    return storage_lock(&storage->locks, &locks, what, LOCK_WAIT_MS, ret, why);
}

int pool_master_open(Storage *storage, const char *pool, const char *master, StorageDomain *ret,
                     Fail *why)
{
    AUTO_DOMAIN domain = {0};
    int error = storage_domain_open(storage, master, &domain, why);
    if (error) {
        fail_prefix(why, "The master of pool %s: ", pool);
        return error == VDSM_DOMAIN_DOES_NOT_EXIST ? VDSM_POOL_MASTER_NOT_FOUND : error;
    }
    if (!storage_domain_is_master(&domain))
        return storage_fail(why, VDSM_POOL_WRONG_MASTER, "Domain %s is no master", master);
    if (!storage_domain_in_pool(&domain, pool))
        return storage_fail(why, VDSM_POOL_WRONG_MASTER, "Domain %s is not in pool %s", master,
                            pool);
    *ret = domain;
    domain = (StorageDomain){0};
    return 0;
}

void pool_leases_set(DomainMetadata *metadata, const LeaseParameters *leases)
{
    bool given = leases->renewal_s && leases->time_s && leases->io_timeout_s && leases->retries;
    LeaseParameters set = given ? *leases : (LeaseParameters){5, 60, 10, 3};
    domain_metadata_set_number(metadata, "LOCKRENEWALINTERVALSEC", set.renewal_s);
    domain_metadata_set_number(metadata, "LEASETIMESEC", set.time_s);
    domain_metadata_set_number(metadata, "IOOPTIMEOUTSEC", set.io_timeout_s);
    domain_metadata_set_number(metadata, "LEASERETRIES", set.retries);
    if (!given)
        domain_metadata_set(metadata, "LOCKPOLICY", "ON");
}

// ---- the lease that makes a host the manager

int pool_lease_read(Storage *storage, const StorageDomain *domain, LeaseLeader *ret, Fail *why)
{
    AS_OWNER(&storage->owner);
    AUTO_FREE char *path = memory_format("%s/dom_md/leases", domain->path);
    AUTO_FREE unsigned char *block = direct_buffer(DIRECT_ALIGNMENT);
    int result = direct_read_at(path, block, DIRECT_ALIGNMENT, domain->geometry.alignment);
    if (result)
        return storage_errno(why, VDSM_MASTER_DOMAIN, result, "%s can't be read", path);
    if (!lease_parse_leader(block, DIRECT_ALIGNMENT, ret)) {
        storage_fail(why, VDSM_MASTER_DOMAIN, "%s has no valid lease for the management", path);
        fail_hint(why, "Reinitialize the domain's leases.");
        return VDSM_MASTER_DOMAIN;
    }
    return 0;
}

int pool_lease_check(Storage *storage, const StorageDomain *domain, int host_id, Fail *why)
{
    LeaseLeader leader;
    if (!domain->leases)
        return 0;
    int error = pool_lease_read(storage, domain, &leader, why);
    if (error || !leader.timestamp || !leader.owner || leader.owner == (uint64_t)host_id)
        return error;
    storage_fail(why, VDSM_ACQUIRE_LOCK, "Host %llu holds the lease of domain %s",
                 (unsigned long long)leader.owner, domain->id);
    fail_hint(why, "Stop the management of the pool on that host, or fence it, first.");
    return VDSM_ACQUIRE_LOCK;
}

int storage_pool_spm_status(Storage *storage, const char *pool, SpmStatus *ret, Fail *why)
{
    AUTO_DOMAIN master = {0};
    LeaseLeader leader;
    int error = storage_pool_require(storage, pool, false, why);
    if (error)
        return error;
    PoolState state = storage_pool_state(storage);
    SpmStatus status = {.role = state.role, .lver = LVER_INVALID, .id = SPM_ID_FREE};
    if (state.role == SPM_ACQUIRED) {
        status.lver = state.lver;
        status.id = state.host_id;
    } else {
        if ((error = storage_domain_open(storage, state.master, &master, why)))
            return VDSM_MASTER_DOMAIN;
        if (master.leases && (error = pool_lease_read(storage, &master, &leader, why)))
            return error;
        if (master.leases && leader.timestamp && leader.owner) {
            status.lver = (int64_t)leader.version;
            status.id = (int)leader.owner;
        }
    }
    *ret = status;
    return 0;
}

static int master_tree_make(Storage *storage, const StorageDomain *master, Fail *why)
{
    AS_OWNER(&storage->owner);
    static const char *const names[] = {"master", "master/vms", "master/tasks"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO_FREE char *path = memory_format("%s/%s", master->path, names[i]);
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            return storage_errno(why, VDSM_SPM_START, errno, "%s can't be made", path);
    }
    return 0;
}

static int spm_acquire(Storage *storage, PoolState *state, int version, Fail *why)
{
    AUTO_DOMAIN master = {0};
    LeaseLeader leader = {0};
    int error = pool_master_open(storage, state->id, state->master, &master, why);
    if (error)
        return error;
    if (version && master.version > version)
        return storage_fail(why, VDSM_VERSION_TOO_ADVANCED,
                            "The master %s has version %d, the manager expects %d", master.id,
                            master.version, version);
    if ((error = pool_lease_check(storage, &master, state->host_id, why)) ||
        (error = master_tree_make(storage, &master, why)))
        return error;
    if (master.leases)
        pool_lease_read(storage, &master, &leader, NULL);
    int64_t lver = (int64_t)leader.version > state->lver ? (int64_t)leader.version : state->lver;
    state->lver = lver + 1;
    return 0;
}

int storage_pool_spm_start(Storage *storage, const char *pool, int version, Fail *why)
{
    int error = storage_pool_require(storage, pool, false, why);
    if (error)
        return error;
    PoolState state = storage_pool_state(storage);
    if (state.role == SPM_ACQUIRED)
        return 0;
    state.role = SPM_CONTEND;
    pool_state_set(storage, &state);
    error = spm_acquire(storage, &state, version, why);
    state.role = error ? SPM_FREE : SPM_ACQUIRED;
    pool_state_set(storage, &state);
    if (error)
        return error;
    log_notice("storage.spm", LOG_ID("pool", state.id), "This host manages the pool.");
    for (int i = 0; i < state.domain_count; i++)
        if (state.domains[i].active)
            pool_collect_garbage(storage, state.domains[i].id);
    return 0;
}

static int check_no_tasks(Storage *storage, const char *pool, Fail *why)
{
    AUTO_FREE char *task = storage_task_unfinished(storage, "spm");
    if (!task)
        return 0;
    storage_fail(why, VDSM_TASK_IN_PROGRESS, "Task %s of pool %s is not finished", task, pool);
    fail_hint(why, "Wait for it, or stop it with Task.stop.");
    return VDSM_TASK_IN_PROGRESS;
}

int storage_pool_spm_stop(Storage *storage, const char *pool, Fail *why)
{
    LockHolder *holder;
    int error = storage_pool_require(storage, pool, false, why);
    if (!error)
        error = check_no_tasks(storage, pool, why);
    if (error)
        return error;
    error = storage_pool_lock(storage, pool, "end of the pool's management", &holder, why);
    if (error)
        return error;
    PoolState state = storage_pool_state(storage);
    if (state.role != SPM_FREE) {
        state.role = SPM_FREE;
        pool_state_set(storage, &state);
        log_notice("storage.spm", LOG_ID("pool", state.id),
                   "This host no longer manages the pool.");
    }
    storage_unlock(&storage->locks, holder);
    return 0;
}

// ---- connecting

static int connect_domains(PoolState *state, const Json *domains, Fail *why)
{
    if (domains->count > POOL_DOMAINS_MAX)
        return storage_fail(why, VDSM_TOO_MANY_DOMAINS, "A pool has at most %d domains",
                            POOL_DOMAINS_MAX);
    JSON_EACH(domains, entry) {
        bool active = false;
        if (!uuid_valid(entry->key) || !pool_status_parse(json_string(entry), &active))
            return storage_fail(why, VDSM_DOMAIN_STATUS, "Domain %s has an unknown status",
                                entry->key);
        pool_state_put(state, entry->key, active);
    }
    return 0;
}

static int connect_domains_of_master(PoolState *state, const StorageDomain *master, Fail *why)
{
    int64_t version = domain_metadata_number(&master->metadata, "MASTER_VERSION", 0, INT32_MAX, -1);
    if (version != state->master_version)
        return storage_fail(why, VDSM_POOL_WRONG_MASTER, "Master %s has version %lld, not %d",
                            master->id, (long long)version, state->master_version);
    pool_domains_parse(state, domain_metadata_get(&master->metadata, "POOL_DOMAINS"));
    return 0;
}

static int connect_check(const PoolState *now, const PoolRequest *request, Fail *why)
{
    if (request->host_id < 1 || request->host_id > HOST_ID_MAX)
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION, "%d is no host id",
                            request->host_id);
    if (!now->connected)
        return 0;
    if (strcasecmp(now->id, request->id))
        return storage_fail(why, VDSM_MULTIPLE_POOLS, "This host is connected to pool %s already",
                            now->id);
    if (now->host_id != request->host_id)
        return storage_fail(why, VDSM_POOL_CONNECTED,
                            "This host is connected to pool %s with host id %d, not %d", now->id,
                            now->host_id, request->host_id);
    if (now->told && !request->domains)
        return storage_fail(why, VDSM_POOL_CONNECTED,
                            "The manager told the domains of pool %s before and must do so again",
                            now->id);
    return 0;
}

static int connect_locked(Storage *storage, const PoolRequest *request, Fail *why)
{
    AUTO_DOMAIN master = {0};
    PoolState now = storage_pool_state(storage), next = {.connected = true, .lver = LVER_INVALID};
    int error = connect_check(&now, request, why);
    if (!error)
        error = pool_master_open(storage, request->id, request->master, &master, why);
    if (error)
        return error;
    snprintf(next.id, sizeof(next.id), "%s", request->id);
    snprintf(next.master, sizeof(next.master), "%s", master.id);
    uuid_lower(next.id);
    next.host_id = request->host_id;
    next.master_version = request->master_version;
    next.told = request->domains != NULL;
    error = request->domains ? connect_domains(&next, request->domains, why)
                             : connect_domains_of_master(&next, &master, why);
    if (error)
        return error;
    const PoolDomain *entry = pool_state_find(&next, next.master);
    if (!entry || !entry->active)
        return storage_fail(why, VDSM_POOL_WRONG_MASTER, "The master %s is not active in pool %s",
                            next.master, next.id);
    if (now.connected) {
        next.role = now.role;
        next.lver = now.lver;
    }
    pool_state_set(storage, &next);
    pool_refresh(storage, &next);
    return 0;
}

int storage_pool_connect(Storage *storage, const PoolRequest *request, Fail *why)
{
    LockHolder *holder;
    int error = storage_pool_lock(storage, request->id, "connection to a pool", &holder, why);
    if (error)
        return error;
    error = connect_locked(storage, request, why);
    storage_unlock(&storage->locks, holder);
    if (!error)
        storage_tasks_resume(storage);
    return error;
}

static void pool_leave(Storage *storage, const char *pool)
{
    PoolState none = {.lver = LVER_INVALID};
    pool_links_remove(storage, pool);
    pool_state_set(storage, &none);
    pool_refresh(storage, &none);
}

int storage_pool_disconnect(Storage *storage, const char *pool, Fail *why)
{
    LockHolder *holder;
    if (storage_pool_require(storage, pool, false, NULL))
        return 0;
    int error = storage_pool_lock(storage, pool, "disconnection from a pool", &holder, why);
    if (error)
        return error;
    PoolState state = storage_pool_state(storage);
    if (state.role != SPM_FREE) {
        error = storage_fail(why, VDSM_IS_SPM, "This host manages pool %s", pool);
        fail_hint(why, "Stop the management first (StoragePool.spmStop).");
    } else
        pool_leave(storage, state.id);
    storage_unlock(&storage->locks, holder);
    return error;
}

// ---- garbage

typedef struct GarbageWork {
    Work work;
    Storage *storage;
} GarbageWork;

static void garbage_run(Work *work)
{
    GarbageWork *garbage = CONTAINER(work, GarbageWork, work);
    AUTO_DOMAIN domain = {0};
    if (!storage_domain_open(garbage->storage, work->domain, &domain, NULL))
        image_collect_garbage(garbage->storage, &domain);
}

static void garbage_ended(Work *work)
{
    free(CONTAINER(work, GarbageWork, work));
}

void pool_collect_garbage(Storage *storage, const char *domain)
{
    GarbageWork *garbage = NEW(GarbageWork);
    garbage->storage = storage;
    garbage->work.run = garbage_run;
    garbage->work.ended = garbage_ended;
    garbage->work.what = memory_format("clean-up of domain %s", domain);
    snprintf(garbage->work.domain, sizeof(garbage->work.domain), "%s", domain);
    lock_set_domain(&garbage->work.locks, false, domain);
    if (work_add(&storage->works, &garbage->work)) {
        free(garbage->work.what);
        free(garbage);
    }
}

// ---- leaving for good

int storage_pool_destroy(Storage *storage, const char *pool, int host_id, Fail *why)
{
    int error = storage_pool_require(storage, pool, true, why);
    if (!error)
        error = check_no_tasks(storage, pool, why);
    if (error)
        return error;
    PoolState state = storage_pool_state(storage);
    if (state.host_id != host_id)
        return storage_fail(why, VDSM_HOST_ID_MISMATCH,
                            "This host has host id %d in pool %s, not %d", state.host_id, pool,
                            host_id);
    for (int i = 0; i < state.domain_count; i++)
        if (strcmp(state.domains[i].id, state.master) &&
            (error = storage_pool_detach(storage, pool, state.domains[i].id, why)))
            return error;
    // A zero pool as the target: the metadata of the master forgets this one.
    error = storage_pool_detach_force(storage, UUID_ZERO, state.master, why);
    if (error || (error = storage_pool_spm_stop(storage, pool, why)))
        return error;
    return storage_pool_disconnect(storage, pool, why);
}
