// The storage pool of each data centre: which hosts are connected to it, which one manages it.
#pragma once

#include "manager/fleet/host_link.h"

typedef void (*PoolDone)(const Fail *why, void *argument);

// Connects the host to all storage of its data centre, and to the pool. Done at once when there is
// none yet.
void pool_connect_host(Manager *manager, Entity *host, PoolDone done, void *argument);
// Gives up the manager's role and every connection.
void pool_disconnect_host(Manager *manager, Entity *host, PoolDone done, void *argument);
// It does not answer any more: another host may manage the storage.
void pool_host_lost(Manager *manager, Entity *host);
// Once a second: looks for a manager where there is none, asks domains for their space.
void pools_tick(Manager *manager);

// Attached domains of a data centre; the master first. The caller frees the array (AUTO_ARRAY).
void pool_domains(const Manager *manager, const Entity *data_center, Array *ret);
Entity *pool_master(const Manager *manager, const Entity *data_center);

// Pieces of calls.
int pool_storage_type_number(ApiStorageType type);
void pool_write_connection(JsonWriter *writer, const ApiStorageDomain *domain, const char *id);
// {domain: "active"|"attached"} of a pool
void pool_write_domain_map(JsonWriter *writer, const Array *domains);
// The error of the first connection that failed, as a sentence.
int pool_check_connections(const Json *list, const Entity *host, const char *domain, Fail *why);

// Waits for a task of the storage manager: polls, clears it, reports. `done` is called once.
void storage_task_wait(Manager *manager, Entity *host, const char *task, PoolDone done,
                       void *argument);
