// GET: image to client. Several reads are under way while the pieces before them go out in order.
#include <stdlib.h>

#include "agent/image/image_internal.h"

typedef struct Get {
    ImageOperation operation;
    int64_t next;              // offset of the next read
    Piece *pieces[PIECES_MAX]; // in the order of their offsets
    int first, count;          // a ring
} Get;

static void get_read_more(Get *get);

static Piece *get_first(Get *get)
{
    return get->count ? get->pieces[get->first] : NULL;
}

// Sends what is there, in order, until the socket is full.
static void get_send(Get *get)
{
    ImageOperation *operation = &get->operation;
    for (Piece *piece; operation->http && (piece = get_first(get)) && piece->ready;) {
        size_t sent = http_write_some(operation->http, piece->data + piece->sent,
                                      piece->filled - piece->sent);
        piece->sent += sent;
        operation_progress(operation, (int64_t)sent);
        if (piece->sent < piece->filled)
            return; // drained() goes on
        piece_free(piece);
        get->first = (get->first + 1) % PIECES_MAX;
        get->count--;
        get_read_more(get);
    }
    if (operation->use.done == operation->length)
        operation_end(operation);
}

static void get_piece_read(BackendRequest *request, int error)
{
    Piece *piece = request->owner;
    Get *get = CONTAINER(piece->operation, Get, operation);
    piece->ready = !error;
    if (!operation_completed(&get->operation, error, "Reading the image"))
        return;
    get_send(get);
    operation_over(&get->operation);
}

static void get_read_more(Get *get)
{
    ImageOperation *operation = &get->operation;
    int64_t end = operation->offset + operation->length;
    while (get->count < operation_depth(operation) && get->next < end) {
        Piece *piece = piece_new(operation, get_piece_read);
        int64_t length = PIECE_SIZE - get->next % PIECE_SIZE; // aligned from the second one on
        if (length > end - get->next)
            length = end - get->next;
        piece->filled = (size_t)length;
        piece->request.kind = REQUEST_READ;
        piece->request.offset = get->next;
        piece->request.length = length;
        get->pieces[(get->first + get->count++) % PIECES_MAX] = piece;
        get->next += length;
        operation_submit(operation, &piece->request);
    }
}

static void get_drained(Http *http, void *argument)
{
    Get *get = argument;
    (void)http;
    get_send(get);
    operation_over(&get->operation);
}

static int get_range(Get *get, int64_t available, bool *ret_partial, Fail *why)
{
    ImageOperation *operation = &get->operation;
    const char *header = http_header(operation->http, "Range");
    ByteRange range = {0, available};
    *ret_partial = header != NULL;
    if (header && image_range_parse(header, available, &range, why))
        return -1;
    operation->offset = get->next = operation->use.offset = range.offset;
    operation->length = range.length;
    return 0;
}

static void get_add_headers(Get *get, int64_t available, bool partial)
{
    ImageOperation *operation = &get->operation;
    const char *filename = operation->use.ticket->filename;
    AUTO_FREE char *disposition =
        filename ? memory_format("attachment; filename=\"%s\"", filename) : NULL;
    AUTO_FREE char *range =
        memory_format("bytes %lld-%lld/%lld", (long long)operation->offset,
                      (long long)(operation->offset + operation->length - 1), (long long)available);
    http_add_header(operation->http, "Content-Disposition",
                    disposition ? disposition : "attachment");
    http_add_header(operation->http, "Accept-Ranges", "bytes");
    if (partial)
        http_add_header(operation->http, "Content-Range", range);
}

static void get_start(ImageOperation *operation)
{
    Get *get = CONTAINER(operation, Get, operation);
    int64_t available = operation->backend->size;
    bool partial, head = http_head(operation->http)->method[0] == 'H';
    AUTO_FAIL why = {0};
    if (available > operation->use.ticket->size)
        available = operation->use.ticket->size;
    if (get_range(get, available, &partial, &why)) {
        AUTO_FREE char *range = memory_format("bytes */%lld", (long long)available);
        http_add_header(operation->http, "Content-Range", range);
        operation_fail(operation, &why);
        return;
    }
    get_add_headers(get, available, partial);
    http_on_drained(operation->http, get_drained, get);
    http_begin(operation->http, partial ? 206 : 200, "application/octet-stream", operation->length);
    operation->begun = true;
    if (head || !operation->length) {
        operation_end(operation);
        return;
    }
    get_read_more(get);
}

static void get_done(ImageOperation *operation)
{
    Get *get = CONTAINER(operation, Get, operation);
    for (; get->count; get->count--) {
        piece_free(get->pieces[get->first]);
        get->first = (get->first + 1) % PIECES_MAX;
    }
}

static const OperationKind get_kind = {
    .name = "Reading",
    .size = sizeof(Get),
    .start = get_start,
    .done = get_done,
};

void image_get(ImageServer *server, ImageTicket *ticket, Http *http)
{
    bool close = false;
    AUTO_FAIL why = {0};
    if (image_query_flag(http_head(http)->query, "close", false, &close, &why)) {
        image_reply_fail(http, &why);
        return;
    }
    if (close)
        http_close_after(http);
    operation_begin(operation_new(server, &get_kind, ticket, http));
}
