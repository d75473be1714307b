#include "manager/storage/spm_task.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "manager/inventory/inventory.h"
#include "proto/vdsm.h"

enum { TASK_POLL_MS = 200 };

static void call_task(Manager *manager, Entity *host, const char *method, const char *task,
                      HostReply reply, void *argument)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    json_open(&writer, '{');
    json_add_string(&writer, "taskID", task);
    json_close(&writer, '}');
    host_call_entity(manager, host, method, &params, HOST_CALL_MS, reply, argument);
}

// ---- waiting

typedef struct TaskWait {
    Manager *manager;
    Entity *host; // a reference
    char *task;
    uv_timer_t timer;
    SpmTaskDone done;
    void *argument;
    Fail why;
} TaskWait;

static void wait_closed(uv_handle_t *handle)
{
    TaskWait *wait = handle->data;
    entity_unref(wait->host);
    fail_done(&wait->why);
    free(wait->task);
    free(wait);
}

static void wait_end(TaskWait *wait)
{
    wait->done(&wait->why, wait->argument);
    uv_close((uv_handle_t *)&wait->timer, wait_closed);
}

static void wait_poll(uv_timer_t *timer);

static void wait_answered(const Json *result, const Fail *why, int code, void *argument)
{
    TaskWait *wait = argument;
    const char *state = json_get_string(result, "taskState");
    const char *outcome = json_get_string(result, "taskResult");
    (void)code;
    if (fail_is_set(why)) {
        fail_copy(&wait->why, why);
        wait_end(wait);
        return;
    }
    if (!state || strcmp(state, "finished")) {
        uv_timer_start(&wait->timer, wait_poll, TASK_POLL_MS, 0);
        return;
    }
    if (outcome && strcmp(outcome, "success")) {
        const char *message = json_get_string(result, "message");
        fail_set(&wait->why, FAIL_HOST, "A storage task failed on host %s.",
                 entity_name(wait->host));
        fail_detail(&wait->why, "%s (%lld)", message ? message : outcome,
                    (long long)json_get_integer(result, "code", 0));
    }
    spm_task_clear(wait->manager, wait->host, wait->task);
    wait_end(wait);
}

static void wait_poll(uv_timer_t *timer)
{
    TaskWait *wait = timer->data;
    call_task(wait->manager, wait->host, "Task.getStatus", wait->task, wait_answered, wait);
}

void spm_task_wait(Manager *manager, Entity *host, const char *task, SpmTaskDone done,
                   void *argument)
{
    TaskWait *wait = NEW(TaskWait);
    *wait = (TaskWait){.manager = manager,
                       .host = entity_ref(host),
                       .task = memory_string(task),
                       .done = done,
                       .argument = argument};
    uv_timer_init(manager->loop, &wait->timer);
    wait->timer.data = wait;
    uv_timer_start(&wait->timer, wait_poll, 10, 0);
}

// ---- without waiting

static void ignored(const Json *result, const Fail *why, int code, void *argument)
{
    (void)result;
    (void)why;
    (void)code;
    (void)argument; // the sweep comes by again
}

void spm_task_clear(Manager *manager, Entity *host, const char *task)
{
    call_task(manager, host, "Task.clear", task, ignored, NULL);
}

void spm_task_stop(Manager *manager, Entity *host, const char *task)
{
    call_task(manager, host, "Task.stop", task, ignored, NULL);
}

// ---- sweeping

typedef struct Sweep {
    Manager *manager;
    Entity *host; // a reference
} Sweep;

static bool task_is_known(const Manager *manager, const char *task)
{
    INVENTORY_EACH(manager->inventory, KIND_OPERATION, entity)
    {
        const ApiOperation *row = ENTITY_OBJECT(entity, Operation);
        if (row->phase != API_OPERATION_PHASE_ENDED && row->context->task &&
            !strcmp(row->context->task, task))
            return true;
    }
    return false;
}

static bool seen_before(const HostState *state, const char *task)
{
    const char *at = state->ended_tasks ? strstr(state->ended_tasks, task) : NULL;
    return at != NULL;
}

static void swept(const Json *result, const Fail *why, int code, void *argument)
{
    Sweep *sweep = argument;
    HostState *state = host_state(sweep->host);
    AUTO_STRBUF ended = {0};
    (void)code;
    if (!fail_is_set(why) && result && !result->count && !state->is_spm)
        state->tasks_swept = true;
    JSON_EACH(fail_is_set(why) ? NULL : result, task) {
        const char *task_state = json_get_string(task, "taskState");
        if (!task->key || !task_state || strcmp(task_state, "finished") ||
            task_is_known(sweep->manager, task->key))
            continue;
        if (seen_before(state, task->key)) {
            log_info("storage.task", LOG_ID("host", sweep->host->id),
                     "Task %s has ended and nobody waits for it; clearing it.", task->key);
            spm_task_clear(sweep->manager, sweep->host, task->key);
        } else
            strbuf_addf(&ended, "%s ", task->key);
    }
    free(state->ended_tasks);
    state->ended_tasks = ended.length ? strbuf_take(&ended) : NULL;
    entity_unref(sweep->host);
    free(sweep);
}

void spm_tasks_sweep(Manager *manager, Entity *host)
{
    StrBuf params = {0};
    Sweep *sweep = NEW(Sweep);
    *sweep = (Sweep){manager, entity_ref(host)};
    host_call_entity(manager, host, "Host.getAllTasksStatuses", &params, HOST_CALL_MS, swept,
                     sweep);
}
