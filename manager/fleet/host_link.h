// The connection to one host: VDSM's JSON-RPC over STOMP over mutual TLS, kept open, opened again
// when it breaks. Calls are answered, fail, or time out: exactly one callback each.
#pragma once

#include "base/json.h"
#include "manager/inventory/state.h"
#include "manager/manager.h"

// `result` is NULL when `why` is set. `code` is the host's error number, 0 when it did not answer.
typedef void (*HostReply)(const Json *result, const Fail *why, int code, void *argument);

typedef struct HostLinkHandlers {
    void (*opened)(HostLink *link, Entity *host);
    void (*closed)(HostLink *link, Entity *host, const Fail *why);
    // Method and parameters of an event: "|virt|VM_status|ID".
    void (*event)(HostLink *link, Entity *host, const char *method, const Json *params);
} HostLinkHandlers;

// Connects at once and again and again until it is closed. Keeps a reference to the host.
HostLink *host_link_new(Manager *manager, Entity *host, const HostLinkHandlers *handlers);
// Fails what is under way; the link frees itself.
void host_link_close(HostLink *link);
bool host_link_is_open(const HostLink *link);

enum { HOST_CALL_MS = 60000 };

// `params` is JSON text of an object; its content is taken. With a link that is NULL or not open
// the call fails from the loop, never from inside this function.
void host_call(Manager *manager, HostLink *link, const char *method, StrBuf *params, int timeout_ms,
               HostReply reply, void *argument);
// The same to a host entity, with the connection it has now.
void host_call_entity(Manager *manager, Entity *host, const char *method, StrBuf *params,
                      int timeout_ms, HostReply reply, void *argument);
