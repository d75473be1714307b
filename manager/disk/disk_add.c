// Creating disks: one task of the storage manager makes the volume.
#include <string.h>

#include "manager/disk/disk_volume.h"
#include "manager/fleet/fleet.h"
#include "manager/rest/reply.h"
#include "manager/storage/pool.h"
#include "manager/vm/vm_plug.h"
#include "rest_handlers.h"

enum { VOLUME_COW = 4, VOLUME_RAW = 5, VOLUME_PREALLOCATED = 1, VOLUME_SPARSE = 2 };

static const char *disk_type(ApiDiskContentType type)
{
    static const char *const names[] = {
        [API_DISK_CONTENT_TYPE_DATA] = "DATA",
        [API_DISK_CONTENT_TYPE_OVF_STORE] = "OVFS",
        [API_DISK_CONTENT_TYPE_MEMORY_DUMP_VOLUME] = "MEMD",
        [API_DISK_CONTENT_TYPE_MEMORY_METADATA_VOLUME] = "MEMM",
        [API_DISK_CONTENT_TYPE_ISO] = "ISOF",
        [API_DISK_CONTENT_TYPE_HOSTED_ENGINE] = "HEVD",
        [API_DISK_CONTENT_TYPE_HOSTED_ENGINE_SANLOCK] = "HESD",
        [API_DISK_CONTENT_TYPE_HOSTED_ENGINE_METADATA] = "HEMD",
        [API_DISK_CONTENT_TYPE_HOSTED_ENGINE_CONFIGURATION] = "HECI",
        [API_DISK_CONTENT_TYPE_BACKUP_SCRATCH] = "SCRD",
    };
    return names[type ? type : API_DISK_CONTENT_TYPE_DATA];
}

// ---- creating

static void write_creation(Operation *operation, JsonWriter *writer)
{
    const ApiDisk *disk = ENTITY_OBJECT(step_disk(operation), Disk);
    AUTO_FREE char *description = disk_volume_description(disk);
    bool raw = disk->format == API_DISK_FORMAT_RAW;
    disk_write_volume(operation, writer);
    json_add_format(writer, "size", "%lld", (long long)operation_context(operation)->size.value);
    json_add_integer(writer, "volFormat", raw ? VOLUME_RAW : VOLUME_COW);
    json_add_integer(writer, "preallocate",
                     disk->sparse == API_TRUE ? VOLUME_SPARSE : VOLUME_PREALLOCATED);
    json_add_string(writer, "diskType", disk_type(disk->content_type));
    json_add_string(writer, "desc", description);
    json_add_string(writer, "srcImgUUID", UUID_ZERO);
    json_add_string(writer, "srcVolUUID", UUID_ZERO);
    json_add_bool(writer, "addBitmaps", false);
    json_add_bool(writer, "legal", true);
    json_add_integer(writer, "sequence", 1);
}

static TaskGoal judge_created(Operation *operation, const Json *answer, int code)
{
    const char *legality = json_get_string(answer, "legality");
    if (!answer)
        return disk_volume_is_gone(code) ? TASK_GOAL_MISSED : TASK_GOAL_UNKNOWN;
    bool whole = disk_volume_capacity(answer) >= operation_context(operation)->size.value;
    return whole && legality && !strcmp(legality, "LEGAL") ? TASK_GOAL_REACHED : TASK_GOAL_MISSED;
}

static void keep_sizes(Operation *operation, Change *change, const Json *answer)
{
    Entity *disk = step_disk(operation);
    if (disk)
        disk_write_observed(change_edit(change, disk), answer);
}

void disk_step_create(Operation *operation)
{
    static const TaskStep step = {
        .ask = "Volume.getInfo",
        .act = "Volume.create",
        .write_ask = disk_write_volume,
        .write_act = write_creation,
        .judge = judge_created,
        .keep = keep_sizes,
    };
    AUTO_FAIL why = {0};
    if (step_disk(operation)) {
        task_step_run(operation, &step);
        return;
    }
    fail_set(&why, FAIL_NOT_FOUND, "The disk was removed meanwhile.");
    operation_fail(operation, &why);
}

// ---- removing the image

static void write_deletion(Operation *operation, JsonWriter *writer)
{
    const ApiOperationContext *context = operation_context(operation);
    storage_write_place(writer, context->data_center, context->storage_domain, context->image,
                        NULL);
    json_add_bool(writer, "postZero", !operation->undoing && context->flag == API_TRUE);
    json_add_bool(writer, "force", operation->undoing);
    json_add_bool(writer, "discard", false);
}

static TaskGoal judge_deleted(Operation *operation, const Json *answer, int code)
{
    (void)operation;
    if (answer)
        return TASK_GOAL_MISSED;
    return disk_volume_is_gone(code) ? TASK_GOAL_REACHED : TASK_GOAL_UNKNOWN;
}

void disk_step_delete(Operation *operation)
{
    static const TaskStep step = {
        .ask = "Volume.getInfo",
        .act = "Image.delete",
        .write_ask = disk_write_volume,
        .write_act = write_deletion,
        .judge = judge_deleted,
    };
    if (operation->undoing && !step_storage_domain(operation))
        operation_done(operation); // destroyed with everything on it
    else
        task_step_run(operation, &step);
}

// ---- the operation

static const OperationStep add_steps[] = {
    {"create", "Creating the volume", disk_step_create, disk_step_delete, 0},
};

static void refresh_space(Operation *operation)
{
    Entity *data_center = step_data_center(operation);
    if (data_center)
        pool_refresh_space(operation->manager, data_center);
}

// The VM was running when the disk was added to it.
static void plug_into_vm(Operation *operation, Change *change, const Entity *disk)
{
    Entity *vm = step_vm(operation);
    const char *follower;
    if (!vm || !vm_find_attachment(ENTITY_OBJECT(vm, Vm), disk->id))
        return;
    device_plan_plug(change, vm, (PlugTarget){.disk = disk->id}, PLUG_LEAVE_OFF, &follower);
    operation_follow(operation, follower);
}

static void add_finish(Operation *operation, Change *change, const Fail *why)
{
    Entity *disk = step_disk(operation);
    bool failed = fail_is_set(why), for_vm = operation_context(operation)->vm != NULL;
    refresh_space(operation);
    if (failed)
        disk_event(operation, change,
                   for_vm ? EVENT_USER_ADD_DISK_TO_VM_FINISHED_FAILURE
                          : EVENT_USER_ADD_DISK_FINISHED_FAILURE,
                   NULL, why);
    else
        disk_event(operation, change,
                   for_vm ? EVENT_USER_ADD_DISK_TO_VM_FINISHED_SUCCESS
                          : EVENT_USER_ADD_DISK_FINISHED_SUCCESS,
                   NULL, why);
    if (!failed && disk && operation_context(operation)->keep == API_TRUE)
        plug_into_vm(operation, change, disk);
    if (!failed || !disk)
        return;
    disk_detach_everywhere(change, disk);
    change_remove(change, disk);
}

const OperationKind disk_add_kind = {
    .name = "disk_add",
    .title = "Adding disk ${disk}",
    .steps = add_steps,
    .count = COUNT_OF(add_steps),
    .finish = add_finish,
};

// ---- the request

void disk_add(Request *request)
{
    const char *disk, *operation;
    Change *change = change_new(request->manager, &request->cause);
    if (disk_plan_add(request, change, request->body, NULL, NULL, &disk, &operation)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    const ApiDisk *added = change_added(change, disk)->object;
    event_add(change, request->method->event, &(EventFacts){.disk_name = added->alias});
    AUTO_FREE char *path = memory_format("/disks/%s", disk);
    commit_and_run(request, change, operation, 202, path);
}
