// The kinds of jobs. To add one: 1. its functions, 2. a row in kind_rows, 3. the verb that adds it.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/storage/qemu_image.h"
#include "agent/storage/storage_state.h"
#include "agent/storage/volume.h"
#include "agent/storage/volume_chain.h"

static const char *text(const Json *object, const char *name)
{
    const char *value = json_get_string(object, name);
    return value ? value : "";
}

static int check_volume(const Json *endpoint, const char *name, Fail *why)
{
    if (!endpoint || endpoint->kind != JSON_OBJECT)
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION, "%s is missing", name);
    if (uuid_valid(text(endpoint, "sd_id")) && uuid_valid(text(endpoint, "img_id")) &&
        uuid_valid(text(endpoint, "vol_id")))
        return 0;
    return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                        "%s needs the UUIDs sd_id, img_id and vol_id", name);
}

static int open_volume(const JobRun *run, const Json *endpoint, StorageDomain *domain,
                       Volume *volume, Fail *why)
{
    int error = storage_domain_open(run->storage, text(endpoint, "sd_id"), domain, why);
    if (error)
        return error;
    return volume_open(run->storage, domain, text(endpoint, "img_id"), text(endpoint, "vol_id"),
                       volume, why);
}

// Each finished job raises the generation, so a job that was given up for lost and is done again
// elsewhere can't come after its successor.
static int check_generation(const Json *endpoint, const Volume *volume, Fail *why)
{
    int64_t wanted = json_get_integer(endpoint, "generation", -1);
    if (wanted < 0 || wanted == volume->metadata.generation)
        return 0;
    return storage_fail(why, VDSM_GENERATION_MISMATCH,
                        "Volume %s has generation %d, the job is for %lld", volume->id,
                        volume->metadata.generation, (long long)wanted);
}

static void lock_volume(const Json *endpoint, bool exclusive, LockSet *locks)
{
    lock_set_domain(locks, false, text(endpoint, "sd_id"));
    lock_set_image(locks, exclusive, text(endpoint, "sd_id"), text(endpoint, "img_id"));
}

// ---- copy_data

static int copy_check(const Json *parameters, Fail *why)
{
    static const char *const names[] = {"source", "destination"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const Json *endpoint = json_get(parameters, names[i]);
        const char *type = text(endpoint, "endpoint_type");
        if (endpoint && *type && strcmp(type, "div"))
            return storage_fail(why, VDSM_UNSUPPORTED_OPERATION,
                                "This host copies volumes of its domains only, not a %s of type %s",
                                names[i], type);
        int error = check_volume(endpoint, names[i], why);
        if (error)
            return error;
    }
    return 0;
}

static void copy_locks(const Json *parameters, LockSet *locks)
{
    lock_volume(json_get(parameters, "source"), false, locks);
    lock_volume(json_get(parameters, "destination"), true, locks);
}

typedef struct CopySide {
    StorageDomain domain;
    Volume volume;
} CopySide;

static void copy_side_done(CopySide *side)
{
    storage_domain_close(&side->domain);
    volume_close(&side->volume);
}
#define AUTO_SIDE __attribute__((cleanup(copy_side_done))) CopySide

static int copy_check_source(const JobRun *run, const CopySide *source, Fail *why)
{
    AUTO_VOLUME_LIST list = {0};
    AUTO_ARRAY chain = {0};
    int error = volume_list(run->storage, &source->domain, source->volume.image, &list, why);
    if (error)
        return error;
    return volume_chain(&list, source->volume.image, source->volume.id, false, &chain, why);
}

static int copy_check_target(const JobRun *run, const CopySide *source, const CopySide *target,
                             Fail *why)
{
    bool bitmaps = json_get_bool(run->parameters, "copy_bitmaps", false);
    int error = volume_check_own(&target->volume, why);
    if (!error)
        error = check_generation(json_get(run->parameters, "destination"), &target->volume, why);
    if (error)
        return error;
    if (target->volume.metadata.role == VOLUME_SHARED)
        return storage_fail(why, VDSM_SHARED_NOT_WRITABLE, "Volume %s is a template's",
                            target->volume.id);
    if (bitmaps && (source->volume.metadata.format == VOLUME_RAW ||
                    target->volume.metadata.format == VOLUME_RAW))
        return storage_fail(why, VDSM_UNSUPPORTED_OPERATION, "Raw volumes have no bitmaps to copy");
    return 0;
}

// Only the first block of a new raw volume holds data; anything else was written by somebody.
static bool reads_as_zeros(Storage *storage, const Volume *volume)
{
    AS_OWNER(&storage->owner);
    AUTO_CLOSE int fd = open(volume->path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && lseek(fd, CAPACITY_STEP, SEEK_DATA) < 0 && errno == ENXIO;
}

static int copy_backing(const JobRun *run, const CopySide *target, QemuCopy *copy,
                        Volume *ret_parent, Fail *why)
{
    if (!volume_metadata_has_parent(&target->volume.metadata))
        return 0;
    int error = volume_open(run->storage, &target->domain, target->volume.image,
                            target->volume.metadata.parent, ret_parent, why);
    if (error)
        return error;
    copy->backing = ret_parent->path;
    copy->backing_format = ret_parent->metadata.format;
    return 0;
}

static int copy_data(const JobRun *run, const CopySide *source, const CopySide *target, Fail *why)
{
    AUTO_VOLUME parent = {0};
    const VolumeMetadata *to = &target->volume.metadata;
    QemuProgress progress = {run->stop, run->percent};
    QemuCopy copy = {
        .source = source->volume.path,
        .target = target->volume.path,
        .source_format = source->volume.metadata.format,
        .target_format = to->format,
        .create = to->format == VOLUME_RAW ? to->allocation == VOLUME_SPARSE
                                           : !volume_metadata_has_parent(to),
        .bitmaps = json_get_bool(run->parameters, "copy_bitmaps", false),
    };
    int error = copy_backing(run, target, &copy, &parent, why);
    if (error)
        return error;
    copy.target_is_zero = !copy.create && reads_as_zeros(run->storage, &target->volume);
    return qemu_image_copy(&run->storage->owner, &copy, &progress, why);
}

// Illegal while the content is neither the old nor the new; legal and a generation further at once.
static int copy_run(const JobRun *run, Fail *why)
{
    AUTO_SIDE source = {0}, target = {0};
    Volume *to = &target.volume;
    int error =
        open_volume(run, json_get(run->parameters, "source"), &source.domain, &source.volume, why);
    if (!error)
        error = open_volume(run, json_get(run->parameters, "destination"), &target.domain, to, why);
    if (!error)
        error = copy_check_source(run, &source, why);
    if (!error)
        error = copy_check_target(run, &source, &target, why);
    if (error)
        return error;
    to->metadata.legality = VOLUME_ILLEGAL;
    error = volume_save(run->storage, &target.domain, to, why);
    if (!error)
        error = copy_data(run, &source, &target, why);
    if (error)
        return error;
    to->metadata.legality = VOLUME_LEGAL;
    to->metadata.generation = generation_next(to->metadata.generation);
    return volume_save(run->storage, &target.domain, to, why);
}

// ---- update_volume

static int update_check(const Json *parameters, Fail *why)
{
    const Json *attributes = json_get(parameters, "vol_attr");
    const char *role = json_get_string(attributes, "type");
    const char *legality = json_get_string(attributes, "legality");
    int64_t generation = json_get_integer(attributes, "generation", 0);
    int error = check_volume(json_get(parameters, "vol_info"), "vol_info", why);
    if (error)
        return error;
    if (!json_get(attributes, "description") && !json_get(attributes, "generation") && !role &&
        !legality)
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION, "There is nothing to change");
    if (role && strcmp(role, "SHARED"))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "A volume can be made SHARED, not %s", role);
    if (legality && strcmp(legality, "LEGAL") && strcmp(legality, "ILLEGAL"))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "A volume can be LEGAL or ILLEGAL, not %s", legality);
    if (generation < 0 || generation > GENERATION_MAX)
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "A generation is from 0 to %d, not %lld", GENERATION_MAX,
                            (long long)generation);
    return 0;
}

static void update_locks(const Json *parameters, LockSet *locks)
{
    lock_volume(json_get(parameters, "vol_info"), true, locks);
}

static int update_apply(Volume *volume, const Json *attributes, Fail *why)
{
    VolumeMetadata *metadata = &volume->metadata;
    const char *legality = json_get_string(attributes, "legality");
    if (json_get_string(attributes, "type")) {
        if (metadata->role != VOLUME_LEAF || volume_metadata_has_parent(metadata))
            return storage_fail(why, VDSM_INVALID_VOLUME_UPDATE,
                                "Volume %s has a parent or volumes on top, it can't become a "
                                "template",
                                volume->id);
        metadata->role = VOLUME_SHARED;
    }
    if (legality && volume_legality_from_text(legality) == (int)metadata->legality)
        return storage_fail(why, VDSM_INVALID_VOLUME_UPDATE, "Volume %s is %s already", volume->id,
                            legality);
    if (legality)
        metadata->legality = (VolumeLegality)volume_legality_from_text(legality);
    if (json_get_string(attributes, "description") &&
        volume_metadata_describe(metadata, json_get_string(attributes, "description")))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "The description of volume %s has line breaks", volume->id);
    metadata->generation =
        (int)json_get_integer(attributes, "generation", generation_next(metadata->generation));
    return 0;
}

static int update_run(const JobRun *run, Fail *why)
{
    AUTO_SIDE side = {0};
    const Json *place = json_get(run->parameters, "vol_info");
    int error = open_volume(run, place, &side.domain, &side.volume, why);
    if (!error)
        error = volume_check_own(&side.volume, why);
    if (!error)
        error = check_generation(place, &side.volume, why);
    if (!error)
        error = update_apply(&side.volume, json_get(run->parameters, "vol_attr"), why);
    return error ? error : volume_save(run->storage, &side.domain, &side.volume, why);
}

static const JobKind kind_rows[] = {
    {"copy_data", copy_check, copy_locks, copy_run, true},
    {"update_volume", update_check, update_locks, update_run, false},
};

const JobKind *job_kind_find(const char *name)
{
    for (size_t i = 0; name && i < COUNT_OF(kind_rows); i++)
        if (!strcmp(kind_rows[i].name, name))
            return &kind_rows[i];
    return NULL;
}
