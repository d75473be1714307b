#include "agent/storage/storage_task.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/storage/storage_state.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

enum { TASK_FILE_MAX = 1024 * 1024 };

typedef enum TaskPhase {
    TASK_WAITING,
    TASK_RUNNING,
    TASK_PARKED, // until its storage appears
    TASK_UNDOING,
    TASK_SUCCEEDED,
    TASK_UNDONE,
    TASK_FAILED,
    _TASK_PHASE_MAX,
} TaskPhase;

static const struct {
    const char *name; // in the file
    const char *state, *result;
    bool done;
} phase_rows[_TASK_PHASE_MAX] = {
    [TASK_WAITING] = {"waiting", "running", "", false},
    [TASK_RUNNING] = {"running", "running", "", false},
    [TASK_PARKED] = {"running", "running", "", false},
    [TASK_UNDOING] = {"undoing", "cleaning", "", false},
    [TASK_SUCCEEDED] = {"succeeded", "finished", "success", true},
    [TASK_UNDONE] = {"undone", "finished", "cleanSuccess", true},
    [TASK_FAILED] = {"failed", "finished", "cleanFailure", true},
};

typedef struct StorageTask {
    char id[UUID_SIZE];
    Storage *storage;
    const TaskKind *kind;
    Arena arena; // of the parameters
    const Json *parameters;
    TaskPhase phase;
    bool again, reverting, undo_only;
    bool idle; // no work of the queue
    int pins;  // somebody looks at it without the mutex: it may not be freed
    int code;
    char *message;
    int64_t created_ms;
    Work work;
} StorageTask;

// ---- the file

static char *task_path(const StorageTasks *tasks, const char *id)
{
    return memory_format("%s/%s.json", tasks->directory, id);
}

static char *boot_id(void)
{
    char *id = NULL;
    if (file_read("/proc/sys/kernel/random/boot_id", 4096, &id, NULL))
        return memory_string("");
    id[strcspn(id, "\n")] = 0;
    return id;
}

static int task_save(StorageTask *task)
{
    AUTO_FREE char *path = task_path(&task->storage->tasks, task->id);
    AUTO_FREE char *boot = boot_id();
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    json_open(&writer, '{');
    json_add_string(&writer, "id", task->id);
    json_add_string(&writer, "verb", task->kind->verb);
    json_add_string(&writer, "boot", boot);
    json_add_integer(&writer, "created", task->created_ms);
    json_add_string(&writer, "phase", phase_rows[task->phase].name);
    json_add_bool(&writer, "reverting", task->reverting);
    json_add_integer(&writer, "code", task->code);
    json_add_string(&writer, "message", task->message ? task->message : "");
    json_key(&writer, "parameters");
    json_put(&writer, task->parameters);
    json_close(&writer, '}');
    strbuf_addc(&text, '\n');
    int result = file_write_atomic(path, text.data, text.length, 0600);
    if (result)
        log_error("storage.task", LOG_ID("task", task->id), "%s can't be written: %s.", path,
                  strerror(-result));
    return result;
}

// ---- life

static void task_free(StorageTask *task)
{
    arena_done(&task->arena);
    free(task->message);
    free(task);
}

static void task_result(StorageTask *task, int code, const Fail *why)
{
    AUTO_FREE char *text = code ? fail_text(why) : NULL;
    free(task->message);
    task->code = code;
    task->message =
        code ? memory_format("%s: %s", vdsm_error_text(code), text) : memory_string("Done");
}

static void task_enter(StorageTask *task, TaskPhase phase)
{
    StorageTasks *tasks = &task->storage->tasks;
    uv_mutex_lock(&tasks->mutex);
    task->phase = phase;
    uv_mutex_unlock(&tasks->mutex);
}

// The domain is not there (any more): nothing is lost by waiting for it.
static bool storage_is_away(int error)
{
    return error == VDSM_DOMAIN_DOES_NOT_EXIST || error == VDSM_DOMAIN_ACCESS ||
           error == VDSM_STALE_HANDLE || error == VDSM_POOL_UNKNOWN;
}

static bool task_shall_wait(const StorageTask *task, int error)
{
    return task->storage->tasks.stopping || (task->again && storage_is_away(error));
}

static void task_undo(StorageTask *task, const TaskRun *run)
{
    AUTO_FAIL why = {0};
    int (*undo)(const TaskRun *, Fail *) = task->reverting ? task->kind->revert : task->kind->undo;
    int error = undo ? undo(run, &why) : 0;
    if (error && task_shall_wait(task, error)) {
        task_enter(task, TASK_PARKED);
        task->undo_only = true;
        return;
    }
    if (error) {
        AUTO_FREE char *text = fail_text(&why);
        log_warn("storage.task.undo", LOG_ID("task", task->id), "It can't be undone: %s", text);
    }
    task_enter(task, error ? TASK_FAILED : TASK_UNDONE);
}

static void task_run(Work *work)
{
    StorageTask *task = CONTAINER(work, StorageTask, work);
    TaskRun run = {task->storage, task->parameters, &work->stop, task->again};
    AUTO_FAIL why = {0};
    if (task->undo_only) {
        task_enter(task, TASK_UNDOING);
        task_undo(task, &run);
        return;
    }
    task_enter(task, TASK_RUNNING);
    int error = atomic_load(&work->stop)
                    ? storage_fail(&why, VDSM_TASK_ABORTED, "It was stopped before it began")
                    : task->kind->run(&run, &why);
    if (!error || task_shall_wait(task, error)) {
        uv_mutex_lock(&task->storage->tasks.mutex);
        if (!error)
            task_result(task, 0, NULL);
        task->phase = error ? TASK_PARKED : TASK_SUCCEEDED;
        uv_mutex_unlock(&task->storage->tasks.mutex);
        return;
    }
    uv_mutex_lock(&task->storage->tasks.mutex);
    task_result(task, error, &why);
    task->phase = TASK_UNDOING;
    uv_mutex_unlock(&task->storage->tasks.mutex);
    log_warn("storage.task", LOG_ID("task", task->id), "%s: %s", task->kind->verb, task->message);
    task_save(task);
    task_undo(task, &run);
}

// The result is on disk before anybody can see it.
static void task_ended(Work *work)
{
    StorageTask *task = CONTAINER(work, StorageTask, work);
    StorageTasks *tasks = &task->storage->tasks;
    uv_mutex_lock(&tasks->mutex);
    TaskPhase phase = task->phase;
    bool dropped = phase == TASK_WAITING && !tasks->stopping;
    if (dropped) { // stopped while it waited
        AUTO_FAIL why = {0};
        storage_fail(&why, VDSM_TASK_ABORTED, "It was stopped before it began");
        task_result(task, VDSM_TASK_ABORTED, &why);
        task->phase = TASK_UNDONE;
    }
    if (phase_rows[task->phase].done)
        task_save(task);
    task->idle = true;
    uv_mutex_unlock(&tasks->mutex);
}

static int task_start(StorageTask *task)
{
    const char *id = json_get_string(task->parameters, task->kind->id);
    const char *domain = json_get_string(task->parameters, "storagedomainID");
    task->work = (Work){.run = task_run, .ended = task_ended};
    task->work.what = memory_format("%s %s", task->kind->what, id ? id : "");
    snprintf(task->work.domain, sizeof(task->work.domain), "%s", domain ? domain : "");
    task->kind->locks(task->parameters, &task->work.locks);
    int result = work_add(&task->storage->works, &task->work);
    if (result)
        free(TAKE(task->work.what));
    return result;
}

// ---- adding

static StorageTask *task_new(Storage *storage, const TaskKind *kind, const Json *parameters)
{
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    const char *error;
    size_t offset;
    StorageTask *task = NEW(StorageTask);
    json_put(&writer, parameters);
    arena_init(&task->arena, text.length * 3 + 256);
    char *copy = arena_bytes(&task->arena, text.data, text.length);
    task->parameters = json_parse(&task->arena, copy, text.length, &error, &offset);
    task->storage = storage;
    task->kind = kind;
    return task;
}

int storage_task_add(Storage *storage, const char *verb, const Json *parameters,
                     char ret_id[UUID_SIZE], Fail *why)
{
    StorageTasks *tasks = &storage->tasks;
    const TaskKind *kind = task_kind_find(verb);
    StorageTask *task = task_new(storage, kind, parameters);
    uuid_new(task->id);
    memcpy(ret_id, task->id, UUID_SIZE);
    task->created_ms = clock_wall_ms();
    int result = task_save(task);
    if (result) {
        task_free(task);
        // The agent's own files, not a storage domain's: storage_errno() would send people there.
        storage_fail(why, VDSM_TASK_PERSIST, "The task can't be recorded in %s on the host",
                     tasks->directory);
        fail_detail(why, "%s", strerror(abs(result)));
        fail_hint(why, "Make room on the file system of the agent's state, or make it writable");
        return VDSM_TASK_PERSIST;
    }
    uv_mutex_lock(&tasks->mutex);
    map_put(&tasks->tasks, task->id, task);
    uv_mutex_unlock(&tasks->mutex);
    result = task_start(task);
    if (!result)
        return 0;
    AUTO_FREE char *path = task_path(tasks, ret_id);
    uv_mutex_lock(&tasks->mutex);
    map_remove(&tasks->tasks, task->id);
    uv_mutex_unlock(&tasks->mutex);
    unlink(path);
    task_free(task);
    return storage_fail(why, VDSM_ADD_TASK, "Too many tasks are waiting");
}

// ---- after a restart

static TaskPhase phase_parse(const char *name)
{
    for (TaskPhase phase = 0; name && phase < _TASK_PHASE_MAX; phase++)
        if (!strcmp(phase_rows[phase].name, name))
            return phase;
    return TASK_RUNNING;
}

// After a reboot another host may manage the pool: what was not finished must not be touched from
// here any more. The clean-up that every start of the management does removes what it left.
static void task_recover_phase(StorageTask *task, bool same_boot)
{
    if (phase_rows[task->phase].done)
        return;
    if (same_boot) {
        task->again = true;
        task->undo_only = task->phase == TASK_UNDOING;
        return;
    }
    AUTO_FAIL why = {0};
    storage_fail(&why, VDSM_TASK_ABORTED, "The host was restarted before it was finished");
    task_result(task, VDSM_TASK_ABORTED, &why);
    task->phase = TASK_FAILED;
    task_save(task);
}

static StorageTask *task_load(Storage *storage, const char *path)
{
    AUTO_FREE char *text = NULL, *boot = boot_id();
    AUTO_ARENA arena = {0};
    const char *error;
    size_t offset, length = 0;
    if (file_read(path, TASK_FILE_MAX, &text, &length))
        return NULL;
    arena_init(&arena, length * 3 + 256);
    const Json *json = json_parse(&arena, text, length, &error, &offset);
    const char *id = json_get_string(json, "id"), *written = json_get_string(json, "boot");
    const TaskKind *kind = task_kind_find(json_get_string(json, "verb"));
    const Json *parameters = json_get(json, "parameters");
    if (!uuid_valid(id) || !kind || !parameters)
        return NULL;
    StorageTask *task = task_new(storage, kind, parameters);
    memcpy(task->id, id, UUID_SIZE);
    task->created_ms = json_get_integer(json, "created", 0);
    task->phase = phase_parse(json_get_string(json, "phase"));
    task->reverting = json_get_bool(json, "reverting", false);
    task->code = (int)json_get_integer(json, "code", 0);
    task->message = memory_string(json_get_string(json, "message"));
    task->idle = true;
    task_recover_phase(task, written && !strcmp(written, boot));
    return task;
}

static void task_recover(Storage *storage, const char *path)
{
    StorageTask *task = task_load(storage, path);
    if (!task) {
        log_error("storage.task", LOG_NONE, "%s is not valid and is set aside.", path);
        AUTO_FREE char *aside = memory_format("%s.invalid", path);
        rename(path, aside);
        return;
    }
    map_put(&storage->tasks.tasks, task->id, task);
    if (!phase_rows[task->phase].done) {
        log_notice("storage.task", LOG_ID("task", task->id), "Going on with %s.", task->kind->verb);
        task->idle = false;
        task->phase = TASK_WAITING;
        task_start(task);
    }
}

int storage_tasks_recover(Storage *storage, Fail *why)
{
    StorageTasks *tasks = &storage->tasks;
    int result = directory_make(tasks->directory, 0700);
    DIR *stream = result ? NULL : opendir(tasks->directory);
    if (!stream)
        return fail_errno(why, FAIL_INTERNAL, result ? result : errno, "%s can't be used",
                          tasks->directory);
    directory_drop_unfinished(tasks->directory);
    for (struct dirent *entry; (entry = readdir(stream));) {
        size_t length = strlen(entry->d_name);
        AUTO_FREE char *path = memory_format("%s/%s", tasks->directory, entry->d_name);
        if (length == UUID_SIZE - 1 + 5 && !strcmp(entry->d_name + length - 5, ".json"))
            task_recover(storage, path);
    }
    closedir(stream);
    return 0;
}

void storage_tasks_resume(Storage *storage)
{
    StorageTasks *tasks = &storage->tasks;
    AUTO_ARRAY parked = {0};
    uv_mutex_lock(&tasks->mutex);
    MAP_EACH(&tasks->tasks, slot) {
        StorageTask *task = slot->value;
        if (task->phase != TASK_PARKED || !task->idle)
            continue;
        task->phase = TASK_WAITING;
        task->again = true;
        task->idle = false;
        array_add(&parked, task);
    }
    uv_mutex_unlock(&tasks->mutex);
    for (size_t i = 0; i < parked.count; i++)
        task_start(parked.items[i]);
}

void storage_tasks_init(Storage *storage)
{
    StorageTasks *tasks = &storage->tasks;
    uv_mutex_init(&tasks->mutex);
    tasks->directory = memory_format("%s/tasks", storage->state);
}

void storage_tasks_done(Storage *storage)
{
    StorageTasks *tasks = &storage->tasks;
    MAP_EACH(&tasks->tasks, slot)
        task_free(slot->value);
    map_done(&tasks->tasks);
    free(tasks->directory);
    uv_mutex_destroy(&tasks->mutex);
}

// ---- what can be done with one

// With the mutex held.
static StorageTask *task_get(StorageTasks *tasks, const char *id, Fail *why)
{
    StorageTask *task = map_get(&tasks->tasks, id);
    if (!task)
        storage_fail(why, VDSM_UNKNOWN_TASK, "There is no task %s", id);
    return task;
}

int storage_task_clear(Storage *storage, const char *id, Fail *why)
{
    StorageTasks *tasks = &storage->tasks;
    int error = 0;
    uv_mutex_lock(&tasks->mutex);
    StorageTask *task = task_get(tasks, id, why);
    if (!task)
        error = VDSM_UNKNOWN_TASK;
    else if (!phase_rows[task->phase].done || !task->idle || task->pins)
        error = storage_fail(why, VDSM_TASK_STATE, "Task %s is not finished", id);
    else {
        AUTO_FREE char *path = task_path(tasks, id);
        if (unlink(path) < 0 && errno != ENOENT)
            error = storage_errno(why, VDSM_TASK_PERSIST, errno, "%s can't be removed", path);
    }
    if (!error)
        map_remove(&tasks->tasks, id);
    uv_mutex_unlock(&tasks->mutex);
    if (!error)
        task_free(task);
    return error;
}

static void task_give_up(StorageTask *task)
{
    AUTO_FAIL why = {0};
    storage_fail(&why, VDSM_TASK_ABORTED, "It was stopped while its storage was not there");
    task_result(task, VDSM_TASK_ABORTED, &why);
    task->phase = TASK_FAILED;
    task_save(task);
}

int storage_task_stop(Storage *storage, const char *id, Fail *why)
{
    StorageTasks *tasks = &storage->tasks;
    uv_mutex_lock(&tasks->mutex);
    StorageTask *task = task_get(tasks, id, why);
    bool parked = task && task->phase == TASK_PARKED && task->idle;
    // What a restart interrupted may have left files: it has to get its turn to undo them.
    bool cancel = task && task->phase == TASK_WAITING && !task->again;
    if (parked)
        task_give_up(task);
    else if (task && !cancel)
        atomic_store(&task->work.stop, true);
    if (task)
        task->pins++;
    uv_mutex_unlock(&tasks->mutex);
    if (cancel)
        work_cancel(&storage->works, &task->work);
    if (!task)
        return VDSM_UNKNOWN_TASK;
    uv_mutex_lock(&tasks->mutex);
    task->pins--;
    uv_mutex_unlock(&tasks->mutex);
    return 0;
}

int storage_task_revert(Storage *storage, const char *id, Fail *why)
{
    StorageTasks *tasks = &storage->tasks;
    uv_mutex_lock(&tasks->mutex);
    StorageTask *task = task_get(tasks, id, why);
    int error = task ? 0 : VDSM_UNKNOWN_TASK;
    bool start = false;
    if (task && (!phase_rows[task->phase].done || !task->idle))
        error = storage_fail(why, VDSM_TASK_NOT_FINISHED, "Task %s is not finished", id);
    else if (task && task->phase == TASK_SUCCEEDED && task->kind->revert) {
        start = true;
        task->reverting = task->undo_only = task->again = true;
        task->phase = TASK_UNDOING;
        task->idle = false;
        task_save(task);
    }
    uv_mutex_unlock(&tasks->mutex);
    if (start)
        task_start(task);
    return error;
}

// ---- views

static void task_view(const StorageTask *task, TaskView view, JsonWriter *writer)
{
    // A result counts once it is on disk.
    TaskPhase phase = phase_rows[task->phase].done && !task->idle ? TASK_RUNNING : task->phase;
    bool done = phase_rows[phase].done;
    json_open(writer, '{');
    if (view == TASK_STATUS)
        json_add_string(writer, "taskID", task->id);
    else
        json_add_string(writer, "id", task->id);
    if (view != TASK_STATUS)
        json_add_string(writer, "verb", task->kind->verb);
    if (view != TASK_INFO) {
        json_add_string(writer, view == TASK_STATUS ? "taskState" : "state",
                        phase_rows[phase].state);
        json_add_string(writer, "taskResult", phase_rows[phase].result);
        json_add_integer(writer, "code", done ? task->code : 0);
        json_add_string(writer, "message", done && task->message ? task->message : "");
    }
    if (view == TASK_DETAILS)
        json_add_string(writer, "tag", task->kind->tag);
    json_close(writer, '}');
}

int storage_task_write(Storage *storage, const char *id, TaskView view, StrBuf *out, Fail *why)
{
    StorageTasks *tasks = &storage->tasks;
    JsonWriter writer = {.out = out};
    uv_mutex_lock(&tasks->mutex);
    const StorageTask *task = task_get(tasks, id, why);
    if (task)
        task_view(task, view, &writer);
    uv_mutex_unlock(&tasks->mutex);
    return task ? 0 : VDSM_UNKNOWN_TASK;
}

void storage_task_write_all(Storage *storage, TaskView view, StrBuf *out)
{
    StorageTasks *tasks = &storage->tasks;
    JsonWriter writer = {.out = out};
    uv_mutex_lock(&tasks->mutex);
    json_open(&writer, '{');
    MAP_EACH(&tasks->tasks, slot) {
        json_key(&writer, slot->key);
        task_view(slot->value, view, &writer);
    }
    json_close(&writer, '}');
    uv_mutex_unlock(&tasks->mutex);
}

char *storage_task_unfinished(Storage *storage, const char *tag)
{
    StorageTasks *tasks = &storage->tasks;
    char *id = NULL;
    uv_mutex_lock(&tasks->mutex);
    MAP_EACH(&tasks->tasks, slot) {
        const StorageTask *task = slot->value;
        if (!id && !phase_rows[task->phase].done && (!tag || !strcmp(task->kind->tag, tag)))
            id = memory_string(task->id);
    }
    uv_mutex_unlock(&tasks->mutex);
    return id;
}
