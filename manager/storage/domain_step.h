// What several operations on storage domains do in their steps.
#pragma once

#include "manager/operations/step_call.h"
#include "manager/storage/domain.h"

// Fails the step and returns NULL when the domain has gone from the inventory.
Entity *domain_step_domain(Operation *operation);
// The context's host; puts the step off and returns NULL when it can't be asked.
Entity *domain_step_host(Operation *operation);
// The storage manager of the context's data centre; likewise.
Entity *domain_step_manager(Operation *operation);
// True when the host has lost the role of storage manager: the step was put off.
bool domain_step_lost_role(Operation *operation, Entity *host, const Fail *why, int code);

// True while hosts of the data centre are about to come back, as after the manager's restart: what
// is to be said to all hosts waits for them. The step was put off.
bool domain_step_await_hosts(Operation *operation);

// Whole acts: the domain's server is connected to the context's host, or is left by it.
void domain_step_connect(Operation *operation);
void domain_step_disconnect(Operation *operation);

// StoragePool.connectStorageServer of the domain's server alone.
void domain_step_call_server(Operation *operation, Entity *host, StepReply reply);
// StorageDomain.getInfo from a host.
void domain_step_ask(Operation *operation, Entity *host, StepReply reply);
// Whether the answer names the pool, or any but zeros when `pool` is NULL.
bool domain_info_in_pool(const Json *info, const char *pool);
// Any verb whose parameters are the domain and the pool, then what `write` adds (may be NULL).
void domain_step_call(Operation *operation, Entity *host, const char *method, const char *pool,
                      void (*write)(Operation *operation, JsonWriter *writer), StepReply reply);
// Removes the domain's content; the answer ends the step.
void domain_step_format(Operation *operation, Entity *host);
// StorageDomain.detach from the context's data centre; the context's flag: it is the only domain.
void domain_step_detach(Operation *operation, Entity *host, StepReply reply);
// The domain is free: ends the step with a change that says so.
void domain_step_detached(Operation *operation);
// Ends an operation with an event: `done` after success, `failed` otherwise.
void domain_step_event(Operation *operation, Change *change, const Fail *why, EventCode done,
                       EventCode failed);
