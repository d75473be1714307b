#include "manager/storage/task_step.h"

#include <stdlib.h>
#include <string.h>

#include "manager/fleet/fleet.h"
#include "manager/storage/domain_step.h"
#include "manager/storage/spm_task.h"
#include "proto/vdsm.h"

enum { TASK_POLL_MS = 200 };

// One turn of the step. Lies in operation->scratch from the first call of a turn to its end, so
// that a cancelled or restarted step frees it with the operation.
typedef struct TaskTurn {
    const TaskStep *step;
    char host[UUID_SIZE];
    bool acted; // a task of ours has ended: the next observation decides
    bool succeeded;
    Fail why; // of that task or of its beginning
} TaskTurn;

static TaskTurn *turn_of(Operation *operation)
{
    return operation->scratch;
}

static Entity *turn_host(Operation *operation)
{
    return inventory_get(operation->manager->inventory, KIND_HOST, turn_of(operation)->host);
}

static const char *turn_host_name(Operation *operation)
{
    Entity *host = turn_host(operation);
    return host ? entity_name(host) : turn_of(operation)->host;
}

static void turn_end(Operation *operation)
{
    TaskTurn *turn = turn_of(operation);
    fail_done(&turn->why);
    free(turn);
    operation->scratch = NULL;
}

void storage_write_place(JsonWriter *writer, const char *pool, const char *domain,
                         const char *image, const char *volume)
{
    if (pool)
        json_add_string(writer, "storagepoolID", pool);
    if (domain)
        json_add_string(writer, "storagedomainID", domain);
    if (image)
        json_add_string(writer, "imageID", image);
    if (volume)
        json_add_string(writer, "volumeID", volume);
}

static void turn_call(Operation *operation, const char *method,
                      void (*write)(Operation *operation, JsonWriter *writer), StepReply reply)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    json_open(&writer, '{');
    write(operation, &writer);
    json_close(&writer, '}');
    step_call(operation, turn_host(operation), method, &params, reply);
}

// ---- asking

static void turn_reached(Operation *operation, const Json *answer)
{
    const TaskStep *step = turn_of(operation)->step;
    Change *change = operation_change(operation);
    Arena *arena;
    ApiOperationContext *context = operation_edit_context(operation, change, &arena);
    context->task = context->task_verb = NULL;
    if (step->keep)
        step->keep(operation, change, answer);
    turn_end(operation);
    operation_done_with(operation, change);
}

static void turn_missed(Operation *operation)
{
    AUTO_FAIL why = {0};
    TaskTurn *turn = turn_of(operation);
    if (fail_is_set(&turn->why))
        fail_copy(&why, &turn->why);
    else
        fail_set(&why, FAIL_HOST, "Host %s reported success of %s, but nothing has come of it.",
                 turn_host_name(operation), turn->step->act);
    turn_end(operation);
    operation_fail(operation, &why);
}

static void turn_began(Operation *operation, const Json *result, const Fail *why, int code);

static void turn_asked(Operation *operation, const Json *result, const Fail *why, int code)
{
    TaskTurn *turn = turn_of(operation);
    TaskGoal goal = turn->step->judge(operation, result, code);
    if (goal == TASK_GOAL_MISSED && turn->succeeded && turn->step->trust)
        goal = TASK_GOAL_REACHED;
    if (goal == TASK_GOAL_UNKNOWN) {
        turn_end(operation);
        step_put_off(operation, why);
    } else if (goal == TASK_GOAL_REACHED)
        turn_reached(operation, result);
    else if (turn->acted)
        turn_missed(operation);
    else
        turn_call(operation, turn->step->act, turn->step->write_act, turn_began);
}

static void turn_ask(Operation *operation)
{
    turn_call(operation, turn_of(operation)->step->ask, turn_of(operation)->step->write_ask,
              turn_asked);
}

// ---- the task

static void turn_began(Operation *operation, const Json *result, const Fail *why, int code)
{
    TaskTurn *turn = turn_of(operation);
    const char *task = json_string(result);
    Arena *arena;
    Entity *host = turn_host(operation);
    if (fail_is_set(why) && domain_step_lost_role(operation, host, why, code)) {
        turn_end(operation);
        return;
    }
    if (!task) {
        turn->acted = true;
        fail_done(&turn->why);
        if (fail_is_set(why))
            fail_copy(&turn->why, why);
        turn_ask(operation); // it may be so because it is done
        return;
    }
    Change *change = operation_change(operation);
    ApiOperationContext *context = operation_edit_context(operation, change, &arena);
    context->task = arena_string(arena, task);
    context->task_verb = arena_string(arena, turn->step->act);
    turn_end(operation);
    operation_remember(operation, change, 0);
}

static void task_failed(Operation *operation, const Json *status)
{
    TaskTurn *turn = turn_of(operation);
    const char *message = json_get_string(status, "message");
    int code = (int)json_get_integer(status, "code", VDSM_GENERAL);
    fail_set(&turn->why, FAIL_HOST, "A storage task failed on host %s.", turn_host_name(operation));
    fail_detail(&turn->why, "%s (%d)", message && *message ? message : vdsm_error_text(code), code);
}

static void turn_polled(Operation *operation, const Json *result, const Fail *why, int code)
{
    TaskTurn *turn = turn_of(operation);
    const char *state = json_get_string(result, "taskState");
    const char *outcome = json_get_string(result, "taskResult");
    if (!fail_is_set(why) && (!state || strcmp(state, "finished"))) {
        turn_end(operation);
        operation_progress(operation, -1);
        operation_wait(operation, TASK_POLL_MS);
        return;
    }
    // A host that has forgotten the task is asked for the goal, and perhaps for the task again.
    if (!fail_is_set(why)) {
        turn->acted = true;
        turn->succeeded = !outcome || !strcmp(outcome, "success");
        if (!turn->succeeded)
            task_failed(operation, result);
        spm_task_clear(operation->manager, turn_host(operation),
                       operation_context(operation)->task);
    } else if (code != VDSM_UNKNOWN_TASK) {
        turn->acted = true;
        fail_copy(&turn->why, why);
    }
    turn_ask(operation);
}

static void write_task(Operation *operation, JsonWriter *writer)
{
    json_add_string(writer, "taskID", operation_context(operation)->task);
}

void task_step_run(Operation *operation, const TaskStep *step)
{
    AUTO_FAIL why = {0};
    Entity *data_center = step_data_center(operation);
    if (operation->scratch) // of a turn whose answer never came
        turn_end(operation);
    if (!data_center) {
        fail_set(&why, FAIL_NOT_FOUND, "The data center was removed meanwhile.");
        operation_fail(operation, &why);
        return;
    }
    Entity *host = fleet_storage_manager(operation->manager, data_center, &why);
    if (!host) {
        step_put_off(operation, &why);
        return;
    }
    TaskTurn *turn = NEW(TaskTurn);
    turn->step = step;
    memcpy(turn->host, host->id, UUID_SIZE);
    operation->scratch = turn;
    const ApiOperationContext *context = operation_context(operation);
    if (context->task && !strcmp(context->task_verb, step->act)) {
        turn_call(operation, "Task.getStatus", write_task, turn_polled);
        return;
    }
    if (context->task) // of the step that is being undone: it need not be carried to its end
        spm_task_stop(operation->manager, host, context->task);
    turn_ask(operation);
}
