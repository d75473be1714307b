// Tasks of the pool's manager, as VDSM shows them: a verb answers with an id at once, the work is
// done behind it, the result stays until it is cleared. Each task has a file: after a restart of
// the agent it goes on, or is undone, and its result is still there.
#pragma once

#include "agent/storage/storage_work.h"
#include "base/arena.h"
#include "base/json.h"
#include "base/map.h"

typedef struct Storage Storage;

// What a kind's functions get.
typedef struct TaskRun {
    Storage *storage;
    const Json *parameters;
    atomic_bool *stop;
    bool again; // it may have been done before, in part or as a whole
} TaskRun;

typedef struct TaskKind {
    const char *verb; // as getAllTasksInfo shows it
    const char *tag;  // "spm" or "hsm"
    const char *what; // for people: "creation of volume %s", with...
    const char *id;   // ...this parameter
    void (*locks)(const Json *parameters, LockSet *locks);
    // Both can be repeated. NULL: nothing to undo.
    int (*run)(const TaskRun *run, Fail *why);
    int (*undo)(const TaskRun *run, Fail *why);
    // Takes back what was completed; NULL: can't be.
    int (*revert)(const TaskRun *run, Fail *why);
} TaskKind;

const TaskKind *task_kind_find(const char *verb);

typedef struct StorageTasks {
    uv_mutex_t mutex; // guards the map and all tasks in it
    Map tasks;        // id to StorageTask
    char *directory;
    atomic_bool stopping; // the agent ends: what is not finished goes on in its next life
} StorageTasks;

void storage_tasks_init(Storage *storage);
void storage_tasks_done(Storage *storage); // after the work queue's end
// Finds the tasks of an earlier life.
int storage_tasks_recover(Storage *storage, Fail *why);
// Storage has appeared: what waits for it goes on.
void storage_tasks_resume(Storage *storage);

// When this returns 0 the task is on disk.
int storage_task_add(Storage *storage, const char *verb, const Json *parameters,
                     char ret_id[UUID_SIZE], Fail *why);
int storage_task_clear(Storage *storage, const char *id, Fail *why);
int storage_task_stop(Storage *storage, const char *id, Fail *why);
int storage_task_revert(Storage *storage, const char *id, Fail *why);

typedef enum TaskView { TASK_STATUS, TASK_INFO, TASK_DETAILS } TaskView;
int storage_task_write(Storage *storage, const char *id, TaskView view, StrBuf *out, Fail *why);
void storage_task_write_all(Storage *storage, TaskView view, StrBuf *out);
// The id of one that is not finished, or NULL; the caller frees. `tag` NULL: any.
char *storage_task_unfinished(Storage *storage, const char *tag);
