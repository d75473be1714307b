#include "agent/storage/volume_chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/storage/qemu_image.h"
#include "agent/storage/storage_state.h"
#include "base/file.h"

int volume_settle(Storage *storage, const StorageDomain *domain, const char *image, const char *id,
                  const char *except, Fail *why)
{
    AUTO_VOLUME_LIST list = {0};
    AUTO_VOLUME volume = {0};
    int error = volume_list(storage, domain, image, &list, why);
    if (error)
        return error;
    const VolumeEntry *entry = volume_list_find(&list, id);
    if (!entry || !entry->good || entry->metadata.role == VOLUME_SHARED)
        return 0;
    VolumeRole role =
        volume_list_children(&list, entry->id, except) ? VOLUME_INTERNAL : VOLUME_LEAF;
    if (role == entry->metadata.role)
        return 0;
    error = volume_open(storage, domain, image, id, &volume, why);
    if (error)
        return error;
    volume.metadata.role = role;
    return volume_save(storage, domain, &volume, why);
}

int image_drop_unused(Storage *storage, const StorageDomain *domain, const char *image, Fail *why)
{
    AS_OWNER(&storage->owner);
    AUTO_VOLUME_LIST list = {0};
    AUTO_FREE char *directory = storage_domain_image_path(domain, image);
    if (!file_exists(directory))
        return 0;
    int error = volume_list(storage, domain, image, &list, why);
    if (error)
        return error;
    for (size_t i = 0; i < list.count; i++)
        if (!list.entries[i].good || !strcmp(list.entries[i].metadata.image, image))
            return 0;
    int result = directory_remove(directory);
    if (result)
        return storage_errno(why, VDSM_IMAGE_DELETE, result, "%s can't be removed", directory);
    return 0;
}

static int bitmaps_of(Storage *storage, Arena *arena, const Volume *parent, const Json **ret,
                      Fail *why)
{
    const Json *info = NULL;
    int error = qemu_image_info(&storage->owner, arena, parent->path, "qcow2", false, &info, why);
    if (!error)
        *ret = json_get(json_get(json_get(info, "format-specific"), "data"), "bitmaps");
    return error;
}

static bool bitmap_usable(const Json *bitmap)
{
    JSON_EACH(json_get(bitmap, "flags"), flag) {
        const char *text = json_string(flag);
        if (text && !strcmp(text, "in-use"))
            return false;
    }
    return json_get_string(bitmap, "name") != NULL;
}

int volume_copy_bitmaps(Storage *storage, const Volume *parent, const char *path, Fail *why)
{
    AUTO_ARENA arena = {0};
    const Json *bitmaps = NULL;
    arena_init(&arena, 4096);
    int error = bitmaps_of(storage, &arena, parent, &bitmaps, why);
    JSON_EACH(bitmaps, bitmap) {
        if (error)
            break;
        if (bitmap_usable(bitmap))
            error =
                qemu_image_add_bitmap(&storage->owner, path, json_get_string(bitmap, "name"), why);
    }
    return error;
}

int volume_chain(const VolumeList *list, const char *image, const char *id, bool allow_illegal,
                 Array *ret, Fail *why)
{
    const char *at = id;
    while (!uuid_is_zero(at)) {
        const VolumeEntry *entry = volume_list_find(list, at);
        if (!entry)
            return storage_fail(why, VDSM_VOLUME_DOES_NOT_EXIST, "Volume %s is not in image %s", at,
                                image);
        if (!entry->good)
            return storage_fail(why, VDSM_INVALID_METADATA,
                                "The metadata of volume %s in image %s is not valid", at, image);
        if (entry->metadata.legality == VOLUME_ILLEGAL && !allow_illegal) {
            storage_fail(why, VDSM_PREPARE_ILLEGAL_VOLUME, "Volume %s in image %s is illegal", at,
                         image);
            fail_hint(why, "An operation on it failed or is under way; finish or undo that.");
            return VDSM_PREPARE_ILLEGAL_VOLUME;
        }
        if (ret->count > list->count)
            return storage_fail(why, VDSM_IMAGE_NOT_LEGAL_CHAIN,
                                "The volumes of image %s go round in a circle", image);
        array_add(ret, (void *)entry->id);
        at = entry->metadata.parent;
    }
    return 0;
}
