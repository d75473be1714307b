#include "agent/storage/external_lease.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/storage/direct.h"
#include "agent/storage/lease_index.h"
#include "agent/storage/storage_state.h"

typedef struct LeaseFile {
    const StorageDomain *domain;
    char *path;
    unsigned char *index; // LEASE_INDEX_SIZE bytes
} LeaseFile;

static void lease_file_done(LeaseFile *file)
{
    free(file->path);
    free(file->index);
}
#define AUTO_LEASE_FILE __attribute__((cleanup(lease_file_done))) LeaseFile

void external_lease_done(ExternalLease *lease)
{
    free(lease->path);
    *lease = (ExternalLease){0};
}

static int lease_file_open(const StorageDomain *domain, LeaseFile *file, Fail *why)
{
    if (!domain->leases || domain->version < DOMAIN_VERSION_LEASES)
        return storage_fail(why, VDSM_UNSUPPORTED_OPERATION,
                            "Domain %s has no leases for virtual machines", domain->id);
    file->domain = domain;
    file->path = memory_format("%s/dom_md/xleases", domain->path);
    file->index = direct_buffer(LEASE_INDEX_SIZE);
    int result =
        direct_read_at(file->path, file->index, LEASE_INDEX_SIZE, domain->geometry.alignment);
    if (result)
        return storage_errno(why, VDSM_STORAGE, result, "%s can't be read", file->path);
    if (!lease_index_check(file->index))
        return 0;
    storage_fail(why, VDSM_STORAGE, "The index of leases in domain %s is not valid", domain->id);
    fail_hint(why, "Format or rebuild the domain's leases.");
    return VDSM_STORAGE;
}

static int64_t slot_offset(const LeaseFile *file, int record)
{
    return lease_index_offset(record, file->domain->geometry.alignment);
}

static int slot_write(const LeaseFile *file, int record, const char *space, const char *id,
                      Fail *why)
{
    size_t size = (size_t)file->domain->geometry.alignment;
    AUTO_FREE unsigned char *area = direct_buffer(size);
    lease_format_resource(area, &file->domain->geometry, space, id);
    int result = direct_write_at(file->path, area, size, slot_offset(file, record));
    if (result)
        return storage_errno(why, VDSM_STORAGE, result, "The lease %s can't be written to %s", id,
                             file->path);
    return 0;
}

// One block, so that it is written as a whole or not at all.
static int index_write(const LeaseFile *file, int record, Fail *why)
{
    const LeaseGeometry *geometry = &file->domain->geometry;
    size_t at = lease_index_block(record, geometry->sector);
    AUTO_FREE unsigned char *block = direct_buffer((size_t)geometry->sector);
    memcpy(block, file->index + at, (size_t)geometry->sector);
    int result = direct_write_at(file->path, block, (size_t)geometry->sector,
                                 geometry->alignment + (int64_t)at);
    if (result)
        return storage_errno(why, VDSM_STORAGE, result, "The index in %s can't be written",
                             file->path);
    return 0;
}

static int no_such_lease(const StorageDomain *domain, const char *id, Fail *why)
{
    return storage_fail(why, VDSM_NO_SUCH_LEASE, "There is no lease %s in domain %s", id,
                        domain->id);
}

int external_lease_find(Storage *storage, const StorageDomain *domain, const char *id,
                        ExternalLease *ret, Fail *why)
{
    AS_OWNER(&storage->owner);
    AUTO_LEASE_FILE file = {0};
    int error = lease_file_open(domain, &file, why);
    if (error)
        return error;
    int record = lease_index_find(file.index, id);
    if (record < 0)
        return no_such_lease(domain, id, why);
    *ret = (ExternalLease){TAKE(file.path), slot_offset(&file, record)};
    return 0;
}

int external_lease_add(Storage *storage, const StorageDomain *domain, const char *id, Fail *why)
{
    AS_OWNER(&storage->owner);
    AUTO_LEASE_FILE file = {0};
    int error = lease_file_open(domain, &file, why);
    if (error)
        return error;
    if (lease_index_find(file.index, id) >= 0)
        return storage_fail(why, VDSM_GENERAL, "There is a lease %s in domain %s already", id,
                            domain->id);
    int record = lease_index_find_any(file.index, id);
    if (record < 0)
        record = lease_index_free(file.index);
    if (record < 0)
        return storage_fail(why, VDSM_NO_SPACE, "Domain %s has %d leases, which is the limit",
                            domain->id, LEASE_INDEX_RECORDS);
    error = slot_write(&file, record, domain->id, id, why);
    if (error)
        return error;
    lease_index_put(file.index, record, id, domain->geometry.alignment);
    return index_write(&file, record, why);
}

int external_lease_remove(Storage *storage, const StorageDomain *domain, const char *id, Fail *why)
{
    AS_OWNER(&storage->owner);
    AUTO_LEASE_FILE file = {0};
    int error = lease_file_open(domain, &file, why);
    if (error)
        return error;
    int record = lease_index_find_any(file.index, id);
    if (record < 0)
        return no_such_lease(domain, id, why);
    lease_index_clear(file.index, record);
    error = index_write(&file, record, why);
    if (!error)
        slot_write(&file, record, "", "", NULL); // what the index doesn't name, nobody uses
    return error;
}

int external_lease_read(Storage *storage, const StorageDomain *domain, const char *id,
                        LeaseLeader *ret, Fail *why)
{
    AS_OWNER(&storage->owner);
    ExternalLease lease = {0};
    AUTO_FREE unsigned char *block = direct_buffer(DIRECT_ALIGNMENT);
    int error = external_lease_find(storage, domain, id, &lease, why);
    if (error)
        return error;
    int result = direct_read_at(lease.path, block, DIRECT_ALIGNMENT, lease.offset);
    external_lease_done(&lease);
    if (result || !lease_parse_leader(block, DIRECT_ALIGNMENT, ret))
        return storage_fail(why, VDSM_STORAGE, "The lease %s in domain %s can't be read", id,
                            domain->id);
    return 0;
}
