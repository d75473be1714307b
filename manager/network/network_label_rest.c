// Labels of networks: hosts attach all networks of a label to the interface that has it. A network
// has one at most; the id of a label is its text.
#include <string.h>

#include "manager/rest/check.h"
#include "manager/rest/reply.h"
#include "rest_handlers.h"

enum { LABEL_MAX = 50 };

static Entity *network_of(Request *request)
{
    return request_check_parents(request) ? NULL
                                          : request_entity_of(request, "Network", KIND_NETWORK);
}

static void label_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiNetworkLabel *view = target;
    (void)request;
    *view = *(const ApiNetworkLabel *)item->part;
    view->network = api_reference_new(scratch, &api_type_network, item->entity->id);
}

int network_label_list(Request *request, Items *items)
{
    Entity *network = network_of(request);
    if (!network)
        return fail_to_errno(request->why.code);
    const ApiNetwork *object = ENTITY_OBJECT(network, Network);
    items->view = label_view;
    for (uint32_t i = 0; i < object->network_labels.count; i++)
        items_add_part(items, network, object->network_labels.items[i]);
    return 0;
}

static const ApiNetworkLabel *label_find(const ApiNetwork *network, const char *id)
{
    for (uint32_t i = 0; i < network->network_labels.count; i++)
        if (!strcmp(network->network_labels.items[i]->id, id))
            return network->network_labels.items[i];
    return NULL;
}

int network_label_get(Request *request, Items *items)
{
    Entity *network = network_of(request);
    const char *id = request_last_id(request);
    if (!network)
        return fail_to_errno(request->why.code);
    const ApiNetworkLabel *label = label_find(ENTITY_OBJECT(network, Network), id);
    if (!label)
        return request_not_found(request, "network label", id);
    items->view = label_view;
    items_add_part(items, network, label);
    return 0;
}

static int label_check(Request *request, const ApiNetworkLabel *wanted, const Entity *network)
{
    const ApiNetwork *object = ENTITY_OBJECT(network, Network);
    int result = request_check_name(request, "network_label.id", wanted->id, NAME_WORD, LABEL_MAX);
    if (result || !object->network_labels.count)
        return result;
    fail_set(&request->why, FAIL_CONFLICT, "Cannot label network. Network %s has the label %s.",
             entity_name(network), object->network_labels.items[0]->id);
    fail_hint(&request->why, "Remove that label first: a network has one at most");
    return fail_to_errno(FAIL_CONFLICT);
}

void network_label_add(Request *request)
{
    const ApiNetworkLabel *wanted = request->body;
    Entity *network = network_of(request);
    if (!network || label_check(request, wanted, network)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_edit(change, network);
    api_list_add(&draft->arena, &((ApiNetwork *)draft->object)->network_labels,
                 api_reference_new(&draft->arena, &api_type_network_label, wanted->id));
    AUTO_FREE char *path = memory_format("%s/%s", request->route.path, wanted->id);
    event_add(change, request->method->event,
              &(EventFacts){.network = network, .detail = wanted->id});
    commit_and_show(request, change, 201, path);
}

void network_label_remove(Request *request)
{
    Entity *network = network_of(request);
    const char *id = request_last_id(request);
    if (!network || !label_find(ENTITY_OBJECT(network, Network), id)) {
        if (network)
            request_not_found(request, "network label", id);
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiNetwork *edited = change_edit(change, network)->object;
    api_list_remove(&edited->network_labels, label_find(edited, id));
    event_add(change, request->method->event, &(EventFacts){.network = network, .detail = id});
    commit_and_remove(request, change);
}
