// PUT: client to image. Bytes are gathered into pieces; several writes are under way while the next
// piece fills. When all are busy nothing is taken from the client.
#include <stdlib.h>
#include <string.h>

#include "agent/image/image_internal.h"

typedef struct Put {
    ImageOperation operation;
    Piece *filling;
    int busy;      // pieces filling or being written
    int64_t next;  // offset behind what was taken from the client
    bool complete; // the client has sent all
    bool flush, flushing;
    BackendRequest flush_request;
} Put;

static void put_finish(Put *put);

static void put_written(BackendRequest *request, int error)
{
    Piece *piece = request->owner;
    Put *put = CONTAINER(piece->operation, Put, operation);
    ImageOperation *operation = &put->operation;
    if (!error)
        operation_progress(operation, request->length);
    put->busy--;
    piece_free(piece);
    if (!operation_completed(operation, error, "Writing the image"))
        return;
    if (put->complete)
        put_finish(put);
    else
        http_receive_more(operation->http);
    operation_over(operation);
}

static void put_write(Put *put)
{
    Piece *piece = TAKE(put->filling);
    piece->request.kind = REQUEST_WRITE;
    piece->request.offset = put->next - (int64_t)piece->filled;
    piece->request.length = (int64_t)piece->filled;
    operation_submit(&put->operation, &piece->request);
}

static void put_flushed(BackendRequest *request, int error)
{
    Put *put = request->owner;
    if (!operation_completed(&put->operation, error, "Flushing the image"))
        return;
    operation_answer(&put->operation, 200, NULL, NULL, 0);
    operation_over(&put->operation);
}

static void put_finish(Put *put)
{
    if (put->filling)
        put_write(put);
    if (put->busy || put->flushing)
        return;
    if (!put->flush) {
        operation_answer(&put->operation, 200, NULL, NULL, 0);
        return;
    }
    put->flushing = true;
    put->flush_request = (BackendRequest){.kind = REQUEST_FLUSH, .done = put_flushed, .owner = put};
    operation_submit(&put->operation, &put->flush_request);
}

// The piece to fill, if there may be one more.
static Piece *put_piece(Put *put)
{
    if (!put->filling && put->busy < operation_depth(&put->operation)) {
        put->filling = piece_new(&put->operation, put_written);
        put->busy++;
    }
    return put->filling;
}

// How much more fits the piece; pieces end at multiples of their size.
static size_t put_room(const Put *put)
{
    return PIECE_SIZE - (size_t)(put->next % PIECE_SIZE);
}

static size_t put_take(Put *put, const char *data, size_t length)
{
    size_t taken = 0;
    while (taken < length && put_piece(put)) {
        Piece *piece = put->filling;
        size_t part = put_room(put);
        if (part > length - taken)
            part = length - taken;
        memcpy(piece->data + piece->filled, data + taken, part);
        piece->filled += part;
        put->next += (int64_t)part;
        taken += part;
        if (put->next % PIECE_SIZE == 0)
            put_write(put);
    }
    return taken;
}

static size_t put_received(Http *http, const char *data, size_t length, void *argument)
{
    Put *put = argument;
    ImageOperation *operation = &put->operation;
    AUTO_FAIL why = {0};
    size_t taken = 0;
    (void)http;
    if (!data) {
        put->complete = true;
        put_finish(put);
    } else if (put->next + (int64_t)length > operation->offset + operation->length) {
        fail_set(&why, FAIL_RANGE, "The body is longer than the image from there on.");
        operation_fail(operation, &why);
        taken = length;
    } else {
        taken = put_take(put, data, length);
    }
    operation_over(operation);
    return taken;
}

// How many bytes there may be from the offset on.
static int put_check_range(Put *put, Fail *why)
{
    ImageOperation *operation = &put->operation;
    const HttpHead *head = http_head(operation->http);
    int64_t size = operation->use.ticket->size;
    if (!operation->backend->driver->grows && operation->backend->size < size)
        size = operation->backend->size;
    if (operation->offset <= size && (head->chunked || head->length <= size - operation->offset)) {
        operation->length = head->chunked ? size - operation->offset : head->length;
        return 0;
    }
    AUTO_FREE char *range = memory_format("bytes */%lld", (long long)size);
    http_add_header(operation->http, "Content-Range", range);
    return fail_set(why, FAIL_RANGE, "The range from %lld on exceeds the image's %lld bytes.",
                    (long long)operation->offset, (long long)size);
}

static void put_start(ImageOperation *operation)
{
    Put *put = CONTAINER(operation, Put, operation);
    AUTO_FAIL why = {0};
    if (put_check_range(put, &why)) {
        operation_fail(operation, &why);
        return;
    }
    put->next = operation->use.offset = operation->offset;
    http_receive(operation->http, put_received, put);
}

static void put_done(ImageOperation *operation)
{
    Put *put = CONTAINER(operation, Put, operation);
    if (put->filling)
        piece_free(put->filling);
}

static const OperationKind put_kind = {
    .name = "Writing",
    .size = sizeof(Put),
    .start = put_start,
    .done = put_done,
};

static int put_parse(Http *http, int64_t *ret_offset, bool *ret_flush, bool *ret_close, Fail *why)
{
    const HttpHead *head = http_head(http);
    const char *range = http_header(http, "Content-Range");
    if (!head->has_length && !head->chunked)
        return fail_set(why, FAIL_INVALID, "A PUT needs Content-Length or chunks.");
    if (range && image_content_range_parse(range, ret_offset, why))
        return -1;
    // Clients of old servers know nothing of flushing and expect their data to be safe.
    return image_query_flag(head->query, "flush", true, ret_flush, why) ||
           image_query_flag(head->query, "close", false, ret_close, why);
}

void image_put(ImageServer *server, ImageTicket *ticket, Http *http)
{
    int64_t offset = 0;
    bool flush, close;
    AUTO_FAIL why = {0};
    if (put_parse(http, &offset, &flush, &close, &why)) {
        image_reply_fail(http, &why);
        return;
    }
    if (close)
        http_close_after(http);
    ImageOperation *operation = operation_new(server, &put_kind, ticket, http);
    operation->offset = offset;
    CONTAINER(operation, Put, operation)->flush = flush;
    operation_begin(operation);
}
