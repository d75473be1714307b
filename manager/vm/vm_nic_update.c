#include "manager/vm/vm_nic_update.h"

#include "base/log.h"
#include "manager/operations/step_call.h"
#include "manager/vm/vm_call.h"
#include "manager/vm/vm_devices.h"
#include "manager/vm/vm_plug.h"
#include "proto/vdsm.h"

void nic_plan_update(Change *change, Entity *vm, const ApiNic *next, const char **ret_id)
{
    Arena *arena;
    ApiOperationContext *context = operation_plan(change, &nic_update_kind, &arena, ret_id);
    context->vm = arena_string(arena, vm->id);
    context->nic = arena_string(arena, next->id);
    context->device_name = arena_string(arena, next->name);
    context->text = arena_string(arena, entity_name(vm));
    context->device = api_clone(arena, &api_type_nic, next);
    operation_lock(change, *ret_id, vm->id, LOCK_SHARED);
    operation_lock(change, *ret_id, next->id, LOCK_EXCLUSIVE);
}

static void host_answered(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)result;
    // A VM that has ended meanwhile starts with what is stored.
    if (!fail_is_set(why) || code == VDSM_NO_SUCH_VM || code == VDSM_VM_IS_DOWN)
        operation_done(operation);
    else
        step_fail(operation, why);
}

// The host that refuses this too has the interface as it was, or does not have it at all: asking
// again would only keep the VM locked.
static void undo_answered(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)result;
    (void)code;
    if (fail_is_set(why))
        log_warn("nic.update", LOG_ID("vm", operation_context(operation)->vm),
                 "A network interface may differ from its configuration: %s", why->message);
    operation_done(operation);
}

static void tell_host(Operation *operation, Entity *vm, const ApiNic *nic, StepReply reply)
{
    const char *bridge = vm_nic_bridge(operation->manager, nic);
    AUTO_FREE char *alias = memory_format("ua-%s", nic->id);
    StrBuf params = {0};
    JsonWriter writer;
    vm_call_params(&writer, &params, vm);
    json_key(&writer, "params");
    json_open(&writer, '{');
    json_add_string(&writer, "deviceType", "interface");
    json_add_string(&writer, "alias", alias);
    json_add_string(&writer, "macAddr", nic->mac->address);
    json_add_bool(&writer, "linkActive", bridge && nic->linked != API_FALSE);
    if (bridge)
        json_add_string(&writer, "network", bridge);
    json_close(&writer, '}');
    json_close(&writer, '}');
    step_call(operation, vm_state(vm)->host, "VM.updateDevice", &params, reply);
}

static void act_update(Operation *operation)
{
    Entity *vm = step_vm(operation);
    if (vm && vm_state(vm)->host)
        tell_host(operation, vm, operation_context(operation)->device, host_answered);
    else
        operation_done(operation);
}

static void undo_update(Operation *operation)
{
    Entity *vm = step_vm(operation);
    const char *id = operation_context(operation)->nic;
    const ApiNic *nic = vm ? vm_find_nic(ENTITY_OBJECT(vm, Vm), id) : NULL;
    if (nic && vm_state(vm)->host)
        tell_host(operation, vm, nic, undo_answered);
    else
        operation_done(operation);
}

static const OperationStep update_steps[] = {
    {"update", "Changing the interface", act_update, undo_update, 0},
};

static void update_finish(Operation *operation, Change *change, const Fail *why)
{
    const ApiOperationContext *context = operation_context(operation);
    Entity *vm = step_vm(operation);
    AUTO_FREE char *text = fail_is_set(why) ? fail_text(why) : NULL;
    if (!vm)
        return;
    event_add(change,
              text ? EVENT_NETWORK_UPDATE_VM_INTERFACE_FAILED : EVENT_NETWORK_UPDATE_VM_INTERFACE,
              &(EventFacts){.vm = vm, .name = context->device->name, .detail = text});
    if (text)
        return;
    ApiDocument *draft = change_edit(change, vm);
    ApiNic *nic = vm_find_nic(draft->object, context->nic);
    if (nic)
        *nic = *(ApiNic *)api_clone(&draft->arena, &api_type_nic, context->device);
}

const OperationKind nic_update_kind = {
    .name = "nic_update",
    .title = "Changing network interface ${device} of VM ${vm}",
    .steps = update_steps,
    .count = COUNT_OF(update_steps),
    .finish = update_finish,
};
