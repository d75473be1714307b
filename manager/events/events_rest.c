// The audit log over REST: newest first; also events that others report.
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "manager/events/event_log.h"
#include "manager/rest/check.h"
#include "manager/rest/reply.h"
#include "manager/search/search.h"
#include "rest_handlers.h"

enum { ORIGIN_MAX = 255 };

static void event_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    (void)request;
    (void)scratch;
    *(ApiEvent *)target = *(const ApiEvent *)item->document->object;
}

// Who is no administrator sees what he has caused himself.
static bool is_visible(const Request *request, const ApiEvent *event)
{
    return request_is_admin(request) || reference_is(event->user, request->user.id);
}

// ---- reading

typedef struct EventQuery {
    SearchFilter *filter; // NULL: all
    int64_t from, max;    // -1: not given
} EventQuery;

static int query_read(Request *request, EventQuery *query)
{
    *query = (EventQuery){.from = -1, .max = -1};
    if (!request->http)
        return 0;
    const char *search = request_parameter(request, "search");
    bool exact = request_flag(request, "case_sensitive", false);
    if (fail_is_set(&request->why) || request_integer(request, "from", &query->from) ||
        request_integer(request, "max", &query->max))
        return fail_to_errno(request->why.code);
    if (!search || !search[strspn(search, " ")])
        return 0;
    query->filter = search_filter_new(request->manager, &request->arena, "events", search,
                                      exact ? SEARCH_CASE_SENSITIVE : 0, &request->why);
    return query->filter ? 0 : fail_to_errno(request->why.code);
}

static void find_events(Request *request, const EventQuery *query, Array *found)
{
    const EventLog *log = request->manager->events;
    for (size_t i = event_log_count(log); i > 0; i--) {
        ApiDocument *document = event_log_at(log, i - 1);
        const ApiEvent *event = document->object;
        if (event->index.value <= query->from)
            return;
        if (!query->filter && query->max >= 0 && found->count >= (size_t)query->max)
            return;
        if (is_visible(request, event) &&
            (!query->filter || search_filter_match_event(query->filter, document)))
            array_add(found, document);
    }
}

int event_list(Request *request, Items *items)
{
    AUTO_ARRAY found = {0};
    EventQuery query;
    if (query_read(request, &query))
        return fail_to_errno(request->why.code);
    find_events(request, &query, &found);
    if (query.filter)
        search_filter_arrange(query.filter, &found, query.max);
    items->view = event_view;
    for (size_t i = 0; i < found.count; i++)
        items_add_document(items, found.items[i]);
    return 0;
}

static ApiDocument *event_of_path(Request *request)
{
    char *end;
    const char *id = request_last_id(request);
    long long number = strtoll(id, &end, 10);
    ApiDocument *document = *end ? NULL : event_log_get(request->manager->events, number);
    if (document && is_visible(request, document->object))
        return document;
    request_not_found(request, "event", id);
    return NULL;
}

int event_get(Request *request, Items *items)
{
    ApiDocument *document = event_of_path(request);
    if (!document)
        return fail_to_errno(request->why.code);
    items->view = event_view;
    items_add_document(items, document);
    return 0;
}

// ---- events of others

// What the event is about: objects given by id or name become references.
static int take_references(Request *request, ApiEvent *event)
{
    const struct {
        void *member;
        Kind kind;
        const char *name;
    } rows[] = {
        {&event->vm, KIND_VM, "event.vm"},
        {&event->host, KIND_HOST, "event.host"},
        {&event->template, KIND_TEMPLATE, "event.template"},
        {&event->cluster, KIND_CLUSTER, "event.cluster"},
        {&event->data_center, KIND_DATA_CENTER, "event.data_center"},
        {&event->storage_domain, KIND_STORAGE_DOMAIN, "event.storage_domain"},
        {&event->user, KIND_USER, "event.user"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        void **member = rows[i].member;
        Entity *entity =
            *member ? request_reference(request, rows[i].kind, *member, rows[i].name) : NULL;
        if (*member && !entity)
            return fail_to_errno(request->why.code);
        if (entity)
            *member = api_reference_new(&request->arena, kind_type(rows[i].kind), entity->id);
    }
    return 0;
}

static int check_unique(Request *request, const ApiEvent *event)
{
    const EventLog *log = request->manager->events;
    for (size_t i = event_log_count(log); i > 0; i--) {
        const ApiEvent *other = event_log_at(log, i - 1)->object;
        if (other->custom_id.value != event->custom_id.value || !other->origin ||
            strcmp(other->origin, event->origin))
            continue;
        fail_set(&request->why, FAIL_EXISTS,
                 "Cannot add event. An event of %s with the custom id %lld exists already.",
                 event->origin, (long long)event->custom_id.value);
        fail_object(&request->why, other->id);
        return fail_to_errno(FAIL_EXISTS);
    }
    return 0;
}

static int event_check(Request *request, const ApiEvent *event)
{
    int result = request_check_text(request, "event.origin", event->origin, ORIGIN_MAX);
    if (!result)
        result =
            request_check_text(request, "event.description", event->description, CHECK_TEXT_MAX);
    if (!result)
        result =
            request_check_text(request, "event.custom_data", event->custom_data, CHECK_TEXT_MAX);
    if (!result)
        result = request_check_integer(request, "event.custom_id", event->custom_id, 0, INT32_MAX);
    if (!result && (!*event->origin || !strcasecmp(event->origin, "oVirt")))
        result = fail_set(&request->why, FAIL_REJECTED,
                          "event.origin: \"%s\" is not possible for an event from outside.",
                          event->origin);
    return result ? result : check_unique(request, event);
}

void event_add_rest(Request *request)
{
    ApiEvent event = *(const ApiEvent *)request->body;
    ApiDocument *document;
    if (event_check(request, &event) || take_references(request, &event)) {
        reply_fail(request);
        return;
    }
    if (!event.flood_rate.set)
        event.flood_rate = API_INT(30);
    Change *change = change_new(request->manager, &request->cause);
    event_add_external(change, &event, &document);
    AUTO_FREE char *path = memory_format("/events/%s", ((const ApiEvent *)document->object)->id);
    commit_and_show(request, change, 201, path);
}

static void event_hidden(const Fail *why, void *argument)
{
    Request *request = argument;
    if (fail_is_set(why)) {
        reply_fault(request, why);
        return;
    }
    event_log_hide(request->manager->events, atoll(request_last_id(request)));
    reply_removed(request);
}

void event_remove(Request *request)
{
    ApiDocument *document = event_of_path(request);
    if (!document) {
        reply_fail(request);
        return;
    }
    const ApiEvent *event = document->object;
    Change *change = change_new(request->manager, &request->cause);
    event_hide(change, document);
    event_add(change, request->method->event, &(EventFacts){.name = event->id});
    change_commit(change, event_hidden, request);
}
