// Growing disks: the volume first, then the guests that run with it.
//
// A qcow2 file that a guest writes can only be grown by that guest's QEMU, and a raw one must be
// longer before its guest is told. So the storage manager extends what it can, every host that
// runs a VM with the disk grows it there, and in the end the volume must have the size.
#include <stdlib.h>
#include <string.h>

#include "manager/disk/disk_volume.h"
#include "manager/storage/pool.h"
#include "proto/vdsm.h"

static int64_t wanted_size(const Operation *operation)
{
    return operation_context(operation)->size.value;
}

// ---- the volume

static void write_extension(Operation *operation, JsonWriter *writer)
{
    disk_write_volume(operation, writer);
    json_add_format(writer, "newSize", "%lld", (long long)wanted_size(operation));
}

static TaskGoal judge_extended(Operation *operation, const Json *answer, int code)
{
    (void)code;
    if (!answer)
        return TASK_GOAL_UNKNOWN;
    return disk_volume_capacity(answer) >= wanted_size(operation) ? TASK_GOAL_REACHED
                                                                  : TASK_GOAL_MISSED;
}

static void keep_sizes(Operation *operation, Change *change, const Json *answer)
{
    Entity *disk = step_disk(operation);
    if (disk)
        disk_write_observed(change_edit(change, disk), answer);
}

static void act_extend(Operation *operation)
{
    static const TaskStep step = {
        .ask = "Volume.getInfo",
        .act = "Volume.extendSize",
        .write_ask = disk_write_volume,
        .write_act = write_extension,
        .judge = judge_extended,
        .trust = true, // a qcow2 volume in use stays as it is
    };
    task_step_run(operation, &step);
}

static void act_settle(Operation *operation)
{
    static const TaskStep step = {
        .ask = "Volume.getInfo",
        .act = "Volume.extendSize",
        .write_ask = disk_write_volume,
        .write_act = write_extension,
        .judge = judge_extended,
        .keep = keep_sizes,
    };
    task_step_run(operation, &step);
}

// ---- the guests, one after the other

typedef struct Guests {
    size_t next;
} Guests;

static void guests_next(Operation *operation);

static void guest_extended(Operation *operation, const Json *result, const Fail *why, int code)
{
    Guests *guests = operation->scratch;
    (void)result;
    // A VM that has ended meanwhile starts with the new size.
    if (fail_is_set(why) && code != VDSM_NO_SUCH_VM && code != VDSM_VM_IS_DOWN) {
        step_fail(operation, why);
        return;
    }
    guests->next++;
    guests_next(operation);
}

static bool is_plugged(const Entity *vm, const char *disk)
{
    const ApiVm *object = ENTITY_OBJECT(vm, Vm);
    for (uint32_t i = 0; i < object->disk_attachments.count; i++)
        if (!strcmp(object->disk_attachments.items[i]->id, disk))
            return object->disk_attachments.items[i]->active != API_FALSE;
    return false;
}

static void guest_extend(Operation *operation, Entity *vm, const DiskPlace *place)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    json_open(&writer, '{');
    json_add_string(&writer, "vmID", vm->id);
    json_key(&writer, "driveSpecs");
    disk_write_drive(&writer, place);
    json_add_format(&writer, "newSize", "%lld", (long long)wanted_size(operation));
    json_close(&writer, '}');
    step_call(operation, vm_state(vm)->host, "VM.diskSizeExtend", &params, guest_extended);
}

static void guests_next(Operation *operation)
{
    Guests *guests = operation->scratch;
    DiskPlace place;
    const char *disk = operation_context(operation)->disk;
    const Array *vms = inventory_disk_vms(operation->manager->inventory, disk);
    bool placed = disk_place(operation->manager, disk, &place);
    for (; placed && vms && guests->next < vms->count; guests->next++) {
        Entity *vm = vms->items[guests->next];
        if (vm_state(vm)->host && is_plugged(vm, disk)) {
            guest_extend(operation, vm, &place);
            return;
        }
    }
    free(guests);
    operation->scratch = NULL;
    operation_done(operation);
}

static void act_guests(Operation *operation)
{
    free(operation->scratch);
    operation->scratch = NEW(Guests);
    guests_next(operation);
}

static const OperationStep resize_steps[] = {
    {"extend", "Extending the volume", act_extend, NULL, 0},
    {"guests", "Telling the running VMs", act_guests, NULL, 0},
    {"settle", "Checking the size", act_settle, NULL, 0},
};

static char *size_text(int64_t bytes)
{
    if (bytes % (1LL << 30))
        return memory_format("%lld MB", (long long)(bytes >> 20));
    return memory_format("%lld GB", (long long)(bytes >> 30));
}

static void resize_finish(Operation *operation, Change *change, const Fail *why)
{
    Entity *data_center = step_data_center(operation);
    AUTO_FREE char *size = size_text(wanted_size(operation));
    if (data_center)
        pool_refresh_space(operation->manager, data_center);
    disk_event(operation, change,
               fail_is_set(why) ? EVENT_USER_EXTEND_DISK_SIZE_FAILURE
                                : EVENT_USER_EXTEND_DISK_SIZE_SUCCESS,
               size, why);
}

const OperationKind disk_resize_kind = {
    .name = "disk_resize",
    .title = "Extending disk ${disk}",
    .steps = resize_steps,
    .count = COUNT_OF(resize_steps),
    .finish = resize_finish,
};
