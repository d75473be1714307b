// The kinds of tasks. To add one: 1. its functions, 2. a row in kind_rows, 3. the verb that adds it.
// Every run and undo can be repeated: an agent that was killed in the middle starts it again.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/storage/image.h"
#include "agent/storage/storage_state.h"
#include "agent/storage/volume_request.h"

static const char *text(const Json *parameters, const char *name)
{
    const char *value = json_get_string(parameters, name);
    return value ? value : "";
}

static int open_domain(const TaskRun *run, StorageDomain *ret, Fail *why)
{
    return storage_domain_open(run->storage, text(run->parameters, "storagedomainID"), ret, why);
}

static void image_locks(const Json *parameters, LockSet *locks)
{
    const char *domain = text(parameters, "storagedomainID");
    lock_set_domain(locks, false, domain);
    lock_set_image(locks, true, domain, text(parameters, "imageID"));
}

// ---- createVolume

static void create_volume_locks(const Json *parameters, LockSet *locks)
{
    const char *domain = text(parameters, "storagedomainID");
    const char *source = text(parameters, "srcImgUUID");
    image_locks(parameters, locks);
    if (uuid_valid(source) && !uuid_is_zero(source))
        lock_set_image(locks, false, domain, source);
}

static int create_volume(const TaskRun *run, Fail *why)
{
    AUTO_DOMAIN domain = {0};
    VolumeRequest request;
    int error = volume_request_parse(run->parameters, &request, why);
    if (!error)
        error = open_domain(run, &domain, why);
    if (!error)
        error = volume_request_check(&request, domain.version, why);
    if (error)
        return error;
    if (run->again && volume_is_complete(run->storage, &domain, request.image, request.id))
        return 0;
    return volume_create(run->storage, &domain, &request, run->stop, why);
}

static int create_volume_take_back(const TaskRun *run, bool complete, Fail *why)
{
    AUTO_DOMAIN domain = {0};
    VolumeRequest request;
    int error = volume_request_parse(run->parameters, &request, why);
    if (!error)
        error = open_domain(run, &domain, why);
    return error ? error : volume_undo(run->storage, &domain, &request, complete, why);
}

static int create_volume_undo(const TaskRun *run, Fail *why)
{
    return create_volume_take_back(run, false, why);
}

static int create_volume_revert(const TaskRun *run, Fail *why)
{
    return create_volume_take_back(run, true, why);
}

// ---- extendVolumeSize

static int extend_volume(const TaskRun *run, Fail *why)
{
    AUTO_DOMAIN domain = {0};
    int64_t size = json_get_integer(run->parameters, "newSize", -1);
    int error = open_domain(run, &domain, why);
    if (error)
        return error;
    return volume_extend(run->storage, &domain, text(run->parameters, "imageID"),
                         text(run->parameters, "volumeID"), size, run->stop, why);
}

// ---- deleteImage, deleteVolume

static int delete_image(const TaskRun *run, Fail *why)
{
    AUTO_DOMAIN domain = {0};
    int error = open_domain(run, &domain, why);
    if (error)
        return error;
    return image_delete(run->storage, &domain, text(run->parameters, "imageID"),
                        json_get_bool(run->parameters, "postZero", false), run->stop, why);
}

static int delete_one(const TaskRun *run, const StorageDomain *domain, const char *id, Fail *why)
{
    AUTO_FAIL own = {0};
    int error = volume_delete(run->storage, domain, text(run->parameters, "imageID"), id,
                              json_get_bool(run->parameters, "postZero", false),
                              json_get_bool(run->parameters, "force", false), run->stop, &own);
    bool gone = error == VDSM_VOLUME_DOES_NOT_EXIST || error == VDSM_IMAGE_DOES_NOT_EXIST;
    if (!error || (run->again && gone))
        return 0;
    fail_move(why, &own);
    return error;
}

static int delete_volumes(const TaskRun *run, Fail *why)
{
    AUTO_DOMAIN domain = {0};
    const Json *list = json_get(run->parameters, "volumeList");
    const char *single = json_get_string(run->parameters, "volumeID");
    int error = open_domain(run, &domain, why);
    if (!error && single && !list)
        return delete_one(run, &domain, single, why);
    JSON_EACH(list, entry)
        if (!error)
            error = delete_one(run, &domain, json_string(entry) ? json_string(entry) : "", why);
    return error;
}

// ---- the pool

static void pool_locks(const Json *parameters, LockSet *locks)
{
    lock_set_add(locks, true, "pool:%s", text(parameters, "storagepoolID"));
}

static int spm_start(const TaskRun *run, Fail *why)
{
    return storage_pool_spm_start(run->storage, text(run->parameters, "storagepoolID"),
                                  (int)json_get_integer(run->parameters, "domVersion", 0), why);
}

static int switch_master(const TaskRun *run, Fail *why)
{
    const char *to = text(run->parameters, "newMasterUUID");
    PoolState state = storage_pool_state(run->storage);
    if (run->again && !strcmp(state.master, to))
        return 0;
    return storage_pool_migrate_master(run->storage, text(run->parameters, "oldMasterUUID"), to,
                                       (int)json_get_integer(run->parameters, "masterVersion", 0),
                                       why);
}

static const TaskKind kind_rows[] = {
    {"createVolume", "spm", "creation of volume", "volumeID", create_volume_locks, create_volume,
     create_volume_undo, create_volume_revert},
    {"extendVolumeSize", "spm", "extension of volume", "volumeID", image_locks, extend_volume, NULL,
     NULL},
    {"deleteImage", "spm", "removal of image", "imageID", image_locks, delete_image, NULL, NULL},
    {"deleteVolume", "spm", "removal of volumes of image", "imageID", image_locks, delete_volumes,
     NULL, NULL},
    {"spmStart", "hsm", "start of the management of pool", "storagepoolID", pool_locks, spm_start,
     NULL, NULL},
    {"switchMaster", "spm", "change of the master of pool", "storagepoolID", pool_locks,
     switch_master, NULL, NULL},
};

const TaskKind *task_kind_find(const char *verb)
{
    for (size_t i = 0; verb && i < COUNT_OF(kind_rows); i++)
        if (!strcmp(kind_rows[i].verb, verb))
            return &kind_rows[i];
    return NULL;
}
