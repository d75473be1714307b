// Between the files of the pool only.
#pragma once

#include "agent/storage/storage_state.h"

void pool_state_set(Storage *storage, const PoolState *state); // and saves it
void pool_state_put(PoolState *state, const char *domain, bool active);
void pool_state_drop(PoolState *state, const char *domain);
// The other way round than pool_domains_text(); what can't be understood is left out.
void pool_domains_parse(PoolState *state, const char *text);
bool pool_status_parse(const char *status, bool *ret_active);
// Links and monitors as the state says.
void pool_refresh(Storage *storage, const PoolState *state);
void pool_links_remove(Storage *storage, const char *pool);
// Opens the master and checks that it is one of this pool.
int pool_master_open(Storage *storage, const char *pool, const char *master, StorageDomain *ret,
                     Fail *why);
// Fails when another host holds the domain's own lease.
int pool_lease_check(Storage *storage, const StorageDomain *domain, int host_id, Fail *why);
int pool_lease_read(Storage *storage, const StorageDomain *domain, LeaseLeader *ret, Fail *why);
void pool_collect_garbage(Storage *storage, const char *domain);
void pool_leases_set(DomainMetadata *metadata, const LeaseParameters *leases);
