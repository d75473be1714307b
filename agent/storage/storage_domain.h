// One storage domain as it lies on disk. Opening reads the metadata; nothing is kept between
// calls, so what another host changed is seen. File work is done as the storage's owner.
#pragma once

#include "agent/storage/domain_metadata.h"
#include "agent/storage/lease_format.h"
#include "agent/storage/storage.h"
#include "agent/storage/storage_fail.h"
#include "agent/storage/storage_format.h"

typedef struct StorageDomain {
    char id[UUID_SIZE];
    char *mount, *path; // path = mount/id
    DomainMetadata metadata;
    DomainType type;
    DomainClass class;
    int version;
    LeaseGeometry geometry;
    bool leases; // volumes and the domain have sanlock leases (not on local storage)
} StorageDomain;

int storage_domain_open(Storage *storage, const char *id, StorageDomain *ret, Fail *why);
void storage_domain_close(StorageDomain *domain);
#define AUTO_DOMAIN __attribute__((cleanup(storage_domain_close))) StorageDomain
// Understands what was read: type, version, block size. *domain has id, paths and metadata.
int storage_domain_decode(StorageDomain *domain, Fail *why);

// Reads, changes and writes the metadata of a domain under its lock.
typedef int MetadataChange(StorageDomain *domain, const void *argument, Fail *why);
int domain_change(Storage *storage, const char *domain, MetadataChange *change,
                  const void *argument, Fail *why);
// Writes the metadata beside the old and renames over it.
int storage_domain_save(Storage *storage, const StorageDomain *domain, Fail *why);
bool storage_domain_is_master(const StorageDomain *domain);
bool storage_domain_in_pool(const StorageDomain *domain, const char *pool);
// The first pool it belongs to, into the caller's buffer; false when it is unattached.
bool storage_domain_pool(const StorageDomain *domain, char pool[UUID_SIZE]);
void storage_domain_add_pool(StorageDomain *domain, const char *pool);
void storage_domain_remove_pool(StorageDomain *domain, const char *pool);

typedef struct DomainSpace {
    int64_t total, free; // bytes
} DomainSpace;
int storage_domain_space(Storage *storage, const StorageDomain *domain, DomainSpace *ret,
                         Fail *why);
char *storage_domain_image_path(const StorageDomain *domain, const char *image);

typedef struct DomainRequest {
    const char *id, *name, *remote;
    DomainType type;
    DomainClass class;
    int version, block_size, hosts;
} DomainRequest;
// The whole domain appears at once: it is made under another name and renamed.
int storage_domain_create(Storage *storage, const DomainRequest *request, Fail *why);
// Removes everything; the metadata goes last, so that it can be repeated.
int storage_domain_format(Storage *storage, const StorageDomain *domain, Fail *why);
// <repository>/mnt/<escaped path>; the caller frees.
char *storage_mount_path(Storage *storage, DomainType type, const char *remote);
