// Removing disks with their images.
#include "manager/disk/disk_volume.h"
#include "manager/rest/reply.h"
#include "manager/storage/pool.h"
#include "rest_handlers.h"

static const OperationStep remove_steps[] = {
    {"delete", "Removing the image", disk_step_delete, NULL, 0},
};

static void remove_finish(Operation *operation, Change *change, const Fail *why)
{
    Entity *disk = step_disk(operation), *data_center = step_data_center(operation);
    if (data_center)
        pool_refresh_space(operation->manager, data_center);
    if (fail_is_set(why)) {
        disk_event(operation, change, EVENT_USER_FINISHED_FAILED_REMOVE_DISK, NULL, why);
        return;
    }
    disk_event(operation, change, EVENT_USER_FINISHED_REMOVE_DISK, NULL, why);
    if (!disk)
        return;
    disk_detach_everywhere(change, disk);
    change_remove(change, disk);
}

const OperationKind disk_remove_kind = {
    .name = "disk_remove",
    .title = "Removing disk ${disk}",
    .steps = remove_steps,
    .count = COUNT_OF(remove_steps),
    .finish = remove_finish,
};

void disk_remove(Request *request)
{
    const char *operation;
    Entity *disk = request_disk(request);
    if (!disk || disk_check_remove(request, disk, NULL)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    disk_plan_remove(change, disk, &operation);
    event_add(change, request->method->event, &(EventFacts){.disk = disk});
    commit_and_run(request, change, operation, 200, NULL);
}
