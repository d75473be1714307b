// The storage pool of each data centre: which hosts are connected to it, which one manages it.
#pragma once

#include "manager/fleet/host_link.h"
#include "manager/storage/spm_task.h"

enum { POOL_CALL_MS = 180000 };

typedef void (*PoolDone)(const Fail *why, void *argument);

// Looks for a host to manage the storage even while an operation holds the data centre: for that
// operation, which needs one.
void pool_need_manager(Manager *manager, Entity *data_center);

// Connects the host to all active storage of its data centre, and to the pool; also tells it anew
// which domains there are. Done at once when there is none yet.
void pool_connect_host(Manager *manager, Entity *host, PoolDone done, void *argument);
// The same with all hosts that are up. `done` hears of the first failure; hosts that fail here try
// again by themselves.
void pool_connect_hosts(Manager *manager, const Entity *data_center, PoolDone done, void *argument);
// Gives up the manager's role and every connection.
void pool_disconnect_host(Manager *manager, Entity *host, PoolDone done, void *argument);
// All hosts leave the pool, the manager first, as its last domain goes to maintenance.
void pool_disconnect_hosts(Manager *manager, const Entity *data_center, PoolDone done,
                           void *argument);
// All hosts leave the server of one domain.
void pool_leave_server(Manager *manager, const Entity *data_center, Entity *domain, PoolDone done,
                       void *argument);
// It does not answer any more, or says that it is not the manager: another host may be.
void pool_host_lost(Manager *manager, Entity *host);
// Once a second: looks for a manager where there is none, asks domains for their space.
void pools_tick(Manager *manager);
// Makes this host the manager, if it is not yet.
void pool_elect(Manager *manager, Entity *data_center, Entity *host, PoolDone done, void *argument);
void pool_set_manager(Entity *data_center, Entity *host);
// Something has grown or gone: ask now.
void pool_refresh_space(Manager *manager, Entity *data_center);

// Attached domains of a data centre; the master first. The caller frees the array (AUTO_ARRAY).
void pool_domains(const Manager *manager, const Entity *data_center, Array *ret);
Entity *pool_master(const Manager *manager, const Entity *data_center);

// Pieces of calls.
int pool_storage_type_number(ApiStorageType type);
// domainType and connectionParams
void pool_write_server(JsonWriter *writer, const ApiStorageDomain *domain);
// {domain: "active"|"attached"} of a pool
void pool_write_domain_map(JsonWriter *writer, const Array *domains);
// The error of the first connection that failed, as a sentence.
int pool_check_connections(const Json *list, const Entity *host, const char *domain, Fail *why);
