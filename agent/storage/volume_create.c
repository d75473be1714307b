// Making a volume. Order: data, lease, links to the template, the parent's role, and last the
// metadata. Whoever looks for volumes looks for metadata, so a creation that is cut short leaves
// nothing that counts; volume_undo() removes the files.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/storage/direct.h"
#include "agent/storage/qemu_image.h"
#include "agent/storage/storage_state.h"
#include "agent/storage/volume.h"
#include "agent/storage/volume_chain.h"
#include "base/clock.h"
#include "base/file.h"

static const int64_t capacity_max = 1LL << 60;

static bool has_parent(const VolumeRequest *request)
{
    return !uuid_is_zero(request->parent);
}

static bool from_template(const VolumeRequest *request)
{
    return has_parent(request) && strcmp(request->source_image, request->image);
}

static int check_initial(const VolumeRequest *request, Fail *why)
{
    if (request->initial < 0)
        return 0;
    bool wrong = request->format == VOLUME_COW
                     ? request->initial > 0
                     : request->allocation == VOLUME_SPARSE || request->initial > request->capacity;
    if (wrong)
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "Volume %s on a file domain can't have an initial size of %lld",
                            request->id, (long long)request->initial);
    return 0;
}

static int check_bitmaps(const VolumeRequest *request, int domain_version, Fail *why)
{
    bool wanted = request->add_bitmaps || request->bitmap;
    if (wanted && domain_version < DOMAIN_VERSION_LEASES)
        return storage_fail(why, VDSM_UNSUPPORTED_OPERATION,
                            "Domains before version 4 have no bitmaps");
    if (request->add_bitmaps && (!has_parent(request) || from_template(request)))
        return storage_fail(why, VDSM_UNSUPPORTED_OPERATION,
                            "Volume %s has no parent in its image to take bitmaps from",
                            request->id);
    if (request->bitmap && request->format != VOLUME_COW)
        return storage_fail(why, VDSM_UNSUPPORTED_OPERATION,
                            "Volume %s is raw and can't have a bitmap", request->id);
    return 0;
}

int volume_request_check(VolumeRequest *request, int domain_version, Fail *why)
{
    if (request->capacity <= 0 || request->capacity > capacity_max)
        return storage_fail(why, VDSM_VOLUME_SIZE, "Volume %s can't have a size of %lld bytes",
                            request->id, (long long)request->capacity);
    request->capacity = size_round_up(request->capacity, CAPACITY_STEP);
    if (has_parent(request) && request->format != VOLUME_COW)
        return storage_fail(why, VDSM_INCORRECT_FORMAT,
                            "Volume %s has a parent, so its format must be COW", request->id);
    if (!volume_disk_type_valid(request->disk_type))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION, "There is no disk type \"%s\"",
                            request->disk_type);
    int error = check_initial(request, why);
    return error ? error : check_bitmaps(request, domain_version, why);
}

// ---- the parent

static int parent_check(const VolumeRequest *request, const Volume *parent, Fail *why)
{
    if (parent->metadata.legality == VOLUME_ILLEGAL)
        return storage_fail(why, VDSM_SNAPSHOT_OF_ILLEGAL, "Volume %s is illegal", parent->id);
    if (request->capacity < parent->metadata.capacity)
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "Volume %s would be smaller than its parent %s (%lld < %lld bytes)",
                            request->id, parent->id, (long long)request->capacity,
                            (long long)parent->metadata.capacity);
    if (from_template(request) && parent->metadata.role != VOLUME_SHARED)
        return storage_fail(why, VDSM_VOLUME_NOT_SHAREABLE, "Volume %s of image %s is no template",
                            parent->id, request->source_image);
    if (request->add_bitmaps && parent->metadata.format != VOLUME_COW)
        return storage_fail(why, VDSM_UNSUPPORTED_OPERATION,
                            "The raw volume %s has no bitmaps to take", parent->id);
    return 0;
}

static int parent_open(Storage *storage, const StorageDomain *domain, const VolumeRequest *request,
                       Volume *ret, Fail *why)
{
    int error = volume_open(storage, domain, request->source_image, request->parent, ret, why);
    if (error) {
        fail_prefix(why, "The parent of volume %s: ", request->id);
        return error;
    }
    return parent_check(request, ret, why);
}

// ---- files

static int data_new(const char *path, Fail *why)
{
    AUTO_CLOSE int fd =
        open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, VOLUME_MODE);
    if (fd < 0 || fchmod(fd, VOLUME_MODE) < 0)
        return storage_errno(why, VDSM_VOLUME_CREATION, errno, "%s can't be made", path);
    return 0;
}

static int data_make_raw(const char *path, const VolumeRequest *request, atomic_bool *stop,
                         Fail *why)
{
    // An allocated first block lets QEMU find out the alignment that direct I/O needs.
    AUTO_FREE void *zeros = direct_buffer(DIRECT_ALIGNMENT);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    int result = fd < 0 || ftruncate(fd, request->capacity) < 0 ? -errno : 0;
    if (!result)
        result = fd_write_all(fd, zeros, DIRECT_ALIGNMENT);
    if (!result && fsync(fd) < 0)
        result = -errno;
    if (result)
        return storage_errno(why, VDSM_VOLUME_CREATION, result, "%s can't be written", path);
    if (request->allocation != VOLUME_PREALLOCATED)
        return 0;
    return volume_allocate(path, DIRECT_ALIGNMENT, request->capacity, stop, why);
}

static int data_make_cow(Storage *storage, const StorageDomain *domain, const char *path,
                         const VolumeRequest *request, const Volume *parent, atomic_bool *stop,
                         Fail *why)
{
    int64_t end = 0;
    int error = qemu_image_create(&storage->owner, path, request->capacity, domain->version >= 4,
                                  parent ? parent->id : NULL,
                                  parent ? parent->metadata.format : VOLUME_RAW, why);
    if (!error && request->bitmap)
        error = qemu_image_add_bitmap(&storage->owner, path, request->bitmap, why);
    if (error || parent || request->allocation != VOLUME_PREALLOCATED)
        return error;
    error = qemu_image_end(&storage->owner, path, &end, why);
    if (error)
        return error;
    return volume_allocate(path, size_round_up(end, DIRECT_ALIGNMENT), request->capacity, stop,
                           why);
}

static int lease_make(const StorageDomain *domain, const char *path, const char *id, Fail *why)
{
    AUTO_FREE char *lease = volume_lease_path(path);
    size_t size = (size_t)domain->geometry.alignment;
    AUTO_FREE unsigned char *area = memory_new(size, 1);
    if (!domain->leases)
        return 0;
    lease_format_resource(area, &domain->geometry, domain->id, id);
    AUTO_CLOSE int fd =
        open(lease, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, SPECIAL_MODE);
    int result = fd < 0 || fchmod(fd, SPECIAL_MODE) < 0 ? -errno : fd_write_all(fd, area, size);
    if (!result && fsync(fd) < 0)
        result = -errno;
    if (result)
        return storage_errno(why, VDSM_VOLUME_CREATION, result, "%s can't be made", lease);
    return 0;
}

static int link_one(const char *from, const char *to, bool optional, Fail *why)
{
    if (link(from, to) == 0 || errno == EEXIST || (optional && errno == ENOENT))
        return 0;
    return storage_errno(why, VDSM_CANNOT_SHARE_VOLUME, errno, "%s can't be linked to %s", from,
                         to);
}

static int template_link(const StorageDomain *domain, const char *directory, const Volume *parent,
                         Fail *why)
{
    AUTO_FREE char *data = memory_format("%s/%s", directory, parent->id);
    AUTO_FREE char *lease = volume_lease_path(data), *from_lease = volume_lease_path(parent->path);
    AUTO_FREE char *meta = volume_meta_path(data), *from_meta = volume_meta_path(parent->path);
    int error = link_one(parent->path, data, false, why);
    if (!error && domain->leases)
        error = link_one(from_lease, lease, true, why);
    return error ? error : link_one(from_meta, meta, false, why);
}

static int metadata_make(Storage *storage, const StorageDomain *domain, const char *path,
                         const VolumeRequest *request, Fail *why)
{
    AUTO_VOLUME volume = {.path = memory_string(path)};
    VolumeMetadata *metadata = &volume.metadata;
    memcpy(volume.id, request->id, UUID_SIZE);
    memcpy(volume.image, request->image, UUID_SIZE);
    memcpy(metadata->domain, domain->id, UUID_SIZE);
    memcpy(metadata->image, request->image, UUID_SIZE);
    memcpy(metadata->parent, request->parent, UUID_SIZE);
    memcpy(metadata->disk_type, request->disk_type, sizeof(metadata->disk_type));
    metadata->capacity = request->capacity;
    metadata->format = request->format;
    metadata->allocation = request->allocation;
    metadata->role = VOLUME_LEAF;
    metadata->legality = request->legal ? VOLUME_LEGAL : VOLUME_ILLEGAL;
    metadata->created = clock_wall_ms() / 1000;
    metadata->sequence = request->sequence;
    if (volume_metadata_describe(metadata, request->description))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "The description of volume %s has line breaks or is no text",
                            request->id);
    return volume_save(storage, domain, &volume, why);
}

static int files_make(Storage *storage, const StorageDomain *domain, const VolumeRequest *request,
                      const char *directory, Volume *parent, atomic_bool *stop, Fail *why)
{
    AUTO_FREE char *path = memory_format("%s/%s", directory, request->id);
    unlink(path); // without metadata: left by a creation that was cut short
    int error = data_new(path, why);
    if (!error)
        error = request->format == VOLUME_RAW
                    ? data_make_raw(path, request, stop, why)
                    : data_make_cow(storage, domain, path, request, parent, stop, why);
    if (!error && chmod(path, VOLUME_MODE) < 0)
        error = storage_errno(why, VDSM_VOLUME_CREATION, errno, "%s can't be made writable", path);
    if (!error)
        error = lease_make(domain, path, request->id, why);
    if (!error && from_template(request))
        error = template_link(domain, directory, parent, why);
    else if (!error && parent && parent->metadata.role == VOLUME_LEAF) {
        parent->metadata.role = VOLUME_INTERNAL;
        error = volume_save(storage, domain, parent, why);
    }
    if (!error && request->add_bitmaps)
        error = volume_copy_bitmaps(storage, parent, path, why);
    return error ? error : metadata_make(storage, domain, path, request, why);
}

static int image_make(const char *directory, const char *image, Fail *why)
{
    if (mkdir(directory, 0755) < 0) {
        if (errno == EEXIST)
            return 0;
        return storage_errno(why, VDSM_IMAGE_PATH, errno, "The directory of image %s can't be made",
                             image);
    }
    chmod(directory, 0755);
    return 0;
}

int volume_create(Storage *storage, const StorageDomain *domain, const VolumeRequest *request,
                  atomic_bool *stop, Fail *why)
{
    AS_OWNER(&storage->owner);
    AUTO_VOLUME parent = {0};
    AUTO_FREE char *directory = storage_domain_image_path(domain, request->image);
    int error;
    if (volume_is_complete(storage, domain, request->image, request->id))
        return storage_fail(why, VDSM_VOLUME_EXISTS, "Volume %s is in image %s already",
                            request->id, request->image);
    if (has_parent(request) && (error = parent_open(storage, domain, request, &parent, why)))
        return error;
    if ((error = image_make(directory, request->image, why)))
        return error;
    error = files_make(storage, domain, request, directory, has_parent(request) ? &parent : NULL,
                       stop, why);
    return error;
}

bool volume_is_complete(Storage *storage, const StorageDomain *domain, const char *image,
                        const char *id)
{
    AS_OWNER(&storage->owner);
    AUTO_FREE char *directory = storage_domain_image_path(domain, image);
    AUTO_FREE char *meta = memory_format("%s/%s" META_SUFFIX, directory, id);
    return file_exists(meta);
}

int volume_undo(Storage *storage, const StorageDomain *domain, const VolumeRequest *request,
                bool complete, Fail *why)
{
    AS_OWNER(&storage->owner);
    AUTO_FREE char *directory = storage_domain_image_path(domain, request->image);
    AUTO_FREE char *path = memory_format("%s/%s", directory, request->id);
    AUTO_FREE char *lease = volume_lease_path(path), *meta = volume_meta_path(path);
    AUTO_FREE char *fresh = memory_format("%s.new", meta);
    if (file_exists(meta)) {
        if (!complete)
            return 0;
        int error =
            volume_delete(storage, domain, request->image, request->id, false, true, NULL, why);
        if (error)
            return error;
    }
    if ((unlink(path) < 0 && errno != ENOENT) || (unlink(lease) < 0 && errno != ENOENT) ||
        (unlink(fresh) < 0 && errno != ENOENT))
        return storage_errno(why, VDSM_VOLUME_UNLINK, errno, "%s can't be removed", path);
    if (has_parent(request) && !from_template(request))
        return volume_settle(storage, domain, request->image, request->parent, NULL, why);
    return image_drop_unused(storage, domain, request->image, why);
}
