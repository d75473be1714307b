// Disk attachments of VMs.
#include <string.h>

#include "base/json.h"
#include "manager/disk/disk.h"
#include "manager/inventory/state.h"
#include "manager/rest/reply.h"
#include "manager/vm/vm_plug.h"
#include "rest_handlers.h"

// ---- reading

// Guests know a disk by the first 20 characters of its serial number, which is its id.
static const char *logical_name(Arena *arena, const VmState *state, const char *disk)
{
    const char *error;
    size_t offset;
    const Json *map = state->disk_mapping ? json_parse(arena, state->disk_mapping,
                                                       strlen(state->disk_mapping), &error, &offset)
                                          : NULL;
    JSON_EACH(map, one)
        if (one->key && strlen(one->key) >= 20 && !strncmp(one->key, disk, 20))
            return json_get_string(one, "name");
    return NULL;
}

static void attachment_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiDiskAttachment *view = target;
    (void)request;
    *view = *(const ApiDiskAttachment *)item->part;
    view->disk = api_reference_new(scratch, &api_type_disk, view->id);
    view->vm = api_reference_new(scratch, &api_type_vm, item->entity->id);
    if (!view->logical_name && view->active == API_TRUE)
        view->logical_name = logical_name(scratch, vm_state(item->entity), view->id);
}

static int attachments_of(Request *request, Items *items, const char *only)
{
    Entity *vm = request_entity(request, 0, KIND_VM);
    if (!vm)
        return fail_to_errno(request->why.code);
    const ApiVm *object = ENTITY_OBJECT(vm, Vm);
    items->view = attachment_view;
    for (uint32_t i = 0; i < object->disk_attachments.count; i++)
        if (!only || !strcmp(object->disk_attachments.items[i]->id, only))
            items_add_part(items, vm, object->disk_attachments.items[i]);
    if (only && !items->count)
        return fail_set(&request->why, FAIL_NOT_FOUND, "Disk %s is not attached to VM %s.", only,
                        entity_name(vm));
    return 0;
}

int vm_attachment_list(Request *request, Items *items)
{
    return attachments_of(request, items, NULL);
}

int vm_attachment_get(Request *request, Items *items)
{
    return attachments_of(request, items, request_id(request, 1));
}

// ---- rules

static int check_bootable(Request *request, const ApiVm *vm, const char *disk)
{
    for (uint32_t i = 0; i < vm->disk_attachments.count; i++) {
        const ApiDiskAttachment *other = vm->disk_attachments.items[i];
        if (other->bootable != API_TRUE || !strcmp(other->id, disk))
            continue;
        fail_set(&request->why, FAIL_CONFLICT,
                 "Cannot attach Virtual Disk. VM %s has a bootable disk already.", vm->name);
        fail_object(&request->why, other->id);
        return fail_to_errno(FAIL_CONFLICT);
    }
    return 0;
}

static int check_interface(Request *request, const ApiVm *vm, ApiDiskInterface interface)
{
    bool i440fx = vm->bios && vm->bios->type == API_BIOS_TYPE_I440FX_SEA_BIOS;
    if (interface == API_DISK_INTERFACE_VIRTIO || interface == API_DISK_INTERFACE_VIRTIO_SCSI)
        return 0;
    if (interface == (i440fx ? API_DISK_INTERFACE_IDE : API_DISK_INTERFACE_SATA))
        return 0;
    return fail_set(&request->why, FAIL_INVALID,
                    "disk_attachment.interface: %s is not possible with the chipset of VM %s; "
                    "virtio, virtio_scsi and %s are.",
                    api_enum_name(&api_enum_disk_interface, interface), vm->name,
                    i440fx ? "ide" : "sata");
}

static void attachment_fill(ApiDiskAttachment *attachment, const ApiDiskAttachment *wanted)
{
    attachment->interface = wanted->interface ? wanted->interface : API_DISK_INTERFACE_VIRTIO;
    attachment->bootable = API_BOOL(wanted->bootable == API_TRUE);
    attachment->pass_discard = API_BOOL(wanted->pass_discard == API_TRUE);
    attachment->read_only = API_BOOL(wanted->read_only == API_TRUE);
    attachment->uses_scsi_reservation = API_BOOL(wanted->uses_scsi_reservation == API_TRUE);
}

// ---- adding

static ApiDiskAttachment *add_to_draft(Change *change, Entity *vm, const char *disk,
                                       const ApiDiskAttachment *wanted)
{
    ApiDocument *draft = change_edit(change, vm);
    ApiDiskAttachment *attachment = ARENA_NEW(&draft->arena, ApiDiskAttachment);
    attachment->id = arena_string(&draft->arena, disk);
    attachment_fill(attachment, wanted);
    api_list_add(&draft->arena, &((ApiVm *)draft->object)->disk_attachments, attachment);
    return attachment;
}

static void add_new_disk(Request *request, Entity *vm, const ApiDiskAttachment *wanted)
{
    const char *disk, *operation;
    Change *change = change_new(request->manager, &request->cause);
    if (disk_plan_add(request, change, wanted->disk, vm->id, entity_name(vm), &disk, &operation)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    ApiDiskAttachment *attachment = add_to_draft(change, vm, disk, wanted);
    bool active = wanted->active != API_FALSE, runs = vm_state(vm)->host != NULL;
    attachment->active = API_BOOL(active && !runs);
    if (active && runs) // plugged when it has been made
        ((ApiOperation *)change_added(change, operation)->object)->context->keep = API_TRUE;
    const ApiDisk *added = change_added(change, disk)->object;
    event_add(change, request->method->event, &(EventFacts){.vm = vm, .disk_name = added->alias});
    AUTO_FREE char *path = memory_format("/vms/%s/diskattachments/%s", vm->id, disk);
    commit_and_run(request, change, operation, 202, path);
}

static int check_attach(Request *request, const Entity *vm, Entity *disk)
{
    const ApiDisk *object = ENTITY_OBJECT(disk, Disk);
    const Array *vms = inventory_disk_vms(request->manager->inventory, disk->id);
    if (request_check_free(request, disk, LOCK_SHARED)) {
        fail_prefix(&request->why, "Cannot attach Virtual Disk. ");
        return fail_to_errno(FAIL_LOCKED);
    }
    if (vm_find_attachment(ENTITY_OBJECT(vm, Vm), disk->id))
        return fail_set(&request->why, FAIL_EXISTS,
                        "Cannot attach Virtual Disk. Disk %s is attached to VM %s already.",
                        object->alias, entity_name(vm));
    if (object->status == API_DISK_STATUS_ILLEGAL)
        return fail_set(&request->why, FAIL_STATE,
                        "Cannot attach Virtual Disk. Disk %s is illegal.", object->alias);
    if (!vms || !vms->count || object->shareable == API_TRUE)
        return 0;
    fail_set(&request->why, FAIL_CONFLICT,
             "Cannot attach Virtual Disk. Disk %s is attached to VM %s and not shareable.",
             object->alias, entity_name(vms->items[0]));
    return fail_to_errno(FAIL_CONFLICT);
}

static void attach_disk(Request *request, Entity *vm, Entity *disk, const ApiDiskAttachment *wanted)
{
    const char *operation;
    Change *change = change_new(request->manager, &request->cause);
    ApiDiskAttachment *attachment = add_to_draft(change, vm, disk->id, wanted);
    bool active = wanted->active == API_TRUE, runs = vm_state(vm)->host != NULL;
    attachment->active = API_BOOL(active && !runs);
    event_add(change, EVENT_USER_ATTACH_DISK_TO_VM, &(EventFacts){.vm = vm, .disk = disk});
    AUTO_FREE char *path = memory_format("/vms/%s/diskattachments/%s", vm->id, disk->id);
    if (!active || !runs) {
        commit_and_show(request, change, 201, path);
        return;
    }
    device_plan_plug(change, vm, (PlugTarget){.disk = disk->id}, PLUG_REMOVE, &operation);
    commit_and_wait(request, change, operation, 201, path);
}

void vm_attachment_add(Request *request)
{
    const ApiDiskAttachment *wanted = request->body;
    Entity *vm = request_entity(request, 0, KIND_VM), *disk = NULL;
    const ApiVm *object = vm ? ENTITY_OBJECT(vm, Vm) : NULL;
    if (vm && !wanted->disk)
        fail_set(&request->why, FAIL_INCOMPLETE, "DiskAttachment [disk] required for add");
    // With the id of a disk that exists it is attached; else it is made, with that id.
    if (vm && wanted->disk && wanted->disk->id)
        disk = inventory_get(request->manager->inventory, KIND_DISK, wanted->disk->id);
    if (vm && wanted->disk && wanted->disk->id && !disk && !wanted->disk->provisioned_size.set)
        request_reference(request, KIND_DISK, wanted->disk, "disk_attachment.disk");
    if (!vm || fail_is_set(&request->why) || request_check_free(request, vm, LOCK_SHARED) ||
        (wanted->interface && check_interface(request, object, wanted->interface)) ||
        (wanted->bootable == API_TRUE && check_bootable(request, object, "")) ||
        (disk && check_attach(request, vm, disk)))
        reply_fail(request);
    else if (disk)
        attach_disk(request, vm, disk, wanted);
    else
        add_new_disk(request, vm, wanted);
}

// ---- changing

static Entity *wanted_attachment(Request *request, const ApiDiskAttachment **ret_attachment,
                                 Entity **ret_disk)
{
    Entity *vm = request_entity(request, 0, KIND_VM);
    const char *id = request_id(request, 1);
    if (!vm)
        return NULL;
    *ret_attachment = vm_find_attachment(ENTITY_OBJECT(vm, Vm), id);
    *ret_disk = inventory_get(request->manager->inventory, KIND_DISK, id);
    if (!*ret_attachment || !*ret_disk) {
        fail_set(&request->why, FAIL_NOT_FOUND, "Disk %s is not attached to VM %s.", id,
                 entity_name(vm));
        return NULL;
    }
    if (request_check_free(request, vm, LOCK_SHARED) ||
        request_check_free(request, *ret_disk, LOCK_SHARED))
        return NULL;
    return vm;
}

// What a running guest can't get while the disk is plugged.
static int check_live(Request *request, const Entity *vm, const ApiDiskAttachment *now,
                      const ApiDiskAttachment *wanted)
{
    bool changes = (wanted->interface && wanted->interface != now->interface) ||
                   (wanted->read_only && wanted->read_only != now->read_only) ||
                   (wanted->pass_discard && wanted->pass_discard != now->pass_discard);
    if (!vm_state(vm)->host || now->active != API_TRUE || !changes)
        return 0;
    fail_set(&request->why, FAIL_STATE,
             "Cannot edit Virtual Disk. Interface, read_only and pass_discard can't be changed "
             "while the disk is plugged into the running VM %s.",
             entity_name(vm));
    fail_hint(&request->why, "Deactivate the disk first");
    return fail_to_errno(FAIL_STATE);
}

static void attachment_merge(ApiDiskAttachment *attachment, const ApiDiskAttachment *wanted)
{
    if (wanted->interface)
        attachment->interface = wanted->interface;
    if (wanted->bootable)
        attachment->bootable = wanted->bootable;
    if (wanted->pass_discard)
        attachment->pass_discard = wanted->pass_discard;
    if (wanted->read_only)
        attachment->read_only = wanted->read_only;
    if (wanted->uses_scsi_reservation)
        attachment->uses_scsi_reservation = wanted->uses_scsi_reservation;
}

static bool disk_is_changed(const ApiDisk *disk)
{
    return disk &&
           (disk->provisioned_size.set || disk->alias || disk->name || disk->description ||
            disk->shareable || disk->wipe_after_delete || disk->propagate_errors || disk->backup);
}

static void update_commit(Request *request, Change *change, Entity *vm,
                          const ApiDiskAttachment *now, const char *operation)
{
    const ApiDiskAttachment *wanted = request->body;
    AUTO_FREE char *path = memory_format("/vms/%s/diskattachments/%s", vm->id, now->id);
    bool runs = vm_state(vm)->host != NULL;
    PlugTarget target = {.disk = now->id};
    if (operation) {
        commit_and_run(request, change, operation, 200, path);
        return;
    }
    if (!wanted->active || wanted->active == now->active || !runs) {
        if (wanted->active)
            vm_find_attachment(change_edit(change, vm)->object, now->id)->active = wanted->active;
        commit_and_show(request, change, 200, path);
        return;
    }
    if (wanted->active == API_TRUE)
        device_plan_plug(change, vm, target, PLUG_LEAVE_OFF, &operation);
    else
        device_plan_unplug(change, vm, target, UNPLUG_KEEP, &operation);
    commit_and_wait(request, change, operation, 200, path);
}

void vm_attachment_update(Request *request)
{
    const ApiDiskAttachment *wanted = request->body, *now;
    Entity *disk, *vm = wanted_attachment(request, &now, &disk);
    const char *operation = NULL;
    if (!vm || check_live(request, vm, now, wanted) ||
        (wanted->interface && check_interface(request, ENTITY_OBJECT(vm, Vm), wanted->interface)) ||
        (wanted->bootable == API_TRUE && check_bootable(request, ENTITY_OBJECT(vm, Vm), now->id))) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    if (disk_is_changed(wanted->disk) &&
        disk_plan_update(request, change, disk, wanted->disk, &operation)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    attachment_merge(vm_find_attachment(change_edit(change, vm)->object, now->id), wanted);
    event_add(change, request->method->event, &(EventFacts){.vm = vm, .disk = disk});
    update_commit(request, change, vm, now, operation);
}

// ---- removing

void vm_attachment_remove(Request *request)
{
    const ApiDiskAttachment *now;
    Entity *disk, *vm = wanted_attachment(request, &now, &disk);
    bool detach_only = request_flag(request, "detach_only", false);
    const char *operation;
    if (!vm || fail_is_set(&request->why) ||
        (!detach_only && disk_check_remove(request, disk, vm->id))) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, detach_only ? EVENT_USER_DETACH_DISK_FROM_VM : request->method->event,
              &(EventFacts){.vm = vm, .disk = disk});
    if (vm_state(vm)->host && now->active == API_TRUE) {
        device_plan_unplug(change, vm, (PlugTarget){.disk = disk->id},
                           detach_only ? UNPLUG_REMOVE : UNPLUG_DELETE_DISK, &operation);
        commit_and_wait(request, change, operation, 200, NULL);
        return;
    }
    ApiVm *object = change_edit(change, vm)->object;
    api_list_remove(&object->disk_attachments, vm_find_attachment(object, disk->id));
    if (detach_only) {
        commit_and_remove(request, change);
        return;
    }
    disk_plan_remove(change, disk, &operation);
    commit_and_run(request, change, operation, 200, NULL);
}
