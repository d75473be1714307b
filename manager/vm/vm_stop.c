// The operation that powers a VM off. Its host is asked until it has confirmed: a host that is
// silent may still run the VM, and a VM that may run must never be taken for stopped.
#include "manager/vm/vm_stop.h"

#include "manager/operations/step_call.h"
#include "manager/vm/vm_call.h"
#include "manager/vm/vm_end.h"
#include "proto/vdsm.h"
#include "rest_handlers.h"

static const VmVerb stop_verb = {
    "stop",
    NULL,
    VM_STATUS_LIVE | VM_STATUS_BIT(WAIT_FOR_LAUNCH) | VM_STATUS_BIT(UNKNOWN) |
        VM_STATUS_BIT(SUSPENDED),
    EVENT_NONE,
};

void vm_stop(Request *request)
{
    const ApiAction *action = request->body;
    Entity *vm = vm_call_begin(request, &stop_verb);
    Arena *arena;
    const char *id;
    if (!vm || request_check_free(request, vm, LOCK_EXCLUSIVE)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiOperationContext *context = operation_plan(change, &vm_stop_kind, &arena, &id);
    context->vm = arena_string(arena, vm->id);
    context->host = arena_string(arena, vm_state(vm)->host->id);
    context->text = arena_string(arena, entity_name(vm));
    operation_lock(change, id, vm->id, LOCK_EXCLUSIVE);
    if (action && action->reason) {
        ApiDocument *draft = change_edit(change, vm);
        ((ApiVm *)draft->object)->stop_reason = arena_string(&draft->arena, action->reason);
    }
    commit_and_run(request, change, id, 200, NULL);
}

static void destroy_answered(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)result;
    if (!fail_is_set(why) || code == VDSM_NO_SUCH_VM)
        operation_done(operation);
    else if (code == VDSM_VM_DESTROY_FAILED) // QEMU or libvirt is busy, or restarts
        step_put_off(operation, why);
    else
        step_fail(operation, why);
}

static void act_destroy(Operation *operation)
{
    Entity *vm = step_vm(operation), *host = step_host(operation);
    StrBuf params = {0};
    JsonWriter writer;
    if (!vm || !host) { // removed meanwhile: there is nothing to end
        operation_done(operation);
        return;
    }
    vm_call_params(&writer, &params, vm);
    json_close(&writer, '}');
    step_call(operation, host, "VM.destroy", &params, destroy_answered);
}

static const OperationStep stop_steps[] = {
    {"destroy", "Ending the VM on its host", act_destroy, NULL, 0},
};

static void stop_finish(Operation *operation, Change *change, const Fail *why)
{
    Entity *vm = step_vm(operation);
    AUTO_FREE char *text = fail_is_set(why) ? fail_text(why) : NULL;
    EventFacts facts = {.vm = vm, .host = step_host(operation), .detail = text};
    if (!vm)
        return;
    event_add(change, text ? EVENT_USER_FAILED_STOP_VM : EVENT_USER_STOP_VM, &facts);
    if (!text)
        vm_settle_down(change, vm, "Admin shut down from the manager", 0, 6);
}

const OperationKind vm_stop_kind = {
    .name = "vm_stop",
    .title = "Stopping VM ${vm}",
    .steps = stop_steps,
    .count = COUNT_OF(stop_steps),
    .finish = stop_finish,
};
