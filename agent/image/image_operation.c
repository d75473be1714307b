#include "agent/image/image_operation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/image/image_internal.h"
#include "base/log.h"

void image_add_cors(Http *http)
{
    static const struct {
        const char *asked, *answer, *value;
    } rows[] = {
        {"Origin", "Access-Control-Allow-Origin", "*"},
        {"Access-Control-Request-Headers", "Access-Control-Allow-Headers", "*"},
        {"Access-Control-Request-Method", "Access-Control-Allow-Methods",
         "OPTIONS,GET,HEAD,PUT,PATCH"},
    };
    bool any = false;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (http_header(http, rows[i].asked)) {
            http_add_header(http, rows[i].answer, rows[i].value);
            any = true;
        }
    if (any)
        http_add_header(http, "Access-Control-Max-Age", "86400");
}

void image_reply_fail(Http *http, const Fail *why)
{
    AUTO_FREE char *text = fail_text(why);
    AUTO_FREE char *line = memory_format("%s\n", text);
    http_reply(http, fail_http_status(why->code), "text/plain; charset=UTF-8", line, strlen(line));
}

// ---- the end

static void operation_free(ImageOperation *operation)
{
    ImageTicket *ticket = operation->use.ticket;
    operation->server->operation_count--;
    list_remove(&operation->node);
    if (operation->kind->done)
        operation->kind->done(operation);
    if (operation->backend)
        ticket_give_backend(ticket, operation->backend);
    ticket_leave(&operation->use);
    ImageServer *server = operation->server;
    free(operation);
    image_server_operation_gone(server);
}

bool operation_over(ImageOperation *operation)
{
    if (operation->http || operation->in_flight || operation->wait.opening)
        return false;
    operation_free(operation);
    return true;
}

void operation_end(ImageOperation *operation)
{
    if (operation->http)
        http_end(TAKE(operation->http));
}

void operation_answer(ImageOperation *operation, int status, const char *type, const void *body,
                      size_t length)
{
    if (operation->http)
        http_reply(TAKE(operation->http), status, type, body, length);
}

void operation_fail(ImageOperation *operation, const Fail *why)
{
    ImageTicket *ticket = operation->use.ticket;
    if (!operation->http)
        return;
    AUTO_FREE char *text = fail_text(why);
    log_info("image.failed", LOG_ID("transfer", ticket->transfer_id), "%s failed: %s",
             operation->kind->name, text);
    if (operation->wait.opening)
        ticket_stop_waiting(&operation->wait);
    if (operation->begun)
        http_abort(TAKE(operation->http)); // or the client would take it for complete
    else
        image_reply_fail(TAKE(operation->http), why);
}

void operation_fail_io(ImageOperation *operation, int error, const char *what)
{
    AUTO_FAIL why = {0};
    fail_errno(&why, error == -ENOSPC ? FAIL_NO_SPACE : FAIL_INTERNAL, error, "%s failed", what);
    operation_fail(operation, &why);
}

static void operation_gone(Http *http, void *argument)
{
    ImageOperation *operation = argument;
    (void)http;
    if (operation->wait.opening)
        ticket_stop_waiting(&operation->wait);
    operation_end(operation);
    operation_over(operation);
}

static void operation_cancel(TicketUse *use)
{
    ImageOperation *operation = CONTAINER(use, ImageOperation, use);
    AUTO_FAIL why = {0};
    fail_set(&why, FAIL_FORBIDDEN, "Transfer %s was canceled.", use->ticket->transfer_id);
    operation_fail(operation, &why);
    operation_over(operation);
}

// ---- the beginning

static void operation_ready(BackendWait *wait, ImageBackend *backend, const Fail *why)
{
    ImageOperation *operation = CONTAINER(wait, ImageOperation, wait);
    operation->backend = backend;
    operation->in_flight++; // whatever it ends with, it is not freed inside
    if (why)
        operation_fail(operation, why);
    else
        operation->kind->start(operation);
    operation->in_flight--;
    operation_over(operation);
}

ImageOperation *operation_new(ImageServer *server, const OperationKind *kind, ImageTicket *ticket,
                              Http *http)
{
    ImageOperation *operation = memory_new(1, kind->size);
    int patience = ticket->inactivity_s * 1000;
    operation->kind = kind;
    operation->server = server;
    operation->http = http;
    operation->use.cancel = operation_cancel;
    operation->wait.ready = operation_ready;
    list_append(&server->operations, &operation->node);
    server->operation_count++;
    ticket_enter(ticket, &operation->use);
    http_on_gone(http, operation_gone, operation);
    http_set_patience(http, patience, patience);
    return operation;
}

void operation_begin(ImageOperation *operation)
{
    ticket_take_backend(operation->use.ticket, &operation->wait);
}

// ---- the middle

void operation_progress(ImageOperation *operation, int64_t bytes)
{
    operation->use.done += bytes;
}

void operation_submit(ImageOperation *operation, BackendRequest *request)
{
    operation->in_flight++;
    backend_submit(operation->backend, request);
}

bool operation_completed(ImageOperation *operation, int error, const char *what)
{
    operation->in_flight--;
    if (error && operation->http)
        operation_fail_io(operation, error, what);
    if (!operation->http) {
        operation_over(operation);
        return false;
    }
    return true;
}

int operation_depth(const ImageOperation *operation)
{
    int count = operation->server->operation_count;
    return count <= OPERATIONS_MANY ? PIECES_MAX : count <= 2 * OPERATIONS_MANY ? 2 : 1;
}

Piece *piece_new(ImageOperation *operation, BackendDone done)
{
    ImageServer *server = operation->server;
    Piece *piece = server->pieces;
    if (piece) {
        server->pieces = piece->next;
        server->piece_count--;
    } else {
        piece = NEW(Piece);
        piece->data = aligned_alloc(BACKEND_ALIGNMENT, PIECE_SIZE);
        if (!piece->data)
            abort();
    }
    piece->operation = operation;
    piece->filled = piece->sent = 0;
    piece->ready = false;
    piece->request = (BackendRequest){.data = piece->data, .done = done, .owner = piece};
    return piece;
}

void piece_free(Piece *piece)
{
    ImageServer *server = piece->operation->server;
    if (server->piece_count < PIECES_FREE_MAX) {
        piece->next = server->pieces;
        server->pieces = piece;
        server->piece_count++;
        return;
    }
    free(piece->data);
    free(piece);
}

void pieces_free(ImageServer *server)
{
    for (Piece *piece; (piece = server->pieces);) {
        server->pieces = piece->next;
        free(piece->data);
        free(piece);
    }
    server->piece_count = 0;
}
