// Growing and removing volumes.
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

// ---- growing

static int raw_extend(const Volume *volume, int64_t capacity, int64_t now, atomic_bool *stop,
                      Fail *why)
{
    if (volume->metadata.allocation == VOLUME_PREALLOCATED)
        return volume_allocate(volume->path, now, capacity, stop, why);
    AUTO_CLOSE int fd = open(volume->path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || ftruncate(fd, capacity) < 0 || fsync(fd) < 0)
        return storage_errno(why, VDSM_VOLUME_EXTENDING, errno, "Volume %s can't be extended",
                             volume->id);
    return 0;
}

// A volume that a running VM writes is grown by the VM itself, so *ret_done stays false.
static int cow_extend(Storage *storage, const Volume *volume, int64_t capacity, bool *ret_done,
                      Fail *why)
{
    AUTO_FAIL own = {0};
    int64_t size = 0;
    int error = volume_virtual_size(storage, volume, &size, why);
    if (error)
        return error;
    if (capacity < size)
        return storage_fail(why, VDSM_VOLUME_RESIZE_VALUE,
                            "Volume %s has %lld bytes, more than %lld", volume->id, (long long)size,
                            (long long)capacity);
    error = capacity == size ? 0 : qemu_image_resize(&storage->owner, volume->path, capacity, &own);
    if (error && own.detail && strstr(own.detail, "lock"))
        return 0;
    if (error) {
        fail_move(why, &own);
        return VDSM_VOLUME_EXTENDING;
    }
    *ret_done = true;
    return 0;
}

static int extend_check(const Volume *volume, Fail *why)
{
    const VolumeMetadata *metadata = &volume->metadata;
    int error = volume_check_own(volume, why);
    if (error)
        return error;
    if (metadata->role == VOLUME_SHARED ||
        (metadata->role == VOLUME_INTERNAL &&
         (metadata->format == VOLUME_COW || volume_metadata_has_parent(metadata))))
        return storage_fail(why, VDSM_VOLUME_NOT_WRITABLE,
                            "Volume %s has volumes on top of it and can't be extended", volume->id);
    return 0;
}

static int extend_raw_checked(Storage *storage, const Volume *volume, int64_t capacity,
                              atomic_bool *stop, Fail *why)
{
    VolumeSizes sizes;
    int error = volume_sizes(storage, volume, &sizes, why);
    if (error || capacity == sizes.apparent)
        return error;
    if (capacity < sizes.apparent)
        return storage_fail(why, VDSM_VOLUME_RESIZE_VALUE,
                            "Volume %s has %lld bytes, more than %lld", volume->id,
                            (long long)sizes.apparent, (long long)capacity);
    return raw_extend(volume, capacity, sizes.apparent, stop, why);
}

int volume_extend(Storage *storage, const StorageDomain *domain, const char *image, const char *id,
                  int64_t capacity, atomic_bool *stop, Fail *why)
{
    AS_OWNER(&storage->owner);
    AUTO_VOLUME volume = {0};
    bool done = true;
    int error = volume_open(storage, domain, image, id, &volume, why);
    if (!error)
        error = extend_check(&volume, why);
    if (error)
        return error;
    capacity = size_round_up(capacity, CAPACITY_STEP);
    if (volume.metadata.format == VOLUME_COW) {
        done = false;
        error = cow_extend(storage, &volume, capacity, &done, why);
    } else
        error = extend_raw_checked(storage, &volume, capacity, stop, why);
    if (error || !done || volume.metadata.capacity == capacity)
        return error;
    volume.metadata.capacity = capacity;
    return volume_save(storage, domain, &volume, why);
}

// ---- removing

static int delete_check(const Volume *volume, const VolumeList *list, Fail *why)
{
    if (volume->metadata.role == VOLUME_SHARED)
        return storage_fail(why, VDSM_CANNOT_DELETE_SHARED, "Volume %s is a template's",
                            volume->id);
    if (volume_list_children(list, volume->id, NULL))
        return storage_fail(why, VDSM_VOLUME_HAS_CHILDREN, "Other volumes build on volume %s",
                            volume->id);
    return 0;
}

// The metadata goes last: as long as it is there the removal can be repeated.
static int delete_files(const Volume *volume, bool wipe, atomic_bool *stop, Fail *why)
{
    AUTO_FREE char *lease = volume_lease_path(volume->path), *meta = volume_meta_path(volume->path);
    int error = wipe ? volume_wipe(volume->path, stop, why) : 0;
    if (error)
        return error;
    if ((unlink(volume->path) < 0 && errno != ENOENT) || (unlink(lease) < 0 && errno != ENOENT) ||
        (unlink(meta) < 0 && errno != ENOENT))
        return storage_errno(why, VDSM_VOLUME_UNLINK, errno, "Volume %s can't be removed",
                             volume->id);
    return 0;
}

// With metadata that can't be read there is nothing to check and no parent to tell.
static int delete_broken(const StorageDomain *domain, const char *image, const char *id, bool wipe,
                         atomic_bool *stop, Fail *why)
{
    AUTO_FREE char *directory = storage_domain_image_path(domain, image);
    AUTO_VOLUME volume = {.path = memory_format("%s/%s", directory, id)};
    memcpy(volume.id, id, UUID_SIZE);
    return delete_files(&volume, wipe, stop, why);
}

static int delete_mark(Storage *storage, const StorageDomain *domain, Volume *volume, Fail *why)
{
    if (volume->metadata.legality == VOLUME_ILLEGAL ||
        strcmp(volume->metadata.image, volume->image))
        return 0;
    volume->metadata.legality = VOLUME_ILLEGAL;
    return volume_save(storage, domain, volume, why);
}

int volume_delete(Storage *storage, const StorageDomain *domain, const char *image, const char *id,
                  bool wipe, bool force, atomic_bool *stop, Fail *why)
{
    AS_OWNER(&storage->owner);
    AUTO_VOLUME volume = {0};
    AUTO_VOLUME_LIST list = {0};
    AUTO_FAIL own = {0};
    int error = volume_list(storage, domain, image, &list, why);
    if (error)
        return error;
    const VolumeEntry *entry = volume_list_find(&list, id);
    if (entry && !entry->good)
        return delete_broken(domain, image, entry->id, wipe, stop, why);
    error = volume_open(storage, domain, image, id, &volume, &own);
    if (error == VDSM_VOLUME_DOES_NOT_EXIST && entry) // only the data is gone: an earlier try
        return delete_broken(domain, image, entry->id, false, stop, why)
                   ?: volume_settle(storage, domain, image, entry->metadata.parent, NULL, why);
    if (error) {
        fail_move(why, &own);
        return error;
    }
    if (!force && (error = delete_check(&volume, &list, why)))
        return error;
    error = delete_mark(storage, domain, &volume, why);
    if (!error && volume_metadata_has_parent(&volume.metadata))
        error = volume_settle(storage, domain, image, volume.metadata.parent, volume.id, why);
    return error ? error : delete_files(&volume, wipe, stop, why);
}
