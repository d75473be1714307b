// The verbs of tickets and NBD servers. All on the loop; some answer later.
#include <stdlib.h>

#include "agent/image/image_internal.h"
#include "agent/rpc/call.h"

VerbHandler host_add_image_ticket, host_extend_image_ticket, host_get_image_ticket,
    host_remove_image_ticket, nbd_start_server, nbd_stop_server;

static ImageServer *call_images(Call *call)
{
    return call_agent(call)->images;
}

void host_add_image_ticket(Call *call)
{
    AUTO_FAIL why = {0};
    if (ticket_add(call_images(call)->tickets, call_json(call, "ticket"), &why))
        call_fail_why(call, VDSM_IMAGE_DAEMON, &why);
    else
        call_ok(call);
}

static ImageTicket *call_ticket(Call *call)
{
    ImageTicket *ticket = ticket_find(call_images(call)->tickets, call_string(call, "uuid"));
    if (!ticket)
        call_fail(call, VDSM_IMAGE_DAEMON, "there is no such ticket");
    return ticket;
}

void host_extend_image_ticket(Call *call)
{
    int64_t timeout = call_integer(call, "timeout", 0);
    if (timeout < 0) {
        call_fail(call, VDSM_INVALID_PARAMETER, "timeout must not be negative");
        return;
    }
    ImageTicket *ticket = call_ticket(call);
    if (!ticket)
        return;
    ticket_extend(ticket, timeout);
    call_ok(call);
}

void host_get_image_ticket(Call *call)
{
    ImageTicket *ticket = call_ticket(call);
    if (!ticket)
        return;
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    ticket_write_info(ticket, &writer);
    call_reply(call, &text);
}

typedef struct CallRemoval {
    TicketRemoval removal;
    Call *call;
} CallRemoval;

static void host_ticket_removed(TicketRemoval *removal, bool removed)
{
    CallRemoval *owner = CONTAINER(removal, CallRemoval, removal);
    ImageServer *server = call_images(owner->call);
    if (!server->operation_count)
        pieces_free(server); // the next transfer may be tomorrow
    if (removed)
        call_ok(owner->call);
    else
        call_fail(owner->call, VDSM_IMAGE_DAEMON,
                  "the ticket is still used; its storage may not answer");
    free(owner);
}

void host_remove_image_ticket(Call *call)
{
    ImageTicket *ticket = ticket_find(call_images(call)->tickets, call_string(call, "uuid"));
    if (!ticket) {
        call_ok(call);
        return;
    }
    CallRemoval *owner = NEW(CallRemoval);
    owner->removal.done = host_ticket_removed;
    owner->call = call;
    ticket_remove(ticket, &owner->removal);
}

static void nbd_server_started(VdsmError error, const Fail *why, const char *url, void *argument)
{
    if (error)
        call_fail_why(argument, error, why);
    else
        call_reply_string(argument, url);
}

void nbd_start_server(Call *call)
{
    nbd_server_start(call_images(call)->nbd, call_string(call, "server_id"),
                     call_json(call, "config"), nbd_server_started, call);
}

static void nbd_server_stopped(VdsmError error, const Fail *why, void *argument)
{
    if (error)
        call_fail_why(argument, error, why);
    else
        call_ok(argument);
}

void nbd_stop_server(Call *call)
{
    nbd_server_stop(call_images(call)->nbd, call_string(call, "server_id"), nbd_server_stopped,
                    call);
}
