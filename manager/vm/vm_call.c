#include "manager/vm/vm_call.h"

#include <stdlib.h>

#include "manager/fleet/host_link.h"
#include "manager/vm/vm_view.h"

typedef struct VmCall {
    Request *request;
    Entity *vm; // a reference
    const VmVerb *verb;
    VmCallDone *done;
} VmCall;

Entity *vm_call_begin(Request *request, const VmVerb *verb)
{
    Entity *vm = request_entity(request, 0, KIND_VM);
    if (!vm)
        return NULL;
    if (request_check_free(request, vm, LOCK_SHARED)) {
        fail_prefix(&request->why, "Cannot %s VM. ", verb->doing);
        return NULL;
    }
    ApiVmStatus status = vm_status(request->manager, vm);
    if (verb->statuses >> status & 1)
        return vm;
    if (status == API_VM_STATUS_DOWN)
        fail_set(&request->why, FAIL_STATE, "Cannot %s VM. VM is not running.", verb->doing);
    else
        fail_set(&request->why, FAIL_STATE, "Cannot %s VM. VM %s is %s.", verb->doing,
                 entity_name(vm), api_enum_name(&api_enum_vm_status, status));
    fail_object(&request->why, vm->id);
    return NULL;
}

void vm_call_params(JsonWriter *writer, StrBuf *params, const Entity *vm)
{
    *writer = (JsonWriter){.out = params};
    json_open(writer, '{');
    json_add_string(writer, "vmID", vm->id);
}

static void vm_call_failed(VmCall *call, const Fail *why)
{
    Request *request = call->request;
    AUTO_FAIL copy = {0};
    fail_copy(&copy, why);
    fail_prefix(&copy, "Cannot %s VM %s. ", call->verb->doing, entity_name(call->vm));
    if (call->verb->failed) {
        AUTO_FREE char *text = fail_text(why);
        event_write(
            request->manager, &request->cause, call->verb->failed,
            &(EventFacts){.vm = call->vm, .host = vm_state(call->vm)->host, .detail = text});
    }
    reply_fault(request, &copy);
}

static void vm_call_answered(const Json *result, const Fail *why, int code, void *argument)
{
    VmCall *call = argument;
    (void)code;
    if (fail_is_set(why))
        vm_call_failed(call, why);
    else
        call->done(call->request, call->vm, result);
    entity_unref(call->vm);
    free(call);
}

void vm_call(Request *request, Entity *vm, const VmVerb *verb, StrBuf *params, VmCallDone *done)
{
    VmCall *call = NEW(VmCall);
    *call = (VmCall){request, entity_ref(vm), verb, done};
    host_call_entity(request->manager, vm_state(vm)->host, verb->verb, params, HOST_CALL_MS,
                     vm_call_answered, call);
}
