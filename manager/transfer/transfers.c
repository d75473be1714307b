// The manager's end of image transfers: the proxy's port, and where each ticket is.
#include "manager/transfer/transfers.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "manager/inventory/inventory.h"
#include "manager/transfer/image_proxy.h"

enum { PROXY_GRACE_MS = 3000, EXPIRY_MS = 60000, ENDED_KEPT_MS = 15 * 60 * 1000 };

struct Transfers {
    Manager *manager;
    ImageProxy *proxy; // NULL: switched off
    Listener *listener;
    uv_timer_t expiry;
};

// A linear look: there are tens of transfers, not thousands, and an ended one has no ticket.
static const ApiImageTransfer *transfer_of_ticket(const Manager *manager, const char *ticket)
{
    INVENTORY_EACH(manager->inventory, KIND_IMAGE_TRANSFER, entity) {
        const ApiImageTransfer *transfer = ENTITY_OBJECT(entity, ImageTransfer);
        if (transfer->ticket && !strcmp(transfer->ticket, ticket) && transfer_is_open(transfer))
            return transfer;
    }
    return NULL;
}

static bool transfers_resolve(void *argument, const char *ticket, char **ret_address, int *ret_port)
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

// Clients that only poll must still find how it ended, but not for ever.
static void transfers_expire(uv_timer_t *timer)
{
    Manager *manager = ((Transfers *)timer->data)->manager;
    int64_t before = clock_wall_ms() - ENDED_KEPT_MS;
    Change *change = NULL;
    INVENTORY_EACH(manager->inventory, KIND_IMAGE_TRANSFER, entity) {
        const ApiImageTransfer *transfer = ENTITY_OBJECT(entity, ImageTransfer);
        if (transfer_is_open(transfer) || transfer->last_activity.value > before)
            continue;
        if (!change)
            change = change_new(manager, NULL);
        change_remove(change, entity);
    }
    if (change)
        change_commit(change, NULL, NULL);
}

static int transfers_listen(Transfers *transfers, Fail *why)
{
    Manager *manager = transfers->manager;
    if (!manager->config.proxy_port)
        return 0;
    transfers->listener = listener_new(manager->loop, manager->config.listen_address,
                                       manager->config.proxy_port, proxy_accepted, transfers, why);
    if (!transfers->listener)
        return fail_to_errno(why->code);
    transfers->proxy = image_proxy_new(manager->loop, manager->server_tls, manager->agent_tls,
                                       transfers_resolve, transfers);
    return 0;
}

Transfers *transfers_new(Manager *manager, Fail *why)
{
    Transfers *transfers = NEW(Transfers);
    transfers->manager = manager;
    if (transfers_listen(transfers, why)) {
        free(transfers);
        return NULL;
    }
    uv_timer_init(manager->loop, &transfers->expiry);
    transfers->expiry.data = transfers;
    uv_timer_start(&transfers->expiry, transfers_expire, EXPIRY_MS, EXPIRY_MS);
    return transfers;
}

static void proxy_stopped(void *argument)
{
    free(argument);
}

static void expiry_closed(uv_handle_t *handle)
{
    Transfers *transfers = handle->data;
    if (transfers->proxy)
        image_proxy_stop(transfers->proxy, PROXY_GRACE_MS, proxy_stopped, transfers);
    else
        free(transfers);
}

void transfers_stop(Transfers *transfers)
{
    if (!transfers)
        return;
    listener_close(transfers->listener);
    uv_close((uv_handle_t *)&transfers->expiry, expiry_closed);
}

bool transfer_is_open(const ApiImageTransfer *transfer)
{
    return transfer->phase != API_IMAGE_TRANSFER_PHASE_FINISHED_SUCCESS &&
           transfer->phase != API_IMAGE_TRANSFER_PHASE_FINISHED_FAILURE &&
           transfer->phase != API_IMAGE_TRANSFER_PHASE_FINISHED_CLEANUP;
}
