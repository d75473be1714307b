// What the handlers of storage verbs have in common. They run on pool threads.
#pragma once

#include "agent/rpc/verbs.h"
#include "agent/storage/storage_state.h"

static inline Storage *call_storage(const Call *call)
{
    return call_agent(call)->storage;
}

// true, or the failure.
static inline void answer(Call *call, int error, const Fail *why)
{
    if (error)
        call_fail_why(call, (VdsmError)error, why);
    else
        call_ok(call);
}

// The JSON, or the failure.
static inline void answer_json(Call *call, int error, const Fail *why, StrBuf *json)
{
    if (error)
        call_fail_why(call, (VdsmError)error, why);
    else
        call_reply(call, json);
}

// A list of strings, which are freed.
void answer_list(Call *call, int error, const Fail *why, Array *strings);
// Adds a task of this verb with the call's parameters and answers its id. The pool (parameter
// storagepoolID) must be connected and, when asked, managed by this host.
void answer_task(Call *call, const char *verb, bool spm);
// Checks the pool of the call's parameter; false after it has answered.
bool call_require_pool(Call *call, bool spm);
// Opens the domain of the parameter; false after it has answered.
bool call_open_domain(Call *call, const char *parameter, StorageDomain *ret);
