// The handlers of all verbs.
#pragma once

#include "agent/rpc/call.h"

#define VERB(name, handler, thread, parameters) VerbHandler handler;
#include "agent/rpc/verbs.def"
#undef VERB
