#include "manager/vm/vm_plug.h"

#include <stdlib.h>
#include <string.h>

#include "manager/disk/disk.h"
#include "manager/fleet/fleet.h"
#include "manager/operations/step_call.h"
#include "manager/vm/vm_call.h"
#include "manager/vm/vm_devices.h"
#include "proto/vdsm.h"

enum { UNDO_PATIENCE_MS = 30000 };

ApiNic *vm_find_nic(const ApiVm *vm, const char *id)
{
    for (uint32_t i = 0; id && i < vm->nics.count; i++)
        if (!strcmp(vm->nics.items[i]->id, id))
            return vm->nics.items[i];
    return NULL;
}

ApiDiskAttachment *vm_find_attachment(const ApiVm *vm, const char *disk)
{
    for (uint32_t i = 0; disk && i < vm->disk_attachments.count; i++)
        if (!strcmp(vm->disk_attachments.items[i]->id, disk))
            return vm->disk_attachments.items[i];
    return NULL;
}

// ---- planning

static const char *device_name(Change *change, Entity *vm, PlugTarget target)
{
    const ApiNic *nic = vm_find_nic(change_edit(change, vm)->object, target.nic);
    const Entity *disk =
        target.disk ? inventory_get(change_manager(change)->inventory, KIND_DISK, target.disk)
                    : NULL;
    return nic ? nic->name : disk ? ENTITY_OBJECT(disk, Disk)->alias : "a device";
}

static ApiOperationContext *plan(Change *change, const OperationKind *kind, Entity *vm,
                                 PlugTarget target, const char **ret_id)
{
    Arena *arena;
    ApiOperationContext *context = operation_plan(change, kind, &arena, ret_id);
    context->vm = arena_string(arena, vm->id);
    context->nic = arena_string(arena, target.nic);
    context->device_name = arena_string(arena, device_name(change, vm, target));
    context->text = arena_string(arena, entity_name(vm));
    context->disk = arena_string(arena, target.disk);
    // The VM must not be started or stopped meanwhile; other devices may come and go.
    operation_lock(change, *ret_id, vm->id, LOCK_SHARED);
    operation_lock(change, *ret_id, target.nic ? target.nic : target.disk, LOCK_EXCLUSIVE);
    return context;
}

void device_plan_plug(Change *change, Entity *vm, PlugTarget target, PlugFailure failure,
                      const char **ret_id)
{
    ApiOperationContext *context = plan(change, &device_plug_kind, vm, target, ret_id);
    context->flag = API_BOOL(failure == PLUG_REMOVE);
}

void device_plan_unplug(Change *change, Entity *vm, PlugTarget target, UnplugEnd end,
                        const char **ret_id)
{
    ApiOperationContext *context = plan(change, &device_unplug_kind, vm, target, ret_id);
    context->keep = API_BOOL(end == UNPLUG_KEEP);
    context->flag = API_BOOL(end == UNPLUG_DELETE_DISK);
}

// ---- the device of a step

// The targets of the running domain, out of its XML; they stay valid with the state.
static int used_targets(Arena *arena, const VmState *state, const char **used, int limit)
{
    int count = 0;
    Xml *root = state->xml ? xml_parse(arena, state->xml, strlen(state->xml), NULL, NULL) : NULL;
    XML_EACH(xml_child(root, "devices"), device) {
        const Xml *target = xml_child(device, "target");
        const char *name = target ? xml_attribute(target, "dev") : NULL;
        if (name && !strcmp(device->name, "disk") && count < limit)
            used[count++] = name;
    }
    return count;
}

static bool write_device(Operation *operation, const Entity *vm, StrBuf *xml)
{
    const ApiOperationContext *context = operation_context(operation);
    const ApiVm *object = ENTITY_OBJECT(vm, Vm);
    if (context->nic) {
        const ApiNic *nic = vm_find_nic(object, context->nic);
        if (nic)
            domain_xml_write_nic(xml, &(DomainNic){nic, vm_nic_bridge(operation->manager, nic)});
        return nic != NULL;
    }
    const char *used[VM_DISKS_MAX];
    AUTO_ARENA arena = {0};
    DomainDisk disk = {.attachment = vm_find_attachment(object, context->disk)};
    if (!disk.attachment || !vm_disk_place(operation->manager, context->disk, &disk))
        return false;
    domain_xml_write_disk(xml, &disk, used, used_targets(&arena, vm_state(vm), used, VM_DISKS_MAX));
    return true;
}

static void device_answered(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)result;
    if (!fail_is_set(why) || code == VDSM_NO_SUCH_VM || code == VDSM_VM_IS_DOWN)
        operation_done(operation);
    else
        step_fail(operation, why);
}

static void device_call(Operation *operation, const char *nic_verb, const char *disk_verb,
                        StepReply reply)
{
    Entity *vm = step_vm(operation);
    Entity *host = vm ? vm_state(vm)->host : NULL;
    StrBuf params = {0};
    AUTO_STRBUF xml = {0};
    JsonWriter writer;
    if (!host || !write_device(operation, vm, &xml)) { // nothing runs, or the device has gone
        operation_done(operation);
        return;
    }
    vm_call_params(&writer, &params, vm);
    json_key(&writer, "params");
    json_open(&writer, '{');
    json_add_string(&writer, "vmId", vm->id);
    json_add_string(&writer, "xml", xml.data);
    json_close(&writer, '}');
    json_close(&writer, '}');
    step_call(operation, host, operation_context(operation)->nic ? nic_verb : disk_verb, &params,
              reply);
}

static void act_plug(Operation *operation)
{
    device_call(operation, "VM.hotplugNic", "VM.hotplugDisk", device_answered);
}

static void act_unplug(Operation *operation)
{
    device_call(operation, "VM.hotunplugNic", "VM.hotunplugDisk", device_answered);
}

// A guest that never lets go would keep the VM locked: in the end it keeps the device.
static void undo_answered(Operation *operation, const Json *result, const Fail *why, int code)
{
    if (!fail_is_set(why) || step_silent_ms(operation) < UNDO_PATIENCE_MS) {
        device_answered(operation, result, why, code);
        return;
    }
    Arena *arena;
    Change *change = operation_change(operation);
    operation_edit_context(operation, change, &arena)->keep = API_TRUE;
    operation_done_with(operation, change);
}

static void undo_plug(Operation *operation)
{
    device_call(operation, "VM.hotunplugNic", "VM.hotunplugDisk", undo_answered);
}

// ---- the ends

static void set_flag(Change *change, Entity *vm, const ApiOperationContext *context, bool plugged)
{
    ApiVm *object = change_edit(change, vm)->object;
    ApiNic *nic = vm_find_nic(object, context->nic);
    ApiDiskAttachment *attachment = vm_find_attachment(object, context->disk);
    if (nic)
        nic->plugged = API_BOOL(plugged);
    if (attachment)
        attachment->active = API_BOOL(plugged);
}

static Entity *context_disk(Operation *operation)
{
    const char *id = operation_context(operation)->disk;
    return id ? inventory_get(operation->manager->inventory, KIND_DISK, id) : NULL;
}

static void plug_event(Operation *operation, Change *change, bool plugging, const Fail *why)
{
    const ApiOperationContext *context = operation_context(operation);
    Entity *vm = step_vm(operation);
    const ApiNic *nic = vm ? vm_find_nic(ENTITY_OBJECT(vm, Vm), context->nic) : NULL;
    AUTO_FREE char *text = fail_is_set(why) ? fail_text(why) : NULL;
    static const EventCode codes[2][2][2] = {
        // disk: unplug, plug; NIC: the same; each: success, failure
        {{EVENT_USER_HOTUNPLUG_DISK, EVENT_USER_FAILED_HOTUNPLUG_DISK},
         {EVENT_USER_HOTPLUG_DISK, EVENT_USER_FAILED_HOTPLUG_DISK}},
        {{EVENT_NETWORK_DEACTIVATE_VM_INTERFACE_SUCCESS,
          EVENT_NETWORK_DEACTIVATE_VM_INTERFACE_FAILURE},
         {EVENT_NETWORK_ACTIVATE_VM_INTERFACE_SUCCESS,
          EVENT_NETWORK_ACTIVATE_VM_INTERFACE_FAILURE}},
    };
    event_add(change, codes[context->nic != NULL][plugging][text != NULL],
              &(EventFacts){.vm = vm,
                            .disk = context_disk(operation),
                            .name = nic ? nic->name : NULL,
                            .detail = text});
}

static void remove_device(Change *change, Entity *vm, const ApiOperationContext *context)
{
    ApiVm *object = change_edit(change, vm)->object;
    if (context->nic)
        api_list_remove(&object->nics, vm_find_nic(object, context->nic));
    else
        api_list_remove(&object->disk_attachments, vm_find_attachment(object, context->disk));
}

static void plug_finish(Operation *operation, Change *change, const Fail *why)
{
    const ApiOperationContext *context = operation_context(operation);
    Entity *vm = step_vm(operation);
    bool plugged = !fail_is_set(why) || context->keep == API_TRUE;
    if (!vm)
        return;
    plug_event(operation, change, true, why);
    if (plugged || context->flag != API_TRUE)
        set_flag(change, vm, context, plugged);
    else
        remove_device(change, vm, context);
    if (vm_state(vm)->host)
        fleet_refresh(operation->manager, vm_state(vm)->host);
}

static void delete_disk(Operation *operation, Change *change)
{
    Entity *disk = context_disk(operation);
    const char *follower;
    if (!disk)
        return;
    disk_plan_remove(change, disk, &follower);
    operation_follow(operation, follower);
}

static void unplug_finish(Operation *operation, Change *change, const Fail *why)
{
    const ApiOperationContext *context = operation_context(operation);
    Entity *vm = step_vm(operation);
    if (!vm)
        return;
    plug_event(operation, change, false, why);
    if (fail_is_set(why))
        return;
    set_flag(change, vm, context, false);
    if (context->keep != API_TRUE)
        remove_device(change, vm, context);
    if (context->flag == API_TRUE)
        delete_disk(operation, change);
    if (vm_state(vm)->host)
        fleet_refresh(operation->manager, vm_state(vm)->host);
}

static const OperationStep plug_steps[] = {
    {"plug", "Plugging the device", act_plug, undo_plug, 0},
};

const OperationKind device_plug_kind = {
    .name = "device_plug",
    .title = "Plugging ${device} into VM ${vm}",
    .steps = plug_steps,
    .count = COUNT_OF(plug_steps),
    .finish = plug_finish,
};

static const OperationStep unplug_steps[] = {
    {"unplug", "Unplugging the device", act_unplug, NULL, 0},
};

const OperationKind device_unplug_kind = {
    .name = "device_unplug",
    .title = "Unplugging ${device} of VM ${vm}",
    .steps = unplug_steps,
    .count = COUNT_OF(unplug_steps),
    .finish = unplug_finish,
};
