// Host calls of steps. The answer reaches the step only while it still waits for it; where no
// answer came, what is true is unknown, and the step runs again.
#pragma once

#include "manager/fleet/host_link.h"
#include "manager/operations/operation.h"

enum { STEP_CALL_MS = 180000 };

// `result` is NULL when `why` is set; `code` is the host's error number. Never called with an
// answer that did not come: then the step has been put off already.
typedef void (*StepReply)(Operation *operation, const Json *result, const Fail *why, int code);

// Takes the parameters. The reply ends the step's turn as an act does.
void step_call(Operation *operation, Entity *host, const char *method, StrBuf *params,
               StepReply reply);
// Nobody can be asked or nobody answers: the step runs again soon. A step that was put off for
// longer than STEP_PATIENCE_MS without any progress fails; an undo never does.
void step_put_off(Operation *operation, const Fail *why);
// For what is waited for in other ways: `step_wait_end` returns the operation if its step still
// waits, and frees.
typedef struct StepWait StepWait;
StepWait *step_wait_new(Operation *operation);
Operation *step_wait_end(StepWait *wait);
// Since its last progress.
int64_t step_silent_ms(const Operation *operation);
// Puts the step off when `why` says that nobody answered, fails otherwise.
void step_fail_or_put_off(Operation *operation, const Fail *why);
// Fails with a copy of `why`.
void step_fail(Operation *operation, const Fail *why);

// Objects the context names; NULL when they have gone.
Entity *step_vm(const Operation *operation);
Entity *step_host(const Operation *operation);
Entity *step_storage_domain(const Operation *operation);
Entity *step_data_center(const Operation *operation);
Entity *step_disk(const Operation *operation);
// For tests of this file's limits.
enum { STEP_PATIENCE_MS = 300000, STEP_PUT_OFF_MS = 1000 };
