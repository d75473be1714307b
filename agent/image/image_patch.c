// PATCH: zeroing without sending zeroes, and flushing.
#include <stdlib.h>
#include <string.h>

#include "agent/image/image_internal.h"

// Zeroing goes on in steps: progress is seen, and slow storage isn't given more than it can do
// before somebody's time-out.
enum { ZERO_STEP = 128 * 1024 * 1024 };

typedef struct Patch {
    ImageOperation operation;
    ImagePatch patch;
    BackendRequest request;
    Piece *zeroes; // for servers that can't zero
    int64_t next;
} Patch;

static void patch_next(Patch *patch);

static void patch_completed(BackendRequest *request, int error)
{
    Patch *patch = request->owner;
    bool flush = request->kind == REQUEST_FLUSH;
    if (!error)
        operation_progress(&patch->operation, request->length);
    if (!operation_completed(&patch->operation, error,
                             flush ? "Flushing the image" : "Zeroing the image"))
        return;
    if (flush)
        operation_answer(&patch->operation, 200, NULL, NULL, 0);
    else
        patch_next(patch);
    operation_over(&patch->operation);
}

static void patch_submit(Patch *patch, RequestKind kind, int64_t length)
{
    patch->request = (BackendRequest){.kind = kind,
                                      .offset = kind == REQUEST_FLUSH ? 0 : patch->next,
                                      .length = length,
                                      .done = patch_completed,
                                      .owner = patch};
    if (kind == REQUEST_WRITE)
        patch->request.data = patch->zeroes->data;
    patch->next += length;
    operation_submit(&patch->operation, &patch->request);
}

static void patch_next(Patch *patch)
{
    ImageOperation *operation = &patch->operation;
    bool can_zero = operation->backend->can_zero;
    int64_t left = operation->offset + operation->length - patch->next;
    int64_t step = can_zero ? ZERO_STEP : PIECE_SIZE;
    if (!can_zero && !patch->zeroes) {
        patch->zeroes = piece_new(operation, NULL);
        memset(patch->zeroes->data, 0, PIECE_SIZE);
    }
    if (left > 0)
        patch_submit(patch, can_zero ? REQUEST_ZERO : REQUEST_WRITE, left < step ? left : step);
    else if (patch->patch.flush || patch->patch.kind == PATCH_FLUSH)
        patch_submit(patch, REQUEST_FLUSH, 0);
    else
        operation_answer(operation, 200, NULL, NULL, 0);
}

static void patch_start(ImageOperation *operation)
{
    Patch *patch = CONTAINER(operation, Patch, operation);
    int64_t size = operation->use.ticket->size;
    AUTO_FAIL why = {0};
    if (!operation->backend->driver->grows && operation->backend->size < size)
        size = operation->backend->size;
    if (patch->patch.offset > size || patch->patch.size > size - patch->patch.offset) {
        AUTO_FREE char *range = memory_format("bytes */%lld", (long long)size);
        http_add_header(operation->http, "Content-Range", range);
        fail_set(&why, FAIL_RANGE, "The range exceeds the image's %lld bytes.", (long long)size);
        operation_fail(operation, &why);
        return;
    }
    operation->offset = operation->use.offset = patch->next = patch->patch.offset;
    operation->length = patch->patch.size;
    patch_next(patch);
}

static void patch_done(ImageOperation *operation)
{
    Patch *patch = CONTAINER(operation, Patch, operation);
    if (patch->zeroes)
        piece_free(patch->zeroes);
}

static const OperationKind patch_kind = {
    .name = "Patching",
    .size = sizeof(Patch),
    .start = patch_start,
    .done = patch_done,
};

void image_patch(ImageServer *server, ImageTicket *ticket, Http *http, const ImagePatch *patch)
{
    ImageOperation *operation = operation_new(server, &patch_kind, ticket, http);
    CONTAINER(operation, Patch, operation)->patch = *patch;
    operation_begin(operation);
}
