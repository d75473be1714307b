// Handlers of verbs whose parts are not linked into the test agent. Where the real one is linked,
// it wins: these are weak.
#include "agent/rpc/call.h"

void absent_verb(Call *call);

void absent_verb(Call *call)
{
    call_fail(call, VDSM_METHOD_NOT_FOUND, "%s is not part of the test agent", call_method(call));
}

#define VERB(name, handler, thread, parameters) \
    __asm__(".weak " #handler "\n.set " #handler ", absent_verb");
#include "agent/rpc/verbs.def"
#undef VERB
