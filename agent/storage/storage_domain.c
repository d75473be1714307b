#include "agent/storage/storage_domain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/storage/direct.h"
#include "agent/storage/storage_path.h"
#include "agent/storage/storage_state.h"
#include "base/file.h"

void storage_domain_close(StorageDomain *domain)
{
    free(domain->mount);
    free(domain->path);
    domain_metadata_done(&domain->metadata);
    *domain = (StorageDomain){0};
}

static bool version_supported(int version, DomainClass class)
{
    // ISO and export domains stayed at version 0; they have no leases to get wrong.
    return (version >= DOMAIN_VERSION_MIN && version <= DOMAIN_VERSION_MAX) ||
           (!version && class != DOMAIN_DATA);
}

int storage_domain_decode(StorageDomain *domain, Fail *why)
{
    const DomainMetadata *metadata = &domain->metadata;
    const char *id = domain_metadata_get(metadata, "SDUUID");
    domain->type = domain_type_from_text(domain_metadata_get(metadata, "TYPE"));
    domain->class = domain_class_from_text(domain_metadata_get(metadata, "CLASS"));
    domain->version = (int)domain_metadata_number(metadata, "VERSION", 0, INT32_MAX, -1);
    if (domain->version < 0 || (int)domain->class < 0 || (int)domain->type < 0 || !id)
        return storage_fail(why, VDSM_INVALID_METADATA,
                            "The metadata of domain %s lacks VERSION, CLASS, TYPE or SDUUID",
                            domain->id);
    if (strcasecmp(id, domain->id))
        return storage_fail(why, VDSM_METADATA_VALIDATION,
                            "The directory of domain %s has the metadata of domain %s", domain->id,
                            id);
    if (!version_supported(domain->version, domain->class))
        return storage_fail(why, VDSM_UNSUPPORTED_DOMAIN_VERSION, "Domain %s has version %d",
                            domain->id, domain->version);
    int64_t block = domain_metadata_number(metadata, "BLOCK_SIZE", 1, 65536, BLOCK_SIZE_512);
    int64_t alignment = domain_metadata_number(metadata, "ALIGNMENT", 1, 8 * MIB, MIB);
    if (!lease_geometry_of((int)block, alignment, &domain->geometry) ||
        (domain->version < 5 && (block != BLOCK_SIZE_512 || alignment != MIB)))
        return storage_fail(why, VDSM_METADATA_VALIDATION,
                            "Domain %s has block size %lld and alignment %lld, which don't go "
                            "together",
                            domain->id, (long long)block, (long long)alignment);
    domain->leases = domain->type != DOMAIN_LOCALFS && domain->version >= DOMAIN_VERSION_MIN;
    return 0;
}

static int metadata_fail(MetadataVerdict verdict, const char *path, Fail *why)
{
    if (verdict == METADATA_BROKEN_SEAL) {
        storage_fail(why, VDSM_METADATA_SEAL, "The checksum in %s does not fit the rest", path);
        fail_hint(why, "Somebody edited the file. Put back a copy, or remove the line _SHA_CKSUM "
                       "when you are sure of the content.");
        return VDSM_METADATA_SEAL;
    }
    return storage_fail(why, VDSM_INVALID_METADATA, "%s is no text", path);
}

static int domain_read(StorageDomain *domain, Fail *why)
{
    AUTO_FREE char *path = memory_format("%s/dom_md/metadata", domain->path);
    AUTO_FREE char *data = NULL;
    size_t length = 0;
    int result = direct_read(path, DOMAIN_METADATA_MAX, &data, &length);
    if (result == -ENOENT)
        return storage_errno(why, VDSM_DOMAIN_METADATA_NOT_FOUND, result,
                             "Domain %s has no metadata", domain->id);
    if (result)
        return storage_errno(why, VDSM_DOMAIN_ACCESS, result, "%s can't be read", path);
    MetadataVerdict verdict = domain_metadata_parse(data, length, &domain->metadata);
    if (verdict != METADATA_GOOD)
        return metadata_fail(verdict, path, why);
    return storage_domain_decode(domain, why);
}

static int domain_locate(Storage *storage, const char *id, StorageDomain *domain, Fail *why)
{
    int stuck_s = domain_monitor_stuck_seconds(&storage->monitors, id);
    if (stuck_s) {
        storage_fail(why, VDSM_DOMAIN_ACCESS, "Domain %s has not answered for %d s", id, stuck_s);
        fail_hint(why, "Check the storage server and the network to it.");
        return VDSM_DOMAIN_ACCESS;
    }
    domain->mount = storage_place_find(&storage->places, id);
    if (!domain->mount) {
        storage_fail(why, VDSM_DOMAIN_DOES_NOT_EXIST, "Domain %s is on no connected storage", id);
        fail_hint(why, "Connect its storage to this host first.");
        return VDSM_DOMAIN_DOES_NOT_EXIST;
    }
    domain->path = memory_format("%s/%s", domain->mount, id);
    return 0;
}

static int domain_open_once(Storage *storage, const char *id, StorageDomain *ret, Fail *why)
{
    AUTO_DOMAIN domain = {0};
    if (!uuid_valid(id))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION, "\"%s\" is no UUID", id);
    memcpy(domain.id, id, UUID_SIZE);
    uuid_lower(domain.id);
    int error = domain_locate(storage, domain.id, &domain, why);
    if (!error)
        error = domain_read(&domain, why);
    if (error)
        return error;
    *ret = domain;
    domain = (StorageDomain){0};
    return 0;
}

int storage_domain_open(Storage *storage, const char *id, StorageDomain *ret, Fail *why)
{
    AS_OWNER(&storage->owner);
    AUTO_FAIL first = {0};
    int error = domain_open_once(storage, id, ret, &first);
    if (error == VDSM_DOMAIN_METADATA_NOT_FOUND) {
        // It may have been removed, or its storage moved to another mount.
        storage_place_forget(&storage->places, id);
        fail_done(&first);
        error = domain_open_once(storage, id, ret, &first);
    }
    if (error)
        fail_move(why, &first);
    return error;
}

int storage_domain_save(Storage *storage, const StorageDomain *domain, Fail *why)
{
    AS_OWNER(&storage->owner);
    AUTO_STRBUF text = {0};
    AUTO_FREE char *path = memory_format("%s/dom_md/metadata", domain->path);
    domain_metadata_write(&domain->metadata, &text);
    int result = file_write_atomic(path, text.data, text.length, METADATA_MODE);
    if (result)
        return storage_errno(why, VDSM_DOMAIN_ACCESS, result, "%s can't be written", path);
    return 0;
}

int domain_change(Storage *storage, const char *domain_id, MetadataChange *change,
                  const void *argument, Fail *why)
{
    AUTO_DOMAIN domain = {0};
    LockSet locks = {0};
    LockHolder *holder;
    lock_set_add(&locks, true, "metadata:%s", domain_id);
    int error = storage_lock(&storage->locks, &locks, "change of a domain's metadata", LOCK_WAIT_MS,
                             &holder, why);
    if (error)
        return error;
    error = storage_domain_open(storage, domain_id, &domain, why);
    if (!error)
        error = change(&domain, argument, why);
    if (!error)
        error = storage_domain_save(storage, &domain, why);
    storage_unlock(&storage->locks, holder);
    return error;
}

bool storage_domain_is_master(const StorageDomain *domain)
{
    const char *role = domain_metadata_get(&domain->metadata, "ROLE");
    return role && !strcasecmp(role, "Master");
}

static const char *pools_of(const StorageDomain *domain)
{
    const char *pools = domain_metadata_get(&domain->metadata, "POOL_UUID");
    return pools ? pools : "";
}

bool storage_domain_in_pool(const StorageDomain *domain, const char *pool)
{
    const char *at = pools_of(domain);
    for (; *at; at += *at == ',') {
        size_t length = strcspn(at, ",");
        if (length == strlen(pool) && !strncasecmp(at, pool, length))
            return true;
        at += length;
    }
    return false;
}

// Old releases wrote zeros for "none".
bool storage_domain_pool(const StorageDomain *domain, char pool[UUID_SIZE])
{
    const char *at = pools_of(domain);
    for (; *at; at += *at == ',') {
        size_t length = strcspn(at, ",");
        AUTO_FREE char *one = memory_bytes(at, length);
        if (uuid_valid(one) && !uuid_is_zero(one)) {
            memcpy(pool, one, UUID_SIZE);
            uuid_lower(pool);
            return true;
        }
        at += length;
    }
    return false;
}

void storage_domain_add_pool(StorageDomain *domain, const char *pool)
{
    char before[UUID_SIZE];
    if (storage_domain_in_pool(domain, pool))
        return;
    if (!storage_domain_pool(domain, before)) {
        domain_metadata_set(&domain->metadata, "POOL_UUID", pool);
        return;
    }
    AUTO_FREE char *pools = memory_format("%s,%s", pools_of(domain), pool);
    domain_metadata_set(&domain->metadata, "POOL_UUID", pools);
}

void storage_domain_remove_pool(StorageDomain *domain, const char *pool)
{
    AUTO_STRBUF rest = {0};
    for (const char *at = pools_of(domain); *at; at += *at == ',') {
        size_t length = strcspn(at, ",");
        if (length != strlen(pool) || strncasecmp(at, pool, length)) {
            if (rest.length)
                strbuf_addc(&rest, ',');
            strbuf_add(&rest, at, length);
        }
        at += length;
    }
    domain_metadata_set(&domain->metadata, "POOL_UUID", rest.data ? rest.data : "");
}

int storage_domain_space(Storage *storage, const StorageDomain *domain, DomainSpace *ret, Fail *why)
{
    struct statvfs info;
    AS_OWNER(&storage->owner);
    if (statvfs(domain->path, &info) < 0)
        return storage_errno(why, VDSM_DOMAIN_ACCESS, errno, "The space on domain %s is unknown",
                             domain->id);
    *ret = (DomainSpace){.total = (int64_t)(info.f_frsize * info.f_blocks),
                         .free = (int64_t)(info.f_frsize * info.f_bavail)};
    return 0;
}

char *storage_domain_image_path(const StorageDomain *domain, const char *image)
{
    return memory_format("%s/images/%s", domain->path, image);
}

char *storage_mount_path(Storage *storage, DomainType type, const char *remote)
{
    AUTO_FREE char *normal = path_normalize(remote);
    AUTO_FREE char *name = path_escape(normal);
    return memory_format("%s/%s%s", storage->mounts, type == DOMAIN_GLUSTERFS ? "glusterSD/" : "",
                         name);
}
