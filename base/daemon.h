// Programs that outlive us: started in a session of their own, found again after a restart,
// watched until they end.
#pragma once

#include <sys/types.h>
#include <uv.h>

#include "base/fail.h"

typedef struct Daemon Daemon;

typedef struct DaemonOptions {
    const char *const *argv; // argv[0] is searched in PATH
    const char *log;         // file for both outputs, made anew; NULL: none
    bool as_user;            // with these ids instead of ours
    uid_t user;
    gid_t group;
} DaemonOptions;

// Once, when it has ended. The code is -1 when it was killed or is not known (an adopted one).
typedef void (*DaemonEnded)(int exit_code, void *argument);

// NULL when it could not be started.
Daemon *daemon_start(uv_loop_t *loop, const DaemonOptions *options, DaemonEnded ended,
                     void *argument, Fail *why);
// A process of an earlier life; NULL when it is there no more.
Daemon *daemon_adopt(uv_loop_t *loop, pid_t pid, DaemonEnded ended, void *argument);
pid_t daemon_pid(const Daemon *daemon);
void daemon_kill(Daemon *daemon, int signal);
// Stops watching; `ended` will not be called (any more). NULL is fine.
void daemon_forget(Daemon *daemon);

// Calls `each` for every process that runs now, with its arguments; until it returns false.
typedef bool (*ProcessEach)(pid_t pid, int argc, const char *const argv[], void *argument);
void process_each(ProcessEach each, void *argument);
