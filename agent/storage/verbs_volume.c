// Verbs on volumes.
#include <stdlib.h>
#include <string.h>

#include "agent/storage/qemu_image.h"
#include "agent/storage/verb_answer.h"
#include "agent/storage/volume.h"
#include "agent/storage/volume_request.h"

static int call_open_volume(Call *call, StorageDomain *domain, Volume *volume, Fail *why)
{
    Storage *storage = call_storage(call);
    int error = storage_domain_open(storage, call_string(call, "storagedomainID"), domain, why);
    if (error)
        return error;
    return volume_open(storage, domain, call_string(call, "imageID"), call_string(call, "volumeID"),
                       volume, why);
}

// ---- tasks

void volume_create_verb(Call *call)
{
    AUTO_FAIL why = {0};
    AUTO_DOMAIN domain = {0};
    VolumeRequest request;
    if (!call_require_pool(call, true) || !call_open_domain(call, "storagedomainID", &domain))
        return;
    int error = volume_request_parse(call_params(call), &request, &why);
    if (!error)
        error = volume_request_check(&request, domain.version, &why);
    if (error)
        call_fail_why(call, (VdsmError)error, &why);
    else
        answer_task(call, "createVolume", true);
}

void volume_extend_size(Call *call)
{
    if (call_integer(call, "newSize", -1) <= 0)
        call_fail(call, VDSM_VOLUME_RESIZE_VALUE, "newSize is no size");
    else
        answer_task(call, "extendVolumeSize", true);
}

void volume_delete_verb(Call *call)
{
    answer_task(call, "deleteVolume", true);
}

// ---- what it is

static void lease_write(const StorageDomain *domain, const Volume *volume, JsonWriter *writer)
{
    AUTO_FREE char *path = volume_lease_path(volume->path);
    if (!domain->leases)
        return;
    json_key(writer, "lease");
    json_open(writer, '{');
    json_add_string(writer, "path", path);
    json_add_integer(writer, "offset", 0);
    json_key(writer, "owners");
    json_open(writer, '[');
    json_close(writer, ']');
    json_close(writer, '}');
}

// Old managers read "type", the schema has "allocType".
static void volume_info_write(const StorageDomain *domain, const Volume *volume,
                              const VolumeSizes *sizes, JsonWriter *writer)
{
    const VolumeMetadata *metadata = &volume->metadata;
    const char *allocation = volume_allocation_name(metadata->allocation);
    json_open(writer, '{');
    json_add_string(writer, "uuid", volume->id);
    json_add_string(writer, "type", allocation);
    json_add_string(writer, "allocType", allocation);
    json_add_string(writer, "format", volume_format_name(metadata->format));
    json_add_string(writer, "disktype", metadata->disk_type);
    json_add_string(writer, "voltype", volume_role_name(metadata->role));
    json_add_integer(writer, "capacity", metadata->capacity);
    json_add_string(writer, "parent", metadata->parent);
    json_add_string(writer, "description", metadata->description);
    json_add_string(writer, "pool", "");
    json_add_string(writer, "domain", metadata->domain);
    json_add_string(writer, "image", metadata->image);
    json_add_integer(writer, "ctime", metadata->created);
    json_add_integer(writer, "mtime", 0);
    json_add_string(writer, "legality", volume_legality_name(metadata->legality));
    json_add_integer(writer, "generation", metadata->generation);
    json_add_integer(writer, "sequence", metadata->sequence);
    json_add_integer(writer, "apparentsize", sizes->apparent);
    json_add_integer(writer, "truesize", sizes->real);
    json_add_string(writer, "status", metadata->legality == VOLUME_ILLEGAL ? "ILLEGAL" : "OK");
    json_key(writer, "children");
    json_open(writer, '[');
    json_close(writer, ']');
    lease_write(domain, volume, writer);
    json_close(writer, '}');
}

// A volume that is there but has unreadable metadata is shown as such, not refused.
static void volume_invalid_write(Call *call, JsonWriter *writer)
{
    json_open(writer, '{');
    json_add_string(writer, "uuid", call_string(call, "volumeID"));
    json_add_string(writer, "image", call_string(call, "imageID"));
    json_add_string(writer, "domain", call_string(call, "storagedomainID"));
    json_add_string(writer, "parent", UUID_ZERO);
    json_add_string(writer, "description", "");
    json_add_integer(writer, "apparentsize", 0);
    json_add_integer(writer, "truesize", 0);
    json_add_string(writer, "status", "INVALID");
    json_key(writer, "children");
    json_open(writer, '[');
    json_close(writer, ']');
    json_close(writer, '}');
}

void volume_get_info(Call *call)
{
    AUTO_FAIL why = {0};
    AUTO_DOMAIN domain = {0};
    AUTO_VOLUME volume = {0};
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    VolumeSizes sizes = {0};
    int error = call_open_volume(call, &domain, &volume, &why);
    if (error == VDSM_INVALID_METADATA || error == VDSM_METADATA_CLEARED) {
        volume_invalid_write(call, &writer);
        call_reply(call, &json);
        return;
    }
    if (!error)
        error = volume_sizes(call_storage(call), &volume, &sizes, &why);
    if (!error)
        volume_info_write(&domain, &volume, &sizes, &writer);
    answer_json(call, error, &why, &json);
}

void volume_get_size(Call *call)
{
    AUTO_FAIL why = {0};
    AUTO_DOMAIN domain = {0};
    AUTO_VOLUME volume = {0};
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    VolumeSizes sizes = {0};
    int error = call_open_volume(call, &domain, &volume, &why);
    if (!error)
        error = volume_sizes(call_storage(call), &volume, &sizes, &why);
    json_open(&writer, '{');
    json_add_integer(&writer, "apparentsize", sizes.apparent);
    json_add_integer(&writer, "truesize", sizes.real);
    json_close(&writer, '}');
    answer_json(call, error, &why, &json);
}

static void qemu_bitmaps_write(const Json *bitmaps, JsonWriter *writer)
{
    json_key(writer, "bitmaps");
    json_open(writer, '[');
    JSON_EACH(bitmaps, bitmap) {
        json_open(writer, '{');
        json_add_string(writer, "name", json_get_string(bitmap, "name"));
        json_add_integer(writer, "granularity", json_get_integer(bitmap, "granularity", 0));
        json_key(writer, "flags");
        json_put(writer, json_get(bitmap, "flags"));
        json_close(writer, '}');
    }
    json_close(writer, ']');
}

static void qemu_info_write(const Json *info, JsonWriter *writer)
{
    const Json *data = json_get(json_get(info, "format-specific"), "data");
    const char *backing = json_get_string(info, "backing-filename");
    const char *compat = json_get_string(data, "compat");
    int64_t cluster = json_get_integer(info, "cluster-size", 0);
    json_open(writer, '{');
    json_add_integer(writer, "virtualsize", json_get_integer(info, "virtual-size", 0));
    json_add_string(writer, "format", json_get_string(info, "format"));
    if (cluster)
        json_add_integer(writer, "clustersize", cluster);
    if (backing)
        json_add_string(writer, "backingfile", backing);
    if (compat)
        json_add_string(writer, "compat", compat);
    if (json_get(data, "bitmaps"))
        qemu_bitmaps_write(json_get(data, "bitmaps"), writer);
    json_close(writer, '}');
}

void volume_get_qemu_image_info(Call *call)
{
    AUTO_FAIL why = {0};
    AUTO_DOMAIN domain = {0};
    AUTO_VOLUME volume = {0};
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    const Json *info = NULL;
    int error = call_open_volume(call, &domain, &volume, &why);
    if (!error)
        error = qemu_image_info(&call_storage(call)->owner, call_arena(call), volume.path,
                                volume_format_qemu(volume.metadata.format), false, &info, &why);
    if (!error)
        qemu_info_write(info, &writer);
    answer_json(call, error, &why, &json);
}

// ---- measure

static int measure_base(Call *call, const StorageDomain *domain, const Volume *volume,
                        const char *base, Volume *ret, Fail *why)
{
    if (!volume_metadata_has_parent(&volume->metadata))
        return storage_fail(why, VDSM_UNSUPPORTED_OPERATION,
                            "Volume %s has no parent to measure down to", volume->id);
    if (strcmp(volume->metadata.parent, base))
        return storage_fail(why, VDSM_UNSUPPORTED_OPERATION,
                            "The parent of volume %s is %s, not %s", volume->id,
                            volume->metadata.parent, base);
    return volume_open(call_storage(call), domain, volume->image, base, ret, why);
}

void volume_measure(Call *call)
{
    AUTO_FAIL why = {0};
    AUTO_DOMAIN domain = {0};
    AUTO_VOLUME volume = {0}, base = {0};
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    const Json *result = NULL;
    const char *base_id = call_string(call, "baseID");
    bool backing = call_bool(call, "backing_chain", true);
    int format = json_word(call_json(call, "dstVolFormat"), volume_format_from_text);
    int error = format < 0 ? storage_fail(&why, VDSM_INCORRECT_FORMAT, "Unknown dstVolFormat")
                           : call_open_volume(call, &domain, &volume, &why);
    if (!error && backing && base_id)
        error = measure_base(call, &domain, &volume, base_id, &base, &why);
    if (!error)
        error = qemu_image_measure(&call_storage(call)->owner, call_arena(call), volume.path,
                                   volume.metadata.format, (VolumeFormat)format, backing, base.path,
                                   base.metadata.format, &result, &why);
    if (!error)
        json_put(&writer, result);
    answer_json(call, error, &why, &json);
}

// ---- verify_untrusted

static int verify_size(const Volume *volume, const Json *info, Fail *why)
{
    int64_t size = json_get_integer(info, "virtual-size", INT64_MAX);
    if (size <= volume->metadata.capacity)
        return 0;
    return storage_fail(why, VDSM_IMAGE_VERIFICATION,
                        "The image has %lld bytes, volume %s only %lld", (long long)size,
                        volume->id, (long long)volume->metadata.capacity);
}

static int verify_info(const Volume *volume, const Json *info, Fail *why)
{
    const char *wanted = volume_format_qemu(volume->metadata.format);
    const char *format = json_get_string(info, "format");
    const char *backing = json_get_string(info, "backing-filename");
    const char *compat =
        json_get_string(json_get(json_get(info, "format-specific"), "data"), "compat");
    if (!format || strcmp(format, wanted))
        return storage_fail(why, VDSM_IMAGE_VERIFICATION,
                            "The image has format %s, volume %s has %s", format ? format : "?",
                            volume->id, wanted);
    if (strcmp(backing ? backing : UUID_ZERO, volume->metadata.parent))
        return storage_fail(why, VDSM_IMAGE_VERIFICATION,
                            "The image builds on \"%s\", volume %s on %s", backing ? backing : "",
                            volume->id, volume->metadata.parent);
    if (!strcmp(format, "qcow2") && (!compat || (strcmp(compat, "1.1") && strcmp(compat, "0.10"))))
        return storage_fail(why, VDSM_IMAGE_VERIFICATION, "The image has qcow2 version %s",
                            compat ? compat : "?");
    // A reference to another file would make this host read whatever a guest's owner names.
    if (json_get_string(json_get(json_get(info, "format-specific"), "data"), "data-file"))
        return storage_fail(why, VDSM_IMAGE_VERIFICATION,
                            "The image keeps its data in another file");
    return verify_size(volume, info, why);
}

void volume_verify_untrusted(Call *call)
{
    AUTO_FAIL why = {0};
    AUTO_DOMAIN domain = {0};
    AUTO_VOLUME volume = {0};
    const Json *info = NULL;
    int error = call_open_volume(call, &domain, &volume, &why);
    if (!error && qemu_image_info(&call_storage(call)->owner, call_arena(call), volume.path, NULL,
                                  true, &info, &why))
        error = VDSM_IMAGE_VERIFICATION;
    if (!error)
        error = verify_info(&volume, info, &why);
    answer(call, error, &why);
}

// ---- changes at once

typedef int VolumeChange(Volume *volume, const void *argument, Fail *why);

static int volume_change(Storage *storage, const char *domain_id, const char *image, const char *id,
                         VolumeChange *change, const void *argument, Fail *why)
{
    AUTO_DOMAIN domain = {0};
    AUTO_VOLUME volume = {0};
    LockSet locks = {0};
    LockHolder *holder;
    lock_set_domain(&locks, false, domain_id);
    lock_set_image(&locks, true, domain_id, image);
    int error = storage_lock(&storage->locks, &locks, "change of a volume's metadata", LOCK_WAIT_MS,
                             &holder, why);
    if (error)
        return error;
    error = storage_domain_open(storage, domain_id, &domain, why);
    if (!error)
        error = volume_open(storage, &domain, image, id, &volume, why);
    if (!error)
        error = volume_check_own(&volume, why);
    if (!error)
        error = change(&volume, argument, why);
    if (!error)
        error = volume_save(storage, &domain, &volume, why);
    storage_unlock(&storage->locks, holder);
    return error;
}

static void volume_change_answer(Call *call, VolumeChange *change, const char *argument)
{
    AUTO_FAIL why = {0};
    if (!call_require_pool(call, true))
        return;
    answer(call,
           volume_change(call_storage(call), call_string(call, "storagedomainID"),
                         call_string(call, "imageID"), call_string(call, "volumeID"), change,
                         argument, &why),
           &why);
}

static int describe(Volume *volume, const void *argument, Fail *why)
{
    if (!volume_metadata_describe(&volume->metadata, argument))
        return 0;
    return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                        "The description of volume %s has line breaks or is no text", volume->id);
}

void volume_set_description(Call *call)
{
    volume_change_answer(call, describe, call_string(call, "description"));
}

static int set_legality(Volume *volume, const void *argument, Fail *why)
{
    int legality = volume_legality_from_text(argument);
    if (legality < 0)
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION, "There is no legality \"%s\"",
                            (const char *)argument);
    volume->metadata.legality = (VolumeLegality)legality;
    return 0;
}

void volume_set_legality(Call *call)
{
    volume_change_answer(call, set_legality, call_string(call, "legality"));
}

// Files have nothing to refresh; the volume must be there.
void volume_refresh(Call *call)
{
    AUTO_FAIL why = {0};
    AUTO_DOMAIN domain = {0};
    AUTO_VOLUME volume = {0};
    answer(call, call_open_volume(call, &domain, &volume, &why), &why);
}
