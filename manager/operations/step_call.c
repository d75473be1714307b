#include "manager/operations/step_call.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/vdsm.h"

struct StepWait {
    Manager *manager;
    char operation[UUID_SIZE];
    uint64_t turn;
    StepReply reply; // of a call
};

StepWait *step_wait_new(Operation *operation)
{
    StepWait *wait = NEW(StepWait);
    wait->manager = operation->manager;
    wait->turn = operation_turn(operation);
    memcpy(wait->operation, operation->entity->id, UUID_SIZE);
    return wait;
}

Operation *step_wait_end(StepWait *wait)
{
    Operation *operation = operation_find(wait->manager, wait->operation);
    bool current = operation && operation_is_current(operation, wait->turn);
    free(wait);
    return current ? operation : NULL;
}

static void step_answered(const Json *result, const Fail *why, int code, void *argument)
{
    StepReply reply = ((StepWait *)argument)->reply;
    Operation *operation = step_wait_end(argument);
    if (!operation)
        return;
    // A host whose agent has just begun is looking for its VMs and answers soon.
    if (fail_is_set(why) && (!code || code == VDSM_RECOVERY_IN_PROGRESS))
        step_put_off(operation, why);
    else
        reply(operation, result, why, code);
}

void step_call(Operation *operation, Entity *host, const char *method, StrBuf *params,
               StepReply reply)
{
    StepWait *wait = step_wait_new(operation);
    wait->reply = reply;
    host_call_entity(operation->manager, host, method, params, STEP_CALL_MS, step_answered, wait);
}

int64_t step_silent_ms(const Operation *operation)
{
    return clock_monotonic_ms() - operation->progress_ms;
}

void step_put_off(Operation *operation, const Fail *why)
{
    if (step_silent_ms(operation) > STEP_PATIENCE_MS && !operation->undoing)
        step_fail(operation, why);
    else
        operation_wait(operation, STEP_PUT_OFF_MS);
}

void step_fail_or_put_off(Operation *operation, const Fail *why)
{
    if (why->code == FAIL_UNAVAILABLE || why->code == FAIL_TIMED_OUT || why->code == FAIL_NO_HOST)
        step_put_off(operation, why);
    else
        step_fail(operation, why);
}

void step_fail(Operation *operation, const Fail *why)
{
    AUTO_FAIL copy = {0};
    fail_copy(&copy, why);
    operation_fail(operation, &copy);
}

static Entity *step_object(const Operation *operation, Kind kind, const char *id)
{
    return id ? inventory_get(operation->manager->inventory, kind, id) : NULL;
}

Entity *step_vm(const Operation *operation)
{
    return step_object(operation, KIND_VM, operation_context(operation)->vm);
}

Entity *step_host(const Operation *operation)
{
    return step_object(operation, KIND_HOST, operation_context(operation)->host);
}

Entity *step_storage_domain(const Operation *operation)
{
    return step_object(operation, KIND_STORAGE_DOMAIN,
                       operation_context(operation)->storage_domain);
}

Entity *step_data_center(const Operation *operation)
{
    return step_object(operation, KIND_DATA_CENTER, operation_context(operation)->data_center);
}

Entity *step_disk(const Operation *operation)
{
    return step_object(operation, KIND_DISK, operation_context(operation)->disk);
}
