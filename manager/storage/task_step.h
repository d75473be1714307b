// Steps that are done by a task of the storage manager.
//
// Such a step asks first whether its goal is reached, begins the task, remembers it, waits for its
// end, and asks again: only what is observed counts. A task that was begun just before a crash and
// was not remembered does no harm, as the goal is asked for first and tasks on one image follow
// each other on the host.
#pragma once

#include "manager/operations/step_call.h"

typedef enum TaskGoal {
    TASK_GOAL_MISSED,
    TASK_GOAL_REACHED,
    TASK_GOAL_UNKNOWN, // the question failed: asked again later
} TaskGoal;

typedef struct TaskStep {
    const char *ask, *act; // verbs; `act` answers with a task
    void (*write_ask)(Operation *operation, JsonWriter *writer);
    void (*write_act)(Operation *operation, JsonWriter *writer);
    // `answer` is NULL when the host refused to answer, with its error number.
    TaskGoal (*judge)(Operation *operation, const Json *answer, int code);
    // Adds what was observed to the change that ends the step. May be NULL.
    void (*keep)(Operation *operation, Change *change, const Json *answer);
    // A task that has succeeded is enough, whatever is observed then.
    bool trust;
} TaskStep;

// The whole of an `act` or `undo`. The data center is the context's.
void task_step_run(Operation *operation, const TaskStep *step);

// Members of parameters that name a place; NULL leaves one out.
void storage_write_place(JsonWriter *writer, const char *pool, const char *domain,
                         const char *image, const char *volume);
