#include "agent/storage/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/storage/direct.h"
#include "agent/storage/qcow2_header.h"
#include "agent/storage/storage_state.h"
#include "base/file.h"

enum { META_READ_MAX = 64 * 1024 };

void volume_close(Volume *volume)
{
    free(volume->path);
    volume_metadata_done(&volume->metadata);
    *volume = (Volume){0};
}

char *volume_meta_path(const char *path)
{
    return memory_format("%s" META_SUFFIX, path);
}

char *volume_lease_path(const char *path)
{
    return memory_format("%s" LEASE_SUFFIX, path);
}

static int volume_read(const char *path, const char *id, VolumeMetadata *ret, Fail *why)
{
    AUTO_FREE char *meta = volume_meta_path(path);
    AUTO_FREE char *data = NULL;
    const char *problem = NULL;
    size_t length = 0;
    int result = direct_read(meta, META_READ_MAX, &data, &length);
    if (result == -ENOENT)
        return storage_fail(why, VDSM_VOLUME_DOES_NOT_EXIST, "There is no volume %s", id);
    if (result)
        return storage_errno(why, VDSM_VOLUME_METADATA_READ, result, "%s can't be read", meta);
    switch (volume_metadata_parse(data, length, ret, &problem)) {
    case VOLUME_METADATA_GOOD: return 0;
    case VOLUME_METADATA_CLEARED:
        return storage_fail(why, VDSM_METADATA_CLEARED, "Volume %s was removed", id);
    case VOLUME_METADATA_INVALID: break;
    }
    return storage_fail(why, VDSM_INVALID_METADATA, "The metadata of volume %s is not valid: %s",
                        id, problem);
}

static int volume_check_ids(const char *image, const char *id, Fail *why)
{
    if (!uuid_valid(image) || uuid_is_zero(image))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION, "\"%s\" is no image id", image);
    if (!uuid_valid(id) || uuid_is_zero(id))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION, "\"%s\" is no volume id", id);
    return 0;
}

int volume_open(Storage *storage, const StorageDomain *domain, const char *image, const char *id,
                Volume *ret, Fail *why)
{
    AS_OWNER(&storage->owner);
    AUTO_VOLUME volume = {0};
    struct stat info;
    int error = volume_check_ids(image, id, why);
    if (error)
        return error;
    memcpy(volume.id, id, UUID_SIZE);
    memcpy(volume.image, image, UUID_SIZE);
    uuid_lower(volume.id);
    uuid_lower(volume.image);
    AUTO_FREE char *directory = storage_domain_image_path(domain, volume.image);
    volume.path = memory_format("%s/%s", directory, volume.id);
    if (stat(directory, &info) < 0)
        return storage_errno(why, VDSM_IMAGE_PATH, errno, "Image %s is not in domain %s",
                             volume.image, domain->id);
    if (stat(volume.path, &info) < 0)
        return storage_errno(why, VDSM_VOLUME_DOES_NOT_EXIST, errno, "Volume %s is not in image %s",
                             volume.id, volume.image);
    error = volume_read(volume.path, volume.id, &volume.metadata, why);
    if (error)
        return error;
    *ret = volume;
    volume = (Volume){0};
    return 0;
}

int volume_check_own(const Volume *volume, Fail *why)
{
    if (!strcmp(volume->metadata.image, volume->image))
        return 0;
    return storage_fail(why, VDSM_VOLUME_OWNERSHIP,
                        "Volume %s belongs to image %s; image %s only uses it", volume->id,
                        volume->metadata.image, volume->image);
}

// ---- saving

static int link_replace(const char *from, const char *to)
{
    AUTO_FREE char *fresh = memory_format("%s.new", to);
    unlink(fresh);
    if (link(from, fresh) < 0)
        return -errno;
    return rename(fresh, to) < 0 ? -errno : 0;
}

// Renaming over the metadata of a template makes a new file; the other images still link to the
// old one.
static void volume_relink(const StorageDomain *domain, const Volume *volume, const char *meta,
                          ino_t old)
{
    AUTO_FREE char *images = memory_format("%s/images", domain->path);
    DIR *stream = opendir(images);
    if (!stream)
        return;
    for (struct dirent *entry; (entry = readdir(stream));) {
        struct stat info;
        if (!uuid_valid(entry->d_name))
            continue;
        AUTO_FREE char *other =
            memory_format("%s/%s/%s" META_SUFFIX, images, entry->d_name, volume->id);
        if (!stat(other, &info) && info.st_ino == old)
            link_replace(meta, other);
    }
    closedir(stream);
}

int volume_save(Storage *storage, const StorageDomain *domain, const Volume *volume, Fail *why)
{
    AS_OWNER(&storage->owner);
    AUTO_STRBUF text = {0};
    AUTO_FREE char *meta = volume_meta_path(volume->path);
    struct stat before = {0};
    if (volume_metadata_write(&volume->metadata, domain->version, &text)) {
        storage_fail(why, VDSM_METADATA_OVERFLOW,
                     "The metadata of volume %s would be longer than %d bytes", volume->id,
                     VOLUME_METADATA_SIZE);
        fail_hint(why, "Use a shorter description.");
        return VDSM_METADATA_OVERFLOW;
    }
    bool linked = !stat(meta, &before) && before.st_nlink > 1;
    int result = file_write_atomic(meta, text.data, text.length, METADATA_MODE);
    if (result)
        return storage_errno(why, VDSM_VOLUME_METADATA_WRITE, result, "%s can't be written", meta);
    if (linked)
        volume_relink(domain, volume, meta, before.st_ino);
    return 0;
}

// ---- sizes

int volume_sizes(Storage *storage, const Volume *volume, VolumeSizes *ret, Fail *why)
{
    AS_OWNER(&storage->owner);
    struct stat info;
    if (stat(volume->path, &info) < 0)
        return storage_errno(why, VDSM_VOLUME_ACCESS, errno, "The size of volume %s is unknown",
                             volume->id);
    *ret = (VolumeSizes){.apparent = info.st_size, .real = (int64_t)info.st_blocks * 512};
    return 0;
}

int volume_virtual_size(Storage *storage, const Volume *volume, int64_t *ret, Fail *why)
{
    AS_OWNER(&storage->owner);
    unsigned char data[QCOW2_HEADER_READ];
    VolumeSizes sizes;
    int error = volume_sizes(storage, volume, &sizes, why);
    if (error || volume->metadata.format == VOLUME_RAW) {
        *ret = error ? *ret : sizes.apparent;
        return error;
    }
    AUTO_CLOSE int fd = open(volume->path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : pread(fd, data, sizeof(data), 0);
    if (length < 0)
        return storage_errno(why, VDSM_VOLUME_ACCESS, errno, "Volume %s can't be read", volume->id);
    Qcow2Header header;
    if (!qcow2_header_parse(data, (size_t)length, &header))
        return storage_fail(why, VDSM_INCORRECT_FORMAT, "Volume %s has no qcow2 header",
                            volume->id);
    *ret = header.virtual_size;
    return 0;
}

// ---- lists

void volume_list_done(VolumeList *list)
{
    for (size_t i = 0; i < list->count; i++)
        volume_metadata_done(&list->entries[i].metadata);
    free(list->entries);
    *list = (VolumeList){0};
}

static int entry_order(const void *one, const void *other)
{
    return strcmp(((const VolumeEntry *)one)->id, ((const VolumeEntry *)other)->id);
}

// The volume's id when the name is that of a metadata file.
static bool meta_name(const char *name, char id[UUID_SIZE])
{
    size_t length = strlen(name);
    if (length != UUID_SIZE - 1 + strlen(META_SUFFIX) || strcmp(name + UUID_SIZE - 1, META_SUFFIX))
        return false;
    memcpy(id, name, UUID_SIZE - 1);
    id[UUID_SIZE - 1] = 0;
    return uuid_valid(id);
}

int volume_list(Storage *storage, const StorageDomain *domain, const char *image, VolumeList *ret,
                Fail *why)
{
    AS_OWNER(&storage->owner);
    AUTO_FREE char *directory = storage_domain_image_path(domain, image);
    VolumeList list = {0};
    DIR *stream = opendir(directory);
    if (!stream)
        return storage_errno(why, errno == ENOENT ? VDSM_IMAGE_DOES_NOT_EXIST : VDSM_IMAGE_PATH,
                             errno, "Image %s is not in domain %s", image, domain->id);
    for (struct dirent *item; (item = readdir(stream));) {
        VolumeEntry entry = {0};
        if (!meta_name(item->d_name, entry.id))
            continue;
        AUTO_FREE char *path = memory_format("%s/%s", directory, entry.id);
        entry.good = !volume_read(path, entry.id, &entry.metadata, NULL);
        list.entries = memory_resize(list.entries, list.count + 1, sizeof(VolumeEntry));
        list.entries[list.count++] = entry;
    }
    closedir(stream);
    if (list.count)
        qsort(list.entries, list.count, sizeof(VolumeEntry), entry_order);
    *ret = list;
    return 0;
}

const VolumeEntry *volume_list_find(const VolumeList *list, const char *id)
{
    for (size_t i = 0; i < list->count; i++)
        if (!strcasecmp(list->entries[i].id, id))
            return &list->entries[i];
    return NULL;
}

int volume_list_children(const VolumeList *list, const char *parent, const char *except)
{
    int count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const VolumeEntry *entry = &list->entries[i];
        count += entry->good && !strcmp(entry->metadata.parent, parent) &&
                 (!except || strcmp(entry->id, except));
    }
    return count;
}

const VolumeEntry *volume_list_leaf(const VolumeList *list)
{
    const VolumeEntry *leaf = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const VolumeEntry *entry = &list->entries[i];
        if (!entry->good || volume_list_children(list, entry->id, NULL))
            continue;
        if (leaf)
            return NULL;
        leaf = entry;
    }
    return leaf;
}
