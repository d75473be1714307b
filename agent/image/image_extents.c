// GET extents: what of the image is zero, unallocated or changed, as a JSON list. Large ones are
// sent while they are found out.
#include <stdlib.h>
#include <string.h>

#include "agent/image/image_internal.h"

enum { EXTENTS_TEXT = 64 * 1024, EXTENTS_QUEUE_MAX = 256 * 1024 };

typedef struct Extents {
    ImageOperation operation;
    bool dirty; // context
    BackendRequest request;
    ExtentList list;
    ImageExtent pending; // may go on in the next answer
    int64_t start;       // of pending
    int64_t next;
    StrBuf text;
    JsonWriter writer;
    bool waiting; // for room in the client's queue
} Extents;

static void extents_ask(Extents *extents);

static void extents_put_pending(Extents *extents)
{
    JsonWriter *writer = &extents->writer;
    if (!extents->pending.length)
        return;
    json_open(writer, '{');
    json_add_integer(writer, "start", extents->start);
    json_add_integer(writer, "length", extents->pending.length);
    if (extents->dirty)
        json_add_bool(writer, "dirty", extents->pending.dirty);
    json_add_bool(writer, "zero", extents->pending.zero);
    if (!extents->dirty)
        json_add_bool(writer, "hole", extents->pending.hole);
    json_close(writer, '}');
    extents->start += extents->pending.length;
    extents->pending.length = 0;
}

static void extents_add(Extents *extents, ImageExtent extent)
{
    if (extents->dirty) // each context tells only what belongs to it
        extent.hole = false;
    else
        extent.dirty = false;
    ImageExtent *pending = &extents->pending;
    if (pending->length && (pending->zero != extent.zero || pending->hole != extent.hole ||
                            pending->dirty != extent.dirty))
        extents_put_pending(extents);
    extent.length += pending->length;
    *pending = extent;
}

static void extents_finish(Extents *extents)
{
    ImageOperation *operation = &extents->operation;
    extents_put_pending(extents);
    json_close(&extents->writer, ']');
    strbuf_addc(&extents->text, '\n');
    if (!operation->begun) {
        operation_answer(operation, 200, "application/json", extents->text.data,
                         extents->text.length);
        return;
    }
    http_write(operation->http, extents->text.data, extents->text.length);
    operation_end(operation);
}

static void extents_send(Extents *extents)
{
    ImageOperation *operation = &extents->operation;
    if (extents->text.length < EXTENTS_TEXT)
        return;
    if (!operation->begun)
        http_begin(operation->http, 200, "application/json", -1);
    operation->begun = true;
    http_write(operation->http, extents->text.data, extents->text.length);
    strbuf_clear(&extents->text);
    extents->waiting = http_queued(operation->http) > EXTENTS_QUEUE_MAX;
}

static void extents_completed(BackendRequest *request, int error)
{
    Extents *extents = request->owner;
    ImageOperation *operation = &extents->operation;
    if (!operation_completed(operation, error, "Asking for the image's extents"))
        return;
    for (size_t i = 0; i < extents->list.count; i++) {
        extents_add(extents, extents->list.items[i]);
        extents->next += extents->list.items[i].length;
    }
    extents->list.count = 0;
    if (extents->next >= operation->length)
        extents_finish(extents);
    else {
        extents_send(extents);
        if (!extents->waiting)
            extents_ask(extents);
    }
    operation_over(operation);
}

static void extents_ask(Extents *extents)
{
    extents->request = (BackendRequest){.kind = REQUEST_EXTENTS,
                                        .offset = extents->next,
                                        .length = extents->operation.length - extents->next,
                                        .extents = &extents->list,
                                        .done = extents_completed,
                                        .owner = extents};
    operation_submit(&extents->operation, &extents->request);
}

static void extents_drained(Http *http, void *argument)
{
    Extents *extents = argument;
    (void)http;
    if (!extents->waiting)
        return;
    extents->waiting = false;
    extents_ask(extents);
}

static void extents_start(ImageOperation *operation)
{
    Extents *extents = CONTAINER(operation, Extents, operation);
    AUTO_FAIL why = {0};
    operation->length = operation->backend->size;
    if (operation->length > operation->use.ticket->size)
        operation->length = operation->use.ticket->size;
    if (extents->dirty && !operation->backend->can_dirty) {
        fail_set(&why, FAIL_NOT_FOUND, "The image has no dirty extents.");
        fail_hint(&why, "They exist during an incremental backup.");
        operation_fail(operation, &why);
        return;
    }
    extents->writer.out = &extents->text;
    json_open(&extents->writer, '[');
    http_on_drained(operation->http, extents_drained, extents);
    if (operation->length)
        extents_ask(extents);
    else
        extents_finish(extents);
}

static void extents_done(ImageOperation *operation)
{
    Extents *extents = CONTAINER(operation, Extents, operation);
    extent_list_done(&extents->list);
    strbuf_done(&extents->text);
}

static const OperationKind extents_kind = {
    .name = "Finding extents",
    .size = sizeof(Extents),
    .start = extents_start,
    .done = extents_done,
};

void image_extents(ImageServer *server, ImageTicket *ticket, Http *http)
{
    AUTO_FREE char *context = image_query_get(http_head(http)->query, "context");
    AUTO_FAIL why = {0};
    bool dirty = context && !strcmp(context, "dirty");
    if (context && !dirty && strcmp(context, "zero"))
        fail_set(&why, FAIL_INVALID, "The query's context is \"%.20s\", not zero or dirty.",
                 context);
    else if (dirty && !ticket->dirty)
        fail_set(&why, FAIL_NOT_FOUND, "The ticket does not allow dirty extents.");
    if (fail_is_set(&why)) {
        image_reply_fail(http, &why);
        return;
    }
    ImageOperation *operation = operation_new(server, &extents_kind, ticket, http);
    CONTAINER(operation, Extents, operation)->dirty = dirty;
    operation_begin(operation);
}
