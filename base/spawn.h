// Running other programs: an argument array (never a shell), closed descriptors, a clean
// environment, a time-out, both outputs collected. Asynchronous on the loop.
#pragma once

#include <uv.h>

#include "base/fail.h"
#include "base/strbuf.h"

typedef struct SpawnResult {
    int exit_code; // -1 when killed by a signal or never started
    int signal;    // that killed it, or 0
    bool timed_out;
    int start_error;             // negative errno when it could not be started
    const char *output, *errors; // NUL-terminated; at most SPAWN_OUTPUT_MAX bytes each
    size_t output_length;
} SpawnResult;

enum { SPAWN_OUTPUT_MAX = 16 * 1024 * 1024 };

typedef void (*SpawnDone)(const SpawnResult *result, void *argument);

typedef struct Spawn Spawn;

// Starts argv[0] (searched in PATH) in a process group of its own. `input` may be NULL. `done` is
// called once, later, even when the start fails: when the program has ended and nobody holds its
// outputs any more. After `timeout_ms` (0: never) the whole group is killed. Returns a handle that
// is valid until `done` was called.
Spawn *spawn_start(uv_loop_t *loop, const char *const argv[], const char *input, int timeout_ms,
                   SpawnDone done, void *argument);
void spawn_kill(Spawn *spawn, int signal); // the group
// Hears standard output as it comes (progress), besides its being collected.
typedef void (*SpawnHeard)(const char *data, size_t length, void *argument);
void spawn_on_output(Spawn *spawn, SpawnHeard heard, void *argument);
int spawn_pid(const Spawn *spawn);

// True for exit code 0; otherwise fills `why` with the program's own words.
bool spawn_succeeded(const SpawnResult *result, const char *program, Fail *why);

// The same, but waiting; only for threads other than the loop's. *ret_output may be NULL.
int spawn_run(const char *const argv[], const char *input, int timeout_ms, char **ret_output,
              Fail *why);
