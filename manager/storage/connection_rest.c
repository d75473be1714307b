// Storage connections, of all domains and of one.
#include <string.h>

#include "manager/rest/check.h"
#include "manager/rest/reply.h"
#include "manager/storage/connection.h"
#include "rest_handlers.h"

int storage_connection_list(Request *request, Items *items)
{
    if (request_check_parents(request)) // also of an iSCSI bond
        return fail_to_errno(request->why.code);
    INVENTORY_EACH(request->manager->inventory, KIND_STORAGE_CONNECTION, connection)
    items_add_entity(items, connection);
    items->view = NULL;
    for (size_t i = 0; i < items->count; i++)
        items->items[i].part = items->items[i].document->object;
    items_sort(items);
    return 0;
}

int storage_connection_get(Request *request, Items *items)
{
    Entity *connection = request_entity(request, 0, KIND_STORAGE_CONNECTION);
    if (!connection)
        return fail_to_errno(request->why.code);
    items_add_part(items, connection, connection->document->object);
    return 0;
}

void storage_connection_remove(Request *request)
{
    Entity *connection = request_entity(request, 0, KIND_STORAGE_CONNECTION);
    Entity *domain = connection ? connection_domain(request->manager, connection) : NULL;
    if (domain) {
        fail_set(&request->why, FAIL_CONFLICT,
                 "Cannot remove Storage Connection. Storage connection parameters are used by the "
                 "following storage domains : %s.",
                 entity_name(domain));
        fail_object(&request->why, domain->id);
    }
    if (!connection || domain || request_check_free(request, connection, LOCK_EXCLUSIVE)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, request->method->event, &(EventFacts){.name = connection->id});
    change_remove(change, connection);
    commit_and_remove(request, change);
}

// ---- of one domain

static Entity *connection_of(Request *request)
{
    Entity *domain = request_entity(request, 0, KIND_STORAGE_DOMAIN);
    const ApiStorageConnection *used =
        domain ? ENTITY_OBJECT(domain, StorageDomain)->connection : NULL;
    return used ? inventory_get(request->manager->inventory, KIND_STORAGE_CONNECTION, used->id)
                : NULL;
}

int domain_connection_list(Request *request, Items *items)
{
    Entity *connection = connection_of(request);
    if (fail_is_set(&request->why))
        return fail_to_errno(request->why.code);
    if (connection)
        items_add_part(items, connection, connection->document->object);
    return 0;
}

int domain_connection_get(Request *request, Items *items)
{
    Entity *connection = connection_of(request);
    const char *id = request_id(request, 1);
    if (connection && !strcmp(connection->id, id)) {
        items_add_part(items, connection, connection->document->object);
        return 0;
    }
    return fail_set(&request->why, FAIL_NOT_FOUND, "The domain has no connection %s.", id);
}
