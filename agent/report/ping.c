#include "agent/rpc/verbs.h"

void host_ping(Call *call)
{
    call_ok(call);
}

void host_echo(Call *call)
{
    call_reply_string(call, call_string(call, "message"));
}
