#include "manager/rest/reply.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"

static const char *reply_type(const Request *request)
{
    return request->json ? "application/json" : "application/xml;charset=utf-8";
}

void request_free(Request *request)
{
    arena_done(&request->arena);
    fail_done(&request->why);
    free(request);
}

void reply_raw(Request *request, int status, const char *type, const void *body, size_t length)
{
    http_compress(request->http);
    http_reply(request->http, status, type, body, length);
    request_free(request);
}

static void reply_buffer(Request *request, int status, StrBuf *out)
{
    reply_raw(request, status, reply_type(request), out->data, out->length);
}

static void reply_begin_document(const Request *request, StrBuf *out)
{
    if (!request->json)
        strbuf_adds(out, "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>");
}

// ---- faults

static ApiFault *fault_of(Arena *arena, const Fail *why)
{
    ApiFault *fault = ARENA_NEW(arena, ApiFault);
    AUTO_FREE char *text = fail_text(why);
    bool rejected = !strcmp(fail_reason(why->code), "Operation Failed");
    fault->reason = fail_reason(why->code);
    // Rejected commands have a bracketed list of sentences; clients look for texts in it.
    fault->detail = arena_format(arena, rejected ? "[%s]" : "%s", text);
    return fault;
}

void reply_fault(Request *request, const Fail *why)
{
    if (&request->why != why)
        fail_copy(&request->why, why);
    reply_fail(request);
}

void reply_fail(Request *request)
{
    AUTO_STRBUF out = {0};
    int status = fail_http_status(request->why.code);
    if (status == 401) {
        http_add_header(request->http, "WWW-Authenticate", "Bearer realm=\"Vireo\"");
        http_add_header(request->http, "WWW-Authenticate", "Basic realm=\"Vireo\"");
    }
    if (status >= 500)
        log_error("request.failed", LOG_ID("correlation", request->cause.correlation), "%s %s: %s",
                  http_head(request->http)->method, request->route.path, request->why.message);
    ApiFault *fault = fault_of(&request->arena, &request->why);
    ApiWriter writer = request_writer(request, &out);
    reply_begin_document(request, &out);
    if (request->method && request->method->verb == API_ACTION && status != 401) {
        ApiAction *action = ARENA_NEW(&request->arena, ApiAction);
        action->fault = fault;
        action->status = "failed";
        action->reason = fault->reason;
        api_write_object(&writer, &api_type_action, action, NULL, NULL, NULL);
    } else
        api_write_object(&writer, &api_type_fault, fault, NULL, NULL, NULL);
    reply_buffer(request, status, &out);
}

// ---- reads

typedef struct Listing {
    Request *request;
    Items items;
    ApiWriter writer;
    size_t next;
} Listing;

static bool listing_pull(Http *http, StrBuf *out, void *argument)
{
    Listing *listing = argument;
    (void)http;
    listing->writer.out = out;
    if (!listing->next) {
        reply_begin_document(listing->request, out);
        api_write_collection_begin(&listing->writer, listing->items.type);
    }
    while (listing->next < listing->items.count && out->length < STREAM_LOW_WATER)
        items_write(listing->request, &listing->writer, &listing->items, listing->next++, NULL,
                    listing->request->follow);
    if (listing->next < listing->items.count)
        return true;
    api_write_collection_end(&listing->writer, listing->items.type, !listing->items.count);
    return false;
}

static void listing_released(Http *http, void *argument)
{
    Listing *listing = argument;
    (void)http;
    items_done(&listing->items);
    request_free(listing->request);
    free(listing);
}

static void reply_single(Request *request, int status, Items *items)
{
    AUTO_STRBUF out = {0};
    ApiWriter writer = request_writer(request, &out);
    reply_begin_document(request, &out);
    items_write(request, &writer, items, 0, NULL, request->follow);
    items_done(items);
    reply_buffer(request, status, &out);
}

void reply_items(Request *request, Items *items)
{
    if (items->single) {
        reply_single(request, 200, items);
        return;
    }
    Listing *listing = NEW(Listing);
    listing->request = request;
    listing->items = *items;
    listing->writer = request_writer(request, NULL);
    http_compress(request->http);
    http_pull(request->http, 200, reply_type(request), listing_pull, listing_released, listing);
}

// ---- acts

void reply_object(Request *request, int status, const char *path)
{
    Items items;
    path = arena_string(&request->arena, path);
    if (!route_find(&request->arena, path, &request->route)) {
        fail_set(&request->why, FAIL_INTERNAL, "Nothing lies at %s.", path);
        reply_fail(request);
        return;
    }
    const RestMethod *method = route_method(&request->route, API_GET);
    items_init(&items, &request->route, method);
    if (method->read(request, &items)) {
        items_done(&items);
        reply_fail(request);
        return;
    }
    if (status == 201) {
        AUTO_FREE char *location = memory_format("%s%s", request->prefix, path);
        http_add_header(request->http, "Location", location);
    }
    if (status == 202)
        items.creation = "in_progress";
    reply_single(request, status, &items);
}

void reply_action(Request *request, ApiAction *result, const char *job)
{
    AUTO_STRBUF out = {0};
    ApiAction *action = result ? result : ARENA_NEW(&request->arena, ApiAction);
    if (!action->status)
        action->status = "complete";
    if (job) {
        action->job = ARENA_NEW(&request->arena, ApiJob);
        action->job->id = arena_string(&request->arena, job);
        action->job->href = arena_format(&request->arena, "/jobs/%s", job);
    }
    ApiWriter writer = request_writer(request, &out);
    reply_begin_document(request, &out);
    api_write_object(&writer, &api_type_action, action, NULL, NULL, NULL);
    reply_buffer(request, 200, &out);
}

void reply_removed(Request *request)
{
    reply_action(request, NULL, NULL);
}

// ---- common ends

typedef enum EndingWait {
    WAIT_AS_ASKED, // by async=false
    WAIT_ALWAYS,
    WAIT_NEVER,
} EndingWait;

typedef struct Ending {
    Request *request;
    ApiAction *result;
    char *path;
    Array operations; // ids
    int status;
    size_t waiting; // operations whose end is still to come
    EndingWait wait;
    bool forgiving; // their failure is no failure of the request
    Fail why;
} Ending;

static void ending_free(Ending *ending)
{
    free(ending->path);
    for (size_t i = 0; i < ending->operations.count; i++)
        free(ending->operations.items[i]);
    array_done(&ending->operations);
    fail_done(&ending->why);
    free(ending);
}

static void ending_reply(Ending *ending)
{
    Request *request = ending->request;
    if (ending->path)
        reply_object(request, ending->status, ending->path);
    else
        reply_action(request, ending->result,
                     ending->operations.count ? ending->operations.items[0] : NULL);
    ending_free(ending);
}

static void ending_durable(const Fail *why, void *argument)
{
    Ending *ending = argument;
    if (!fail_is_set(why)) {
        ending_reply(ending);
        return;
    }
    reply_fault(ending->request, why);
    ending_free(ending);
}

static Ending *ending_new(Request *request, ApiAction *result, int status, const char *path)
{
    Ending *ending = NEW(Ending);
    *ending = (Ending){
        .request = request, .result = result, .status = status, .path = memory_string(path)};
    return ending;
}

void commit_and_show(Request *request, Change *change, int status, const char *path)
{
    change_commit(change, ending_durable, ending_new(request, NULL, status, path));
}

void commit_and_act(Request *request, Change *change, ApiAction *result)
{
    change_commit(change, ending_durable, ending_new(request, result, 200, NULL));
}

void commit_and_remove(Request *request, Change *change)
{
    change_commit(change, ending_durable, ending_new(request, NULL, 200, NULL));
}

// One of the operations has ended; the first failure is told.
static void ending_operation_ended(const Fail *why, void *argument)
{
    Ending *ending = argument;
    if (fail_is_set(why) && !ending->forgiving && !fail_is_set(&ending->why))
        fail_copy(&ending->why, why);
    if (--ending->waiting)
        return;
    AUTO_FAIL outcome = {0};
    fail_move(&outcome, &ending->why);
    if (ending->status == 202)
        ending->status = 201;
    ending_durable(&outcome, ending);
}

// async=false means: answer when it is done. The members of <action> and the URL both count.
static bool request_waits(Request *request)
{
    const char *text = request_parameter(request, "async");
    const char *expect = http_header(request->http, "Expect");
    if (expect && !strcasecmp(expect, "201-created"))
        return true;
    if (text && *text)
        return !request_flag(request, "async", true);
    return request->method->verb == API_ACTION && request->body &&
           ((ApiAction *)request->body)->async == API_FALSE;
}

static void ending_operations_durable(const Fail *why, void *argument)
{
    Ending *ending = argument;
    Manager *manager = ending->request->manager;
    bool waits = ending->wait == WAIT_ALWAYS ||
                 (ending->wait == WAIT_AS_ASKED && request_waits(ending->request));
    if (fail_is_set(why)) {
        ending_durable(why, ending);
        return;
    }
    for (size_t i = 0; i < ending->operations.count; i++) {
        Operation *operation = operation_begin(manager, ending->operations.items[i]);
        if (!operation || !waits)
            continue;
        ending->waiting++;
        operation_wait_end(operation, ending_operation_ended, ending);
    }
    if (!ending->waiting)
        ending_reply(ending);
}

static void commit_with(Change *change, const char *operation, Ending *ending)
{
    array_add(&ending->operations, memory_string(operation));
    change_commit(change, ending_operations_durable, ending);
}

void commit_and_run(Request *request, Change *change, const char *operation, int status,
                    const char *path)
{
    commit_with(change, operation, ending_new(request, NULL, status, path));
}

void commit_and_wait(Request *request, Change *change, const char *operation, int status,
                     const char *path)
{
    Ending *ending = ending_new(request, NULL, status, path);
    ending->wait = WAIT_ALWAYS;
    commit_with(change, operation, ending);
}

void commit_and_begin(Request *request, Change *change, const char *operation, int status,
                      const char *path)
{
    Ending *ending = ending_new(request, NULL, status, path);
    ending->wait = WAIT_NEVER;
    commit_with(change, operation, ending);
}

void commit_and_try(Request *request, Change *change, const Array *operations, const char *path)
{
    Ending *ending = ending_new(request, NULL, 200, path);
    ending->wait = WAIT_ALWAYS;
    ending->forgiving = true;
    for (size_t i = 0; i < operations->count; i++)
        array_add(&ending->operations, memory_string(operations->items[i]));
    change_commit(change, ending_operations_durable, ending);
}

void commit_and_run_all(Request *request, Change *change, const Array *operations)
{
    Ending *ending = ending_new(request, NULL, 200, NULL);
    for (size_t i = 0; i < operations->count; i++)
        array_add(&ending->operations, memory_string(operations->items[i]));
    change_commit(change, ending_operations_durable, ending);
}
