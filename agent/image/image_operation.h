// One request on an image, from the ticket's check to the answer: what all kinds have in common.
//
// An operation enters its ticket, waits for a connection to the image, then its kind's `start`
// runs. It ends when it has answered and no request of it is under way; the client's death, the
// ticket's removal and every error only make it answer earlier.
#pragma once

#include "agent/image/image_request.h"
#include "agent/image/image_ticket.h"
#include "base/http_server.h"

enum {
    PIECE_SIZE = 512 * 1024, // bytes of one request to the image
    PIECES_MAX = 4,          // under way for one operation
    PIECES_FREE_MAX = 32,    // kept for the next operations
    OPERATIONS_MANY = 32,    // from here on each gets fewer pieces: memory is bounded
    IMAGE_CONNECTIONS = 256, // of clients
};

typedef struct ImageServer ImageServer;
typedef struct ImageOperation ImageOperation;

typedef struct OperationKind {
    const char *name; // for the log
    size_t size;      // of the struct that begins with an ImageOperation
    // The image can be used.
    void (*start)(ImageOperation *operation);
    // Frees the kind's own parts.
    void (*done)(ImageOperation *operation);
} OperationKind;

struct ImageOperation {
    const OperationKind *kind;
    ImageServer *server;
    Http *http; // NULL once it is answered
    bool begun; // the answer's head is out
    TicketUse use;
    BackendWait wait;
    ImageBackend *backend;
    List node; // the server's
    int64_t offset, length;
    int in_flight; // requests to the image, and jobs on the pool
};

// Memory for one request to the image.
typedef struct Piece {
    BackendRequest request;
    ImageOperation *operation;
    struct Piece *next; // free
    char *data;         // PIECE_SIZE, aligned
    size_t filled, sent;
    bool ready;
} Piece;

// `size` bytes, the first of which are the operation. The ticket has been authorized.
ImageOperation *operation_new(ImageServer *server, const OperationKind *kind, ImageTicket *ticket,
                              Http *http);
// Waits for the image, then starts.
void operation_begin(ImageOperation *operation);
// Whole answers.
void operation_answer(ImageOperation *operation, int status, const char *type, const void *body,
                      size_t length);
void operation_fail(ImageOperation *operation, const Fail *why);
// A request to the image has failed with that errno.
void operation_fail_io(ImageOperation *operation, int error, const char *what);
// The answer is complete, or cut.
void operation_end(ImageOperation *operation);
// To be called after each completion; frees the operation when it is over and then returns true.
bool operation_over(ImageOperation *operation);
void operation_progress(ImageOperation *operation, int64_t bytes);
// A request to the image; the caller's `done` begins with operation_completed().
void operation_submit(ImageOperation *operation, BackendRequest *request);
// False when the operation is over: nothing may be done any more.
bool operation_completed(ImageOperation *operation, int error, const char *what);

// How many pieces an operation may have now.
int operation_depth(const ImageOperation *operation);
Piece *piece_new(ImageOperation *operation, BackendDone done);
void piece_free(Piece *piece);
// Those that are kept.
void pieces_free(ImageServer *server);

// Error answers outside of operations.
void image_reply_fail(Http *http, const Fail *why);
void image_add_cors(Http *http);

// The kinds.
void image_get(ImageServer *server, ImageTicket *ticket, Http *http);
void image_put(ImageServer *server, ImageTicket *ticket, Http *http);
void image_patch(ImageServer *server, ImageTicket *ticket, Http *http, const ImagePatch *patch);
void image_extents(ImageServer *server, ImageTicket *ticket, Http *http);
void image_checksum(ImageServer *server, ImageTicket *ticket, Http *http);
void image_algorithms(Http *http);
