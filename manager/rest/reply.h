// Answers. Each of these ends the request: it must not be touched afterwards.
#pragma once

#include "manager/rest/items.h"
#include "manager/operations/operation.h"

// Without an answer: the client has gone before all of its request had come.
void request_free(Request *request);
// request->why, as a fault.
void reply_fail(Request *request);
void reply_fault(Request *request, const Fail *why);
// A read's result: one object or a collection, streamed.
void reply_items(Request *request, Items *items);
// The object at a path ("/vms/ID"), as a GET would show it. 201 adds Location. `job` may be NULL.
void reply_object(Request *request, int status, const char *path);
// <action><status>complete</status></action>, with what `result` holds (NULL: nothing).
void reply_action(Request *request, ApiAction *result, const char *job);
void reply_removed(Request *request);
void reply_raw(Request *request, int status, const char *type, const void *body, size_t length);

// The common ends of acts.
// Commits and then shows the object at the path with the status; fails when the store does.
void commit_and_show(Request *request, Change *change, int status, const char *path);
void commit_and_act(Request *request, Change *change, ApiAction *result);
void commit_and_remove(Request *request, Change *change);
// Commits the change that plans an operation, starts it, and answers: at once, or at its end when
// the client asked for async=false. `status`/`path` as above; path NULL answers with an action.
void commit_and_run(Request *request, Change *change, const char *operation, int status,
                    const char *path);
// The same for short operations whose outcome every client wants to hear.
void commit_and_wait(Request *request, Change *change, const char *operation, int status,
                     const char *path);
// The same for operations that end only when the client does something more: never waits.
void commit_and_begin(Request *request, Change *change, const char *operation, int status,
                      const char *path);
// Operations that may fail without the request failing; waits for them, and shows what is at the
// path then.
void commit_and_try(Request *request, Change *change, const Array *operations, const char *path);
// Several operations, answered with an action.
void commit_and_run_all(Request *request, Change *change, const Array *operations);
