// What users ask of a VM that is one call to its host: the states it is possible in, the call, the
// answer.
#pragma once

#include "base/json.h"
#include "manager/inventory/state.h"
#include "manager/rest/reply.h"

#define VM_STATUS_BIT(status) (UINT64_C(1) << API_VM_STATUS_##status)

// States in which there is a QEMU that answers.
#define VM_STATUS_LIVE                                                        \
    (VM_STATUS_BIT(UP) | VM_STATUS_BIT(POWERING_UP) | VM_STATUS_BIT(PAUSED) | \
     VM_STATUS_BIT(REBOOT_IN_PROGRESS) | VM_STATUS_BIT(POWERING_DOWN) |       \
     VM_STATUS_BIT(NOT_RESPONDING))

typedef struct VmVerb {
    const char *doing; // "reset": Cannot reset VM.
    const char *verb;  // of the host: "VM.reset"
    uint64_t statuses; // VM_STATUS_BIT
    EventCode failed;  // EVENT_NONE: the fault is enough
} VmVerb;

// The VM in the URL when the verb is possible now; NULL and request->why otherwise.
Entity *vm_call_begin(Request *request, const VmVerb *verb);
// Parameters of the call, open after the VM's id.
void vm_call_params(JsonWriter *writer, StrBuf *params, const Entity *vm);
// Sends it. `done` answers the request after success.
typedef void VmCallDone(Request *request, Entity *vm, const Json *result);
void vm_call(Request *request, Entity *vm, const VmVerb *verb, StrBuf *params, VmCallDone *done);
