// Where domains are: mounts under <repository>/mnt and the domains found on them. A mount that
// hangs is left alone until it answers, the others go on.
#pragma once

#include <uv.h>

#include "agent/storage/storage_owner.h"
#include "base/list.h"
#include "base/map.h"
#include "base/uuid.h"

typedef struct DomainPlace {
    char id[UUID_SIZE];
    char *mount; // path of the mount point
} DomainPlace;

// A domain that is being removed has this name, and belongs to nobody any more.
#define REMOVING_PREFIX ".removing-"

typedef struct StoragePlaces {
    uv_mutex_t mutex; // guards the two
    uv_cond_t scanned;
    Map domains;  // id to DomainPlace
    Map scans;    // mount path to the Scan that has not come back
    char *mounts; // <repository>/mnt
    const StorageOwner *owner;
} StoragePlaces;

void storage_places_init(StoragePlaces *places, const char *mounts, const StorageOwner *owner);
// False when a scan still hangs: the memory must stay then.
bool storage_places_done(StoragePlaces *places);
// The domain's mount point, or NULL when no mount has it. May take seconds; the caller frees.
char *storage_place_find(StoragePlaces *places, const char *domain);
// The same from memory only.
char *storage_place_known(StoragePlaces *places, const char *domain);
// Forgets what is known of it: the next search looks again.
void storage_place_forget(StoragePlaces *places, const char *domain);
void storage_place_forget_mount(StoragePlaces *places, const char *mount);
// Looks which domains are there; a look under way is waited for instead. 0, -ETIMEDOUT when it
// hangs (at once when an earlier one does), or what went wrong.
int storage_place_scan(StoragePlaces *places, const char *mount);
// All domains of all mounts that answer; the caller frees strings and array.
void storage_place_list(StoragePlaces *places, Array *ret_ids);
