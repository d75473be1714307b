// Tasks of storage managers: long work on a host that is polled for, and cleared when it has ended.
#pragma once

#include "manager/fleet/host_link.h"

typedef void (*SpmTaskDone)(const Fail *why, void *argument);

// Polls the task to its end, clears it, reports. `done` is called once; a host that does not
// answer is a failure.
void spm_task_wait(Manager *manager, Entity *host, const char *task, SpmTaskDone done,
                   void *argument);
// Nobody waits for what comes of these. Stopping is also asking it to end soon.
void spm_task_clear(Manager *manager, Entity *host, const char *task);
void spm_task_stop(Manager *manager, Entity *host, const char *task);
// Clears ended tasks that no operation knows: begun just before a crash of the manager. Called
// now and then for each storage manager, and for each that was one until nothing is left there; a
// task must be found ended twice.
void spm_tasks_sweep(Manager *manager, Entity *host);
