// One call of a verb, as its handler sees it.
//
// A handler reads its parameters and ends with exactly one call_reply(), call_ok() or call_fail().
// Rows of verbs.def marked POOL run on a pool thread and may block; their answer is sent when they
// return. Rows marked LOOP run on the loop's thread, must not block, and may answer later.
#pragma once

#include "agent/agent.h"
#include "base/json.h"
#include "proto/vdsm.h"

typedef struct Call Call;

typedef void VerbHandler(Call *call);

Agent *call_agent(const Call *call);
const char *call_method(const Call *call);
const Json *call_params(const Call *call);
// Memory that lives as long as the call.
Arena *call_arena(Call *call);
// Parameters are checked against the verb's row before the handler runs: those without "?" are
// there and of their kind.
const char *call_string(const Call *call, const char *name);
int64_t call_integer(const Call *call, const char *name, int64_t fallback);
bool call_bool(const Call *call, const char *name, bool fallback);
const Json *call_json(const Call *call, const char *name);

// The result as JSON text; takes the buffer's content.
void call_reply(Call *call, StrBuf *json);
void call_reply_string(Call *call, const char *text);
void call_ok(Call *call); // true
// "text: what", where text belongs to the number and `format` says the rest.
void call_fail(Call *call, VdsmError error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void call_fail_why(Call *call, VdsmError error, const Fail *why);
// LOOP handlers that answer later keep the call until then; nothing to do here for them.

// An event to everybody who has subscribed to VDSM_EVENTS. Any thread.
void rpc_event(RpcServer *server, const char *method, StrBuf *params);
