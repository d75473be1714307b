#include "agent/storage/image.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/storage/storage_state.h"
#include "agent/storage/volume_chain.h"
#include "base/file.h"
#include "base/log.h"

enum { GARBAGE_AGE_S = 3600 };

static char *removed_path(const StorageDomain *domain, const char *image)
{
    return memory_format("%s/images/" REMOVED_PREFIX "%s", domain->path, image);
}

static int images_open(const StorageDomain *domain, DIR **ret, Fail *why)
{
    AUTO_FREE char *path = memory_format("%s/images", domain->path);
    *ret = opendir(path);
    if (!*ret)
        return storage_errno(why, VDSM_DOMAIN_ACCESS, errno, "%s can't be listed", path);
    return 0;
}

int image_list(Storage *storage, const StorageDomain *domain, Array *ret, Fail *why)
{
    AS_OWNER(&storage->owner);
    DIR *stream;
    int error = images_open(domain, &stream, why);
    if (error)
        return error;
    for (struct dirent *entry; (entry = readdir(stream));) {
        struct stat info;
        if (uuid_valid(entry->d_name) && !fstatat(dirfd(stream), entry->d_name, &info, 0) &&
            S_ISDIR(info.st_mode))
            array_add(ret, memory_string(entry->d_name));
    }
    closedir(stream);
    return 0;
}

int image_list_volumes(Storage *storage, const StorageDomain *domain, Array *ret, Fail *why)
{
    AUTO_ARRAY images = {0};
    Map seen = {0};
    int error = image_list(storage, domain, &images, why);
    for (size_t i = 0; i < images.count; i++) {
        AUTO_VOLUME_LIST list = {0};
        if (!error && !volume_list(storage, domain, images.items[i], &list, NULL))
            for (size_t k = 0; k < list.count; k++) {
                if (map_get(&seen, list.entries[k].id))
                    continue;
                char *id = memory_string(list.entries[k].id);
                array_add(ret, id);
                map_put(&seen, id, id);
            }
        free(images.items[i]);
    }
    map_done(&seen);
    return error;
}

// ---- removing

static bool linked_elsewhere(const StorageDomain *domain, const char *image, const char *volume)
{
    DIR *stream;
    bool found = false;
    if (images_open(domain, &stream, NULL))
        return false;
    for (struct dirent *entry; !found && (entry = readdir(stream));) {
        if (!uuid_valid(entry->d_name) || !strcmp(entry->d_name, image))
            continue;
        AUTO_FREE char *meta =
            memory_format("%s/images/%s/%s" META_SUFFIX, domain->path, entry->d_name, volume);
        found = file_exists(meta);
    }
    closedir(stream);
    return found;
}

int image_check_delete(Storage *storage, const StorageDomain *domain, const char *image, Fail *why)
{
    AS_OWNER(&storage->owner);
    AUTO_VOLUME_LIST list = {0};
    AUTO_FREE char *directory = storage_domain_image_path(domain, image);
    int error = volume_list(storage, domain, image, &list, why);
    for (size_t i = 0; !error && i < list.count; i++) {
        struct stat info;
        const VolumeEntry *entry = &list.entries[i];
        AUTO_FREE char *meta = memory_format("%s/%s" META_SUFFIX, directory, entry->id);
        bool own = !entry->good || !strcmp(entry->metadata.image, image);
        if (own && !stat(meta, &info) && info.st_nlink > 1 &&
            linked_elsewhere(domain, image, entry->id))
            return storage_fail(why, VDSM_CANNOT_DELETE_SHARED,
                                "Volume %s of image %s is the template of other images", entry->id,
                                image);
    }
    return error;
}

static int purge(const char *directory, bool wipe, atomic_bool *stop, Fail *why)
{
    DIR *stream = wipe ? opendir(directory) : NULL;
    int error = 0;
    for (struct dirent *entry; stream && !error && (entry = readdir(stream));) {
        AUTO_FREE char *path = memory_format("%s/%s", directory, entry->d_name);
        if (uuid_valid(entry->d_name))
            error = volume_wipe(path, stop, why);
    }
    if (stream)
        closedir(stream);
    if (error)
        return error;
    int result = directory_remove(directory);
    if (result)
        return storage_errno(why, VDSM_IMAGE_DELETE, result, "%s can't be removed", directory);
    return 0;
}

int image_delete(Storage *storage, const StorageDomain *domain, const char *image, bool wipe,
                 atomic_bool *stop, Fail *why)
{
    AUTO_FREE char *directory = storage_domain_image_path(domain, image);
    AUTO_FREE char *removed = removed_path(domain, image);
    AUTO_FREE char *link = image_link_path(storage, domain->id, image);
    unlink(link);
    AS_OWNER(&storage->owner);
    int error = file_exists(removed) ? purge(removed, wipe, stop, why) : 0;
    if (error || !file_exists(directory))
        return error;
    error = image_check_delete(storage, domain, image, why);
    if (error)
        return error;
    if (rename(directory, removed) < 0)
        return storage_errno(why, VDSM_IMAGE_DELETE, errno, "%s can't be renamed", directory);
    return purge(removed, wipe, stop, why);
}

// ---- what was left lying about

static bool is_old(const char *path)
{
    struct stat info;
    return !lstat(path, &info) && info.st_mtime < time(NULL) - GARBAGE_AGE_S;
}

// Data without metadata, or a file that is still called new.
static bool is_unfinished(const char *directory, const char *name)
{
    size_t length = strlen(name), end = strlen(FRESH_SUFFIX);
    AUTO_FREE char *meta = memory_format("%s/%s" META_SUFFIX, directory, name);
    if (uuid_valid(name))
        return !file_exists(meta);
    AUTO_FREE char *id = memory_bytes(name, length < UUID_SIZE ? 0 : UUID_SIZE - 1);
    return uuid_valid(id) && name[UUID_SIZE - 1] == '.' &&
           !strcmp(name + length - end, FRESH_SUFFIX);
}

static void collect_files(const char *directory)
{
    DIR *stream = opendir(directory);
    if (!stream)
        return;
    for (struct dirent *entry; (entry = readdir(stream));) {
        AUTO_FREE char *path = memory_format("%s/%s", directory, entry->d_name);
        AUTO_FREE char *lease = volume_lease_path(path);
        if (!is_unfinished(directory, entry->d_name) || !is_old(path))
            continue;
        log_notice("storage.garbage", LOG_NONE, "Removing %s: its creation was never completed.",
                   path);
        unlink(path);
        unlink(lease);
    }
    closedir(stream);
}

static void collect_one(Storage *storage, const StorageDomain *domain, const char *name)
{
    AUTO_FREE char *path = memory_format("%s/images/%s", domain->path, name);
    size_t length = strlen(name);
    bool removed = !strncmp(name, REMOVED_PREFIX, strlen(REMOVED_PREFIX));
    const char *image = removed && length >= UUID_SIZE - 1 ? name + length - (UUID_SIZE - 1) : name;
    LockSet locks = {0};
    if (!uuid_valid(image))
        return;
    lock_set_image(&locks, true, domain->id, image);
    LockHolder *holder = storage_lock_try(&storage->locks, &locks, "clean-up of an image", NULL);
    if (!holder)
        return; // whoever works on it cleans up
    if (removed) {
        log_notice("storage.garbage", LOG_NONE, "Removing %s: its removal was cut short.", path);
        directory_remove(path);
    } else {
        bool old = is_old(path); // before our own changes
        collect_files(path);
        if (old)
            image_drop_unused(storage, domain, image, NULL);
    }
    storage_unlock(&storage->locks, holder);
}

void image_collect_garbage(Storage *storage, const StorageDomain *domain)
{
    AS_OWNER(&storage->owner);
    DIR *stream;
    if (domain->class != DOMAIN_DATA || images_open(domain, &stream, NULL))
        return;
    for (struct dirent *entry; (entry = readdir(stream));)
        collect_one(storage, domain, entry->d_name);
    closedir(stream);
}

char *image_link_path(Storage *storage, const char *domain, const char *image)
{
    return memory_format("%s/%s/%s", storage->links, domain, image);
}
