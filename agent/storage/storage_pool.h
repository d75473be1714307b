// The storage pool (data centre) this host is connected to: which domains belong to it and which
// are active, the master, and whether this host manages it (SPM). Kept in a file so that an agent
// that restarts goes on where it was; a reboot of the host forgets it.
#pragma once

#include <uv.h>

#include "agent/storage/storage_domain.h"
#include "agent/storage/storage_lock.h"

enum { POOL_DOMAINS_MAX = 100, POOL_NAME_MAX = 50, LVER_INVALID = -1, SPM_ID_FREE = -1 };

typedef enum SpmRole { SPM_FREE, SPM_CONTEND, SPM_ACQUIRED } SpmRole;

typedef struct PoolDomain {
    char id[UUID_SIZE];
    bool active; // else attached only
} PoolDomain;

// All of it; copied out under the mutex by those who need more than one member.
typedef struct PoolState {
    bool connected;
    char id[UUID_SIZE], master[UUID_SIZE];
    int host_id, master_version;
    bool told; // the manager tells the domains; else they stand in the master's metadata
    PoolDomain domains[POOL_DOMAINS_MAX];
    int domain_count;
    SpmRole role;
    int64_t lver; // of this host's management
} PoolState;

typedef struct StoragePool {
    uv_mutex_t mutex; // guards state
    PoolState state;
} StoragePool;

typedef struct LeaseParameters {
    int renewal_s, time_s, io_timeout_s, retries; // all 0: the defaults
} LeaseParameters;

void storage_pool_init(Storage *storage);
void storage_pool_done(Storage *storage);
// Connects again to what the file says, when this is still the same boot.
void storage_pool_recover(Storage *storage);
PoolState storage_pool_state(Storage *storage);
const PoolDomain *pool_state_find(const PoolState *state, const char *domain);
// "ID:Active,ID:Attached", as it stands in metadata and answers; the caller frees.
char *pool_domains_text(const PoolState *state);
// Connected to this pool and, when asked, its manager.
int storage_pool_require(Storage *storage, const char *pool, bool spm, Fail *why);
// Taken by whatever changes the pool.
int storage_pool_lock(Storage *storage, const char *pool, const char *what, LockHolder **ret,
                      Fail *why);

typedef struct PoolRequest {
    const char *id, *name, *master;
    int master_version, host_id;
    LeaseParameters leases;
    const Json *domains; // list of ids, or map of id to status
} PoolRequest;

int storage_pool_create(Storage *storage, const PoolRequest *request, Fail *why);
// `request->domains` may be NULL: they are read from the master.
int storage_pool_connect(Storage *storage, const PoolRequest *request, Fail *why);
int storage_pool_disconnect(Storage *storage, const char *pool, Fail *why);
int storage_pool_destroy(Storage *storage, const char *pool, int host_id, Fail *why);
int storage_pool_reconstruct(Storage *storage, const PoolRequest *request, Fail *why);
int storage_pool_set_description(Storage *storage, const char *pool, const char *text, Fail *why);

int storage_pool_attach(Storage *storage, const char *pool, const char *domain, Fail *why);
int storage_pool_detach(Storage *storage, const char *pool, const char *domain, Fail *why);
// Without a word to the domain, which may be gone. A zero pool: out of whatever it is in.
int storage_pool_detach_force(Storage *storage, const char *pool, const char *domain, Fail *why);
int storage_pool_activate(Storage *storage, const char *pool, const char *domain, Fail *why);
int storage_pool_deactivate(Storage *storage, const char *pool, const char *domain,
                            const char *new_master, int master_version, Fail *why);
// With the pool's lock held.
int storage_pool_migrate_master(Storage *storage, const char *from, const char *to, int version,
                                Fail *why);

typedef struct SpmStatus {
    SpmRole role;
    int64_t lver;
    int id;
} SpmStatus;
int storage_pool_spm_status(Storage *storage, const char *pool, SpmStatus *ret, Fail *why);
// With the pool's lock held. `version` 0: the master's own.
int storage_pool_spm_start(Storage *storage, const char *pool, int version, Fail *why);
int storage_pool_spm_stop(Storage *storage, const char *pool, Fail *why);

// A link <repository>/<pool>/<domain> for an active domain that has appeared.
void storage_pool_link_domain(Storage *storage, const char *domain);
