// Operations: everything that takes longer than one change.
//
// An operation is a stored row that names its kind, its objects and the step it is at. A kind is a
// table of steps. Before a step acts, the row that says so is durable; after any crash the engine
// finds the row, asks the step to observe what is true, and goes on, or undoes.
//
// A step is a function that ends by calling exactly one of operation_done(), operation_wait() and
// operation_fail(), now or later. `act` must be idempotent: after a crash it runs again, and often
// the first thing it does is to look whether its work is done. `undo` is called for the step that
// failed and for all before it, last first; it must cope with a step that has done nothing.
//
// Locks are what running operations hold. Nothing else is ever locked, so nothing stays locked.
#pragma once

#include "base/list.h"
#include "manager/events/event_log.h"
#include "manager/inventory/change.h"

typedef struct Operation Operation;

typedef void (*OperationAct)(Operation *operation);

typedef struct OperationStep {
    const char *name;  // in the store: never renamed
    const char *title; // for people, in /jobs
    OperationAct act, undo;
    int silence_ms; // without progress for so long raises an alarm; 0: two minutes
} OperationStep;

typedef struct OperationKind {
    const char *name;  // in the store: never renamed
    const char *title; // for people: "Starting VM ${vm}"
    const OperationStep *steps;
    int count;
    // Adds to the change that ends the operation: events, the final state of its objects. `why` is
    // empty after success. May be NULL.
    void (*finish)(Operation *operation, Change *change, const Fail *why);
} OperationKind;

struct Operation {
    Manager *manager;
    const OperationKind *kind;
    Entity *entity; // the stored row; a reference
    List node;
    uv_timer_t timer;
    bool begun; // false: planned, its row on the way to the store; it holds its locks already
    bool closing;
    int commits; // changes of its row on their way to the store
    int remember_delay_ms;
    // While a step runs.
    bool running, undoing;
    uint64_t turn;       // grows with each step: late answers of earlier ones are told apart
    int64_t progress_ms; // monotonic
    bool alarmed;
    int progress_percent;     // of the current step, -1 unknown
    void *scratch;            // the kind's own, freed with free() when the operation ends
    char follower[UUID_SIZE]; // begins when this one has ended; "" when there is none
    Fail why;                 // the failure that made it undo
    // Waiting for the end: requests with async=false, other operations.
    List waiters;
};

typedef struct Operations Operations;

typedef enum LockMode { LOCK_SHARED, LOCK_EXCLUSIVE } LockMode;

Operations *operations_new(Manager *manager);
// Who waits for an end is told that the manager stops.
void operations_dismiss_waiters(Operations *operations);
// All operations are left where they are; answers that come late find none.
void operations_stop(Operations *operations);
// When the loop has ended.
void operations_free(Operations *operations);
// Kinds are known to the engine before the store is loaded.
void operations_register(Operations *operations, const OperationKind *kind);
// Takes up what the store holds; called once after loading.
void operations_resume(Operations *operations);

// ---- starting one, inside a change

// Adds the operation's row to the change. The caller fills the context that is returned (strings
// in *ret_arena) and locks. It begins to run when the change is durable.
ApiOperationContext *operation_plan(Change *change, const OperationKind *kind, Arena **ret_arena,
                                    const char **ret_id);
void operation_lock(Change *change, const char *operation, const char *object, LockMode mode);
// Called from ChangeDone of that change after success: starts it.
Operation *operation_begin(Manager *manager, const char *id);
// Fails with LOCKED, naming holder, since when and progress, when the object is held in a way
// that excludes `mode`.
int operation_check_free(Manager *manager, const char *object, LockMode mode, const char *noun,
                         const char *name, Fail *why);
// The operation that holds the object exclusively, or NULL.
Operation *operation_holding(Manager *manager, const char *object);

// For change.c: a row has become visible, and its locks with it; or it was taken back.
void operation_planned(Manager *manager, Entity *row);
void operation_taken_back(Manager *manager, const char *id);

// ---- inside a step

// What the step must know; read-only. Changed by operation_remember().
const ApiOperationContext *operation_context(const Operation *operation);
Cause operation_cause(const Operation *operation);
// A change to be committed with operation_done_with(): the step's results and the advance become
// durable together.
Change *operation_change(Operation *operation);
ApiOperationContext *operation_edit_context(Operation *operation, Change *change,
                                            Arena **ret_arena);
void operation_done(Operation *operation);
void operation_done_with(Operation *operation, Change *change);
// Call the step again after so long (polling a host's task).
void operation_wait(Operation *operation, int delay_ms);
// Makes the change durable while the step stays where it is (a host's task that was begun); then
// calls the step again.
void operation_remember(Operation *operation, Change *change, int delay_ms);
// In `finish`: an operation planned in the same change begins when this one has ended.
void operation_follow(Operation *operation, const char *follower);
// Takes the failure over.
void operation_fail(Operation *operation, Fail *why);
void operation_progress(Operation *operation, int percent);
// A callback that comes later compares: an answer for a step that is over must be dropped.
uint64_t operation_turn(const Operation *operation);
bool operation_is_current(const Operation *operation, uint64_t turn);
Operation *operation_find(Manager *manager, const char *id);
// Something was observed about the object: operations that wait for it look at once.
void operation_wake(Manager *manager, const char *object);

// ---- from outside

typedef void (*OperationEnded)(const Fail *why, void *argument);
// `ended` is called once, also when the manager stops (then with UNAVAILABLE), or when its undo takes
// long (then with the failure).
void operation_wait_end(Operation *operation, OperationEnded ended, void *argument);
// Text with ${} filled from the context.
char *operation_title(Manager *manager, const Entity *row);
// For people; NULL when nobody knows the step.
const char *operation_step_title(const Manager *manager, const ApiOperation *row, int64_t number);
// Rows that ended more than ten minutes (failed: an hour) ago are removed.
void operations_expire(Operations *operations);
// Members of an object: each kind's name with the list of its steps' names.
void operations_write_kinds(const Operations *operations, JsonWriter *writer);
int operations_running(const Operations *operations);
