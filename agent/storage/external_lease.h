// Leases of virtual machines in a domain's file xleases: an index from lease to slot, and the
// slots. Changes only on the host that manages the pool, one at a time per domain.
#pragma once

#include "agent/storage/storage_domain.h"

typedef struct ExternalLease {
    char *path;     // of the file
    int64_t offset; // of the slot in it
} ExternalLease;

void external_lease_done(ExternalLease *lease);

int external_lease_find(Storage *storage, const StorageDomain *domain, const char *id,
                        ExternalLease *ret, Fail *why);
// The slot is written before the index names it.
int external_lease_add(Storage *storage, const StorageDomain *domain, const char *id, Fail *why);
// The index forgets it before the slot is cleared.
int external_lease_remove(Storage *storage, const StorageDomain *domain, const char *id, Fail *why);
// Who holds it, as the slot says.
int external_lease_read(Storage *storage, const StorageDomain *domain, const char *id,
                        LeaseLeader *ret, Fail *why);
