// How much space a disk really takes: hosts tell it of disks that are plugged into running VMs; when
// such a VM has ended, the volume is asked once more and the document keeps the answer.
#include <stdlib.h>
#include <string.h>

#include "manager/disk/disk.h"
#include "manager/fleet/fleet.h"
#include "manager/inventory/state.h"
#include "manager/storage/task_step.h"

typedef struct SizeCall {
    Manager *manager;
    Entity *disk; // a reference
} SizeCall;

void disk_observe_size(Manager *manager, const char *disk, int64_t bytes)
{
    Entity *entity = inventory_get(manager->inventory, KIND_DISK, disk);
    if (entity && bytes > 0)
        disk_state(entity)->actual_size = bytes;
}

static bool is_new(const ApiDisk *disk, const Json *info)
{
    int64_t actual = json_get_integer(info, "truesize", -1);
    return actual >= 0 && (!disk->actual_size.set || disk->actual_size.value != actual);
}

// A running operation knows better, and a VM may have started again.
static bool size_counts(Manager *manager, const Entity *disk)
{
    return inventory_get(manager->inventory, KIND_DISK, disk->id) == disk &&
           !operation_holding(manager, disk->id) && !disk_running_vm(manager, disk, NULL);
}

static void size_answered(const Json *result, const Fail *why, int code, void *argument)
{
    SizeCall *call = argument;
    Manager *manager = call->manager;
    Entity *disk = call->disk;
    (void)code;
    if (!fail_is_set(why) && size_counts(manager, disk)) {
        disk_state(disk)->actual_size = -1;
        if (is_new(ENTITY_OBJECT(disk, Disk), result)) {
            Change *change = change_new(manager, NULL);
            disk_write_observed(change_edit(change, disk), result);
            change_commit(change, NULL, NULL);
        }
    }
    entity_unref(disk);
    free(call);
}

static void ask_size(Manager *manager, const char *id)
{
    DiskPlace place;
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    Entity *disk = inventory_get(manager->inventory, KIND_DISK, id);
    if (!disk || !disk_place(manager, id, &place))
        return;
    Entity *host = fleet_host_of_data_center(
        manager, inventory_get(manager->inventory, KIND_DATA_CENTER, place.data_center));
    if (!host)
        return; // what was seen last stays
    json_open(&writer, '{');
    storage_write_place(&writer, place.data_center, place.storage_domain, place.image,
                        place.volume);
    json_close(&writer, '}');
    SizeCall *call = NEW(SizeCall);
    *call = (SizeCall){manager, entity_ref(disk)};
    host_call_entity(manager, host, "Volume.getInfo", &params, HOST_CALL_MS, size_answered, call);
}

void disk_ask_sizes(Manager *manager, const ApiVm *vm)
{
    for (uint32_t i = 0; i < vm->disk_attachments.count; i++)
        ask_size(manager, vm->disk_attachments.items[i]->id);
}
