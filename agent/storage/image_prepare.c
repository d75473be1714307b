// Making images usable on this host.
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/storage/image.h"
#include "agent/storage/storage_state.h"
#include "agent/storage/storage_link.h"
#include "agent/storage/volume_chain.h"
#include "base/file.h"
#include "base/log.h"

void volume_path_done(VolumePath *path)
{
    free(path->path);
    *path = (VolumePath){0};
}

static int link_make(Storage *storage, const StorageDomain *domain, const char *image, Fail *why)
{
    AUTO_FREE char *parent = memory_format("%s/%s", storage->links, domain->id);
    AUTO_FREE char *link = image_link_path(storage, domain->id, image);
    AUTO_FREE char *target = storage_domain_image_path(domain, image);
    int result = directory_make(parent, 0755);
    if (!result)
        result = link_point(link, target);
    if (result)
        return storage_errno(why, VDSM_IMAGE_PATH, result, "The link %s can't be made", link);
    return 0;
}

static void links_drop_unfinished(const char *directory)
{
    DIR *stream = opendir(directory);
    for (struct dirent *entry; stream && (entry = readdir(stream));)
        if (*entry->d_name != '.' && !uuid_valid(entry->d_name))
            unlinkat(dirfd(stream), entry->d_name, 0);
    if (stream)
        closedir(stream);
}

void storage_links_recover(Storage *storage)
{
    DIR *stream = opendir(storage->links);
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        AUTO_FREE char *directory = memory_format("%s/%s", storage->links, entry->d_name);
        if (uuid_valid(entry->d_name))
            links_drop_unfinished(directory);
    }
    if (stream)
        closedir(stream);
}

// Very old releases gave leaves no right for the group, which QEMU needs.
static void mode_fix(const char *path)
{
    struct stat info;
    if (stat(path, &info) < 0)
        return;
    mode_t wanted = (info.st_mode & 07777) | (info.st_mode & 0700) >> 3;
    if (wanted != (info.st_mode & 07777))
        chmod(path, wanted);
}

// A size in the metadata below the data's own would corrupt the next snapshot.
static int volume_make_ready(Storage *storage, const StorageDomain *domain, const char *image,
                             const char *id, VolumePath *ret, Fail *why)
{
    AUTO_VOLUME volume = {0};
    int64_t size = 0;
    int error = volume_open(storage, domain, image, id, &volume, why);
    if (error)
        return error;
    mode_fix(volume.path);
    bool own = !strcmp(volume.metadata.image, volume.image);
    if (own && volume.metadata.role != VOLUME_SHARED &&
        !volume_virtual_size(storage, &volume, &size, NULL) && size > volume.metadata.capacity) {
        log_notice("storage.capacity", LOG_ID("volume", volume.id),
                   "The metadata said %lld bytes, the data has %lld; corrected.",
                   (long long)volume.metadata.capacity, (long long)size);
        volume.metadata.capacity = size;
        error = volume_save(storage, domain, &volume, why);
    }
    *ret = (VolumePath){.path = TAKE(volume.path),
                        .qcow2 = volume.metadata.format == VOLUME_COW,
                        .capacity = volume.metadata.capacity,
                        .shared = volume.metadata.role == VOLUME_SHARED};
    return error;
}

static int prepare_chain(Storage *storage, const StorageDomain *domain, const char *image,
                         const Array *chain, VolumePath *ret, Fail *why)
{
    AS_OWNER(&storage->owner);
    for (size_t i = 0; i < chain->count; i++) {
        VolumePath path = {0};
        int error =
            volume_make_ready(storage, domain, image, chain->items[i], i ? &path : ret, why);
        volume_path_done(&path);
        if (error)
            return error;
    }
    return 0;
}

static int prepare_locked(Storage *storage, const char *domain_id, const char *image,
                          const char *volume, bool allow_illegal, VolumePath *ret, Fail *why)
{
    AUTO_DOMAIN domain = {0};
    AUTO_VOLUME_LIST list = {0};
    AUTO_ARRAY chain = {0};
    int error = storage_domain_open(storage, domain_id, &domain, why);
    if (!error)
        error = volume_list(storage, &domain, image, &list, why);
    if (error)
        return error;
    if (!volume || !*volume) {
        const VolumeEntry *leaf = volume_list_leaf(&list);
        if (!leaf)
            return storage_fail(why, VDSM_IMAGE_NOT_LEGAL_CHAIN, "Image %s has not just one leaf",
                                image);
        volume = leaf->id;
    }
    error = volume_chain(&list, image, volume, allow_illegal, &chain, why);
    if (!error)
        error = link_make(storage, &domain, image, why);
    return error ? error : prepare_chain(storage, &domain, image, &chain, ret, why);
}

int storage_prepare(Storage *storage, const char *domain, const char *image, const char *volume,
                    bool allow_illegal, VolumePath *ret, Fail *why)
{
    LockSet locks = {0};
    LockHolder *holder;
    VolumePath path = {0};
    if (!uuid_valid(domain) || !uuid_valid(image))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "\"%s\" is no domain id or \"%s\" no image id", domain, image);
    lock_set_domain(&locks, false, domain);
    lock_set_image(&locks, false, domain, image);
    int error = storage_lock(&storage->locks, &locks, "preparation of an image", LOCK_WAIT_MS,
                             &holder, why);
    if (error)
        return error;
    error = prepare_locked(storage, domain, image, volume, allow_illegal, &path, why);
    storage_unlock(&storage->locks, holder);
    if (error)
        volume_path_done(&path);
    else
        *ret = path;
    return error;
}

void storage_teardown(Storage *storage, const char *domain, const char *image, const char *volume)
{
    (void)volume;
    if (!uuid_valid(domain) || !uuid_valid(image))
        return;
    AUTO_FREE char *link = image_link_path(storage, domain, image);
    unlink(link);
}
