// An image cut into pieces that are sent or fetched one by one, and workers that do so at the same
// time over connections of their own. A piece whose connection breaks is done again.
#pragma once

#include "base/json.h"
#include "cli/client/http_client.h"
#include "cli/output/progress.h"

enum {
    PIECE_MAX = 32 * 1024 * 1024,
    ZERO_PIECE_MAX = 1024 * 1024 * 1024,
    WORKERS_MAX = 16,
};

typedef struct Piece {
    int64_t offset, length;
    bool zero;
} Piece;

typedef struct Pieces {
    Piece *items;
    size_t count, capacity;
    int64_t data; // bytes of those that are not zero
} Pieces;

void pieces_done(Pieces *pieces);
#define AUTO_PIECES __attribute__((cleanup(pieces_done))) Pieces

// Cuts a range into pieces.
void pieces_add(Pieces *pieces, int64_t offset, int64_t length, bool zero);
// A file's data and holes; a file system that knows no holes has data only.
int pieces_of_file(int fd, int64_t length, Pieces *ret);
// The answer of /extents: [{"start", "length", "zero"}...]. False when it is no such list, or has
// gaps. *ret_size is the end of the last one.
bool pieces_of_extents(const Json *list, Pieces *ret, int64_t *ret_size);

// Does one piece. Called by several threads; `moved` is called with the bytes that have gone.
typedef struct Worker Worker;
typedef int (*PieceWork)(Worker *worker, const Piece *piece, Fail *why);
struct Worker {
    HttpClient *http;
    void *owner;
    void (*moved)(Worker *worker, int64_t bytes);
};

typedef struct PieceJob {
    const Pieces *pieces;
    PieceWork work;
    void *owner;
    const char *authority; // PEM file
    int connections;
    int64_t timeout_s; // without a byte moving
    // Called by the thread of workers_run() after trouble, every second: brings the transfer back
    // if it can. A failure ends all.
    int (*rescue)(void *owner, Fail *why);
} PieceJob;

// Returns when all pieces are done, with the first failure, or after an interruption.
int workers_run(const PieceJob *job, Progress *progress, Fail *why);
