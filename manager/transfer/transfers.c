// The manager's end of image transfers: the proxy's port, and where each ticket is.
#include "manager/transfer/transfers.h"

#include <stdlib.h>
#include <string.h>

#include "manager/inventory/inventory.h"
#include "manager/transfer/image_proxy.h"

enum { PROXY_GRACE_MS = 3000 };

struct Transfers {
    Manager *manager;
    ImageProxy *proxy; // NULL: switched off
    Listener *listener;
};

// A linear look: there are tens of transfers, not thousands, and an ended one has no ticket.
static const ApiImageTransfer *transfer_of_ticket(const Manager *manager, const char *ticket)
{
    INVENTORY_EACH(manager->inventory, KIND_IMAGE_TRANSFER, entity)
    {
        const ApiImageTransfer *transfer = ENTITY_OBJECT(entity, ImageTransfer);
        if (transfer->ticket && !strcmp(transfer->ticket, ticket) && transfer_is_open(transfer))
            return transfer;
    }
    return NULL;
}

static bool transfers_resolve(void *argument, const char *ticket, char **ret_address,
                              int *ret_port)
{
    const Manager *manager = ((Transfers *)argument)->manager;
    const ApiImageTransfer *transfer = transfer_of_ticket(manager, ticket);
    const Entity *host = transfer && transfer->host
                             ? inventory_get(manager->inventory, KIND_HOST, transfer->host->id)
                             : NULL;
    if (!host)
        return false;
    *ret_address = memory_string(ENTITY_OBJECT(host, Host)->address);
    *ret_port = IMAGE_SERVER_PORT;
    return true;
}

static void proxy_accepted(int fd, const char *peer, void *argument)
{
    image_proxy_adopt(((Transfers *)argument)->proxy, fd, peer);
}

Transfers *transfers_new(Manager *manager, Fail *why)
{
    Transfers *transfers = NEW(Transfers);
    transfers->manager = manager;
    if (!manager->config.proxy_port)
        return transfers;
    transfers->listener = listener_new(manager->loop, manager->config.listen_address,
                                       manager->config.proxy_port, proxy_accepted, transfers, why);
    if (!transfers->listener) {
        free(transfers);
        return NULL;
    }
    transfers->proxy = image_proxy_new(manager->loop, manager->server_tls, manager->agent_tls,
                                       transfers_resolve, transfers);
    return transfers;
}

static void proxy_stopped(void *argument)
{
    free(argument);
}

void transfers_stop(Transfers *transfers)
{
    if (!transfers)
        return;
    if (!transfers->proxy) {
        free(transfers);
        return;
    }
    listener_close(transfers->listener);
    image_proxy_stop(transfers->proxy, PROXY_GRACE_MS, proxy_stopped, transfers);
}

bool transfer_is_open(const ApiImageTransfer *transfer)
{
    return transfer->phase != API_IMAGE_TRANSFER_PHASE_FINISHED_SUCCESS &&
           transfer->phase != API_IMAGE_TRANSFER_PHASE_FINISHED_FAILURE &&
           transfer->phase != API_IMAGE_TRANSFER_PHASE_FINISHED_CLEANUP;
}
