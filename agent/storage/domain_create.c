// Making and removing whole storage domains.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/storage/direct.h"
#include "agent/storage/lease_index.h"
#include "agent/storage/mount_table.h"
#include "agent/storage/storage_domain.h"
#include "agent/storage/storage_path.h"
#include "agent/storage/storage_state.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

#define STAGING_PREFIX ".creating-"

// ---- files

static int special_make(const char *directory, const char *name, int64_t size, int *ret_fd,
                        Fail *why)
{
    AUTO_FREE char *path = memory_format("%s/%s", directory, name);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, SPECIAL_MODE);
    if (fd < 0 || fchmod(fd, SPECIAL_MODE) < 0 || ftruncate(fd, size) < 0) {
        int error =
            storage_errno(why, VDSM_DOMAIN_METADATA_CREATION, errno, "%s can't be made", path);
        if (fd >= 0)
            close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

static int special_write(const char *directory, const char *name, int64_t size,
                         const unsigned char *content, size_t length, int64_t offset, Fail *why)
{
    AUTO_CLOSE int fd = -1;
    int error = special_make(directory, name, size, &fd, why);
    if (error)
        return error;
    int result = lseek(fd, offset, SEEK_SET) < 0 ? -errno : fd_write_all(fd, content, length);
    if (!result && fsync(fd) < 0)
        result = -errno;
    if (result)
        return storage_errno(why, VDSM_DOMAIN_METADATA_CREATION, result, "%s/%s can't be written",
                             directory, name);
    return 0;
}

static int special_empty(const char *directory, const char *name, int64_t size, Fail *why)
{
    return special_write(directory, name, size, (const unsigned char *)"", 0, 0, why);
}

static int leases_make(const char *directory, const StorageDomain *domain, Fail *why)
{
    const LeaseGeometry *geometry = &domain->geometry;
    size_t size = (size_t)geometry->alignment;
    if (!domain->leases) {
        int error = special_empty(directory, "ids", 0, why);
        return error ? error : special_empty(directory, "leases", 0, why);
    }
    AUTO_FREE unsigned char *area = memory_new(size, 1);
    lease_format_lockspace(area, geometry, domain->id);
    int error = special_write(directory, "ids", geometry->alignment, area, size, 0, why);
    if (error)
        return error;
    lease_format_resource(area, geometry, domain->id, DOMAIN_LEASE);
    error = special_write(directory, "leases", 2 * geometry->alignment, area, size,
                          geometry->alignment, why);
    if (error || domain->version < DOMAIN_VERSION_LEASES)
        return error;
    AUTO_FREE unsigned char *index = memory_new(LEASE_INDEX_SIZE, 1);
    lease_index_format(index, domain->id, clock_wall_ms() / 1000);
    return special_write(directory, "xleases", geometry->alignment + LEASE_INDEX_SIZE, index,
                         LEASE_INDEX_SIZE, geometry->alignment, why);
}

// ---- metadata

static void metadata_fill(StorageDomain *domain, const DomainRequest *request)
{
    DomainMetadata *metadata = &domain->metadata;
    AUTO_FREE char *remote = path_normalize(request->remote);
    domain_metadata_set(metadata, "CLASS", domain_class_name(request->class));
    domain_metadata_set(metadata, "DESCRIPTION", request->name);
    domain_metadata_set(metadata, "IOOPTIMEOUTSEC", "10");
    domain_metadata_set(metadata, "LEASERETRIES", "3");
    domain_metadata_set(metadata, "LEASETIMESEC", "60");
    domain_metadata_set(metadata, "LOCKPOLICY", "");
    domain_metadata_set(metadata, "LOCKRENEWALINTERVALSEC", "5");
    domain_metadata_set(metadata, "POOL_UUID", "");
    domain_metadata_set(metadata, "REMOTE_PATH", remote);
    domain_metadata_set(metadata, "ROLE", "Regular");
    domain_metadata_set(metadata, "SDUUID", domain->id);
    domain_metadata_set(metadata, "TYPE", domain_type_name(request->type));
    domain_metadata_set_number(metadata, "VERSION", request->version);
    if (request->version < 5)
        return;
    domain_metadata_set_number(metadata, "ALIGNMENT", domain->geometry.alignment);
    domain_metadata_set_number(metadata, "BLOCK_SIZE", domain->geometry.sector);
}

// ---- checks

static int request_check(const DomainRequest *request, Fail *why)
{
    bool local = request->type == DOMAIN_LOCALFS;
    AUTO_FREE char *normal = path_normalize(request->remote);
    if (request->type != DOMAIN_NFS && request->type != DOMAIN_POSIXFS &&
        request->type != DOMAIN_GLUSTERFS && !local)
        return storage_fail(why, VDSM_DOMAIN_TYPE, "This host makes no domains of type %s",
                            domain_type_name(request->type));
    if (request->version != 4 && request->version != 5)
        return storage_fail(why, VDSM_UNSUPPORTED_DOMAIN_VERSION,
                            "New domains have version 4 or 5, not %d", request->version);
    if ((local && (*request->remote != '/' || strcmp(normal, request->remote))) ||
        (request->type == DOMAIN_NFS && !strchr(request->remote, ':')) ||
        !domain_metadata_fits(request->remote))
        return storage_fail(why, VDSM_DOMAIN_ILLEGAL_PATH,
                            "\"%s\" is no path for a domain of type %s", request->remote,
                            domain_type_name(request->type));
    if (!domain_metadata_fits(request->name))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "The name of domain %s has line breaks", request->id);
    return 0;
}

static int mount_check(const DomainRequest *request, const char *mount, Fail *why)
{
    struct stat info;
    bool there = request->type == DOMAIN_LOCALFS ? !lstat(mount, &info) && S_ISLNK(info.st_mode)
                                                 : mount_is_target(mount);
    if (there)
        return 0;
    storage_fail(why, VDSM_DOMAIN_NOT_MOUNTED, "%s is not connected: there is no %s",
                 request->remote, mount);
    fail_hint(why, "Connect the storage to this host first.");
    return VDSM_DOMAIN_NOT_MOUNTED;
}

// A mount holds one domain; remains of a creation or removal that was cut short are not one.
static int mount_check_empty(const char *mount, const char *remote, Fail *why)
{
    int error = 0;
    DIR *stream = opendir(mount);
    if (!stream)
        return storage_errno(why, VDSM_STORAGE_PERMISSION, errno, "%s can't be listed", mount);
    for (struct dirent *entry; !error && (entry = readdir(stream));) {
        struct stat info;
        AUTO_FREE char *inside = memory_format("%s/dom_md", entry->d_name);
        if (*entry->d_name == '.')
            continue;
        if (!fstatat(dirfd(stream), inside, &info, 0)) {
            error = storage_fail(why, VDSM_DOMAIN_NOT_EMPTY, "%s holds the domain %s", remote,
                                 entry->d_name);
            fail_hint(why, "Import that domain, or remove its directory from the storage.");
        }
    }
    closedir(stream);
    return error;
}

static void mount_sweep(const char *mount)
{
    DIR *stream = opendir(mount);
    if (!stream)
        return;
    for (struct dirent *entry; (entry = readdir(stream));) {
        AUTO_FREE char *path = memory_format("%s/%s", mount, entry->d_name);
        if (!strncmp(entry->d_name, STAGING_PREFIX, strlen(STAGING_PREFIX)) ||
            !strncmp(entry->d_name, REMOVING_PREFIX, strlen(REMOVING_PREFIX)))
            directory_remove(path);
    }
    closedir(stream);
}

static int block_size_choose(const DomainRequest *request, const char *mount, int *ret, Fail *why)
{
    int found = 0, asked = request->block_size;
    bool large = request->version >= 5 &&
                 (request->type == DOMAIN_LOCALFS || request->type == DOMAIN_GLUSTERFS);
    if (asked != BLOCK_SIZE_AUTO && asked != BLOCK_SIZE_512 && !(large && asked == BLOCK_SIZE_4K))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "A domain of type %s and version %d can't have block size %d",
                            domain_type_name(request->type), request->version, asked);
    int result = direct_probe_block_size(mount, &found);
    if (result == -EINVAL)
        return storage_fail(why, VDSM_TARGET_UNSUPPORTED, "%s can't do direct I/O",
                            request->remote);
    if (result)
        return storage_errno(why, VDSM_STORAGE_PERMISSION, result,
                             "The block size of %s can't be found", request->remote);
    if (found == BLOCK_SIZE_UNKNOWN)
        found = asked ? asked : BLOCK_SIZE_512;
    if ((asked && asked != found) || (found == BLOCK_SIZE_4K && !large))
        return storage_fail(why, VDSM_BLOCK_SIZE_MISMATCH,
                            "%s has blocks of %d bytes, the domain would have %d", request->remote,
                            found, asked ? asked : BLOCK_SIZE_512);
    *ret = found;
    return 0;
}

// ---- the whole

static int directory_new(const char *path, mode_t mode, Fail *why)
{
    if (mkdir(path, mode) < 0 || chmod(path, mode) < 0)
        return storage_errno(why, VDSM_DOMAIN_METADATA_CREATION, errno, "%s can't be made", path);
    return 0;
}

static int staging_fill(const StorageDomain *domain, const char *staging, Fail *why)
{
    AUTO_FREE char *inside = memory_format("%s/dom_md", staging);
    AUTO_FREE char *images = memory_format("%s/images", staging);
    AUTO_FREE char *iso = memory_format("%s/" ISO_IMAGE, images);
    AUTO_FREE char *metadata = memory_format("%s/metadata", inside);
    AUTO_STRBUF text = {0};
    int error = directory_new(staging, 0755, why);
    if (!error)
        error = directory_new(inside, 0775, why);
    if (!error)
        error = leases_make(inside, domain, why);
    if (!error)
        error = special_empty(inside, "inbox", MAILBOX_SIZE, why);
    if (!error)
        error = special_empty(inside, "outbox", MAILBOX_SIZE, why);
    if (!error)
        error = directory_new(images, 0755, why);
    if (!error && domain->class == DOMAIN_ISO)
        error = directory_new(iso, 0755, why);
    if (error)
        return error;
    domain_metadata_write(&domain->metadata, &text);
    int result = file_write_atomic(metadata, text.data, text.length, METADATA_MODE);
    if (result)
        return storage_errno(why, VDSM_DOMAIN_METADATA_CREATION, result, "%s can't be written",
                             metadata);
    return 0;
}

static int domain_build(const StorageDomain *domain, Fail *why)
{
    AUTO_FREE char *staging = memory_format("%s/" STAGING_PREFIX "%s", domain->mount, domain->id);
    int error = staging_fill(domain, staging, why);
    if (!error && rename(staging, domain->path) < 0)
        error = storage_errno(why, VDSM_DOMAIN_CREATION, errno, "%s can't be put in place",
                              domain->path);
    if (error)
        directory_remove(staging);
    else
        directory_sync(domain->mount);
    return error;
}

static int domain_create_locked(Storage *storage, const DomainRequest *request,
                                StorageDomain *domain, Fail *why)
{
    AS_OWNER(&storage->owner);
    int block = 0;
    int error = mount_check_empty(domain->mount, request->remote, why);
    if (!error)
        error = direct_check_access(domain->mount, why);
    if (!error)
        error = block_size_choose(request, domain->mount, &block, why);
    if (error)
        return error;
    if (!lease_geometry(block, request->hosts, &domain->geometry))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "A domain serves 1 to %d hosts, not %d", HOSTS_MAX, request->hosts);
    metadata_fill(domain, request);
    error = storage_domain_decode(domain, why);
    if (error)
        return error;
    mount_sweep(domain->mount);
    return domain_build(domain, why);
}

int storage_domain_create(Storage *storage, const DomainRequest *request, Fail *why)
{
    AUTO_DOMAIN domain = {0};
    LockSet locks = {0};
    LockHolder *holder;
    int error = request_check(request, why);
    if (error)
        return error;
    AUTO_FREE char *known = storage_place_find(&storage->places, request->id);
    if (known)
        return storage_fail(why, VDSM_DOMAIN_EXISTS, "Domain %s is there already, on %s",
                            request->id, known);
    snprintf(domain.id, sizeof(domain.id), "%s", request->id);
    uuid_lower(domain.id);
    domain.mount = storage_mount_path(storage, request->type, request->remote);
    domain.path = memory_format("%s/%s", domain.mount, domain.id);
    if ((error = mount_check(request, domain.mount, why)))
        return error;
    lock_set_add(&locks, true, "mount:%.80s", request->remote);
    lock_set_domain(&locks, true, domain.id);
    error =
        storage_lock(&storage->locks, &locks, "creation of a domain", LOCK_WAIT_MS, &holder, why);
    if (error)
        return error;
    error = domain_create_locked(storage, request, &domain, why);
    storage_unlock(&storage->locks, holder);
    if (!error)
        storage_place_scan(&storage->places, domain.mount);
    return error;
}

int storage_domain_format(Storage *storage, const StorageDomain *domain, Fail *why)
{
    AS_OWNER(&storage->owner);
    AUTO_FREE char *removing = memory_format("%s/" REMOVING_PREFIX "%s", domain->mount, domain->id);
    if (rename(domain->path, removing) < 0)
        return storage_errno(why, VDSM_DOMAIN_FORMAT, errno, "%s can't be renamed", domain->path);
    storage_place_forget(&storage->places, domain->id);
    int result = directory_remove(removing);
    if (result && file_exists(removing)) // else a scan of the place has helped
        return storage_errno(why, VDSM_DOMAIN_FORMAT, result, "%s can't be removed", removing);
    return 0;
}
