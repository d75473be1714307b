// Images behind an NBD server on a Unix socket, through libnbd's asynchronous side.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libnbd.h>

#include "agent/image/image_backend.h"
#include "agent/image/image_request.h"
#include "base/clock.h"

enum { NBD_RETRY_MS = 50, NBD_SEND_BUFFER = 2 * 1024 * 1024 };

static const int64_t status_max = 2LL * 1024 * 1024 * 1024; // bytes of one block status request

static const char dirty_prefix[] = "qemu:dirty-bitmap:";

typedef enum NbdStage {
    NBD_STAGE_CONNECTING,
    NBD_STAGE_LISTING, // which dirty bitmaps there are
    NBD_STAGE_GOING,
    NBD_STAGE_READY,
    NBD_STAGE_DEAD,
    _NBD_STAGE_MAX,
} NbdStage;

typedef struct NbdBackend {
    ImageBackend base;
    struct nbd_handle *nbd;
    uv_poll_t *poll;  // freed by its closing; NULL while there is no connection
    uv_timer_t timer; // before READY: the next try; then: requests ended outside of the poll
    int events;       // that poll watches for
    NbdStage stage;
    bool closing, listed, writable, sparse, dirty;
    char *path, *export, *bitmap; // the bitmap's whole context name
    int bitmaps;
    int64_t deadline_ms;
    List under_way, ended; // requests
} NbdBackend;

static void nbd_connect(NbdBackend *backend);
static void nbd_work(NbdBackend *backend);

static NbdBackend *nbd_backend(ImageBackend *base)
{
    return CONTAINER(base, NbdBackend, base);
}

static bool nbd_judge(const char *url)
{
    char *path = NULL, *export = NULL;
    bool good = nbd_url_parse(url, &path, &export);
    free(path);
    free(export);
    return good;
}

// ---- connection

static void nbd_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

static void nbd_drop(NbdBackend *backend)
{
    if (backend->poll)
        uv_close((uv_handle_t *)TAKE(backend->poll), nbd_poll_closed);
    nbd_close(TAKE(backend->nbd));
}

static void nbd_polled(uv_poll_t *poll, int status, int events)
{
    NbdBackend *backend = poll->data;
    unsigned direction = nbd_aio_get_direction(backend->nbd);
    if (status < 0) // of a socket; libnbd finds out what it is
        events = UV_READABLE | UV_WRITABLE;
    if ((events & UV_READABLE) && (direction & LIBNBD_AIO_DIRECTION_READ))
        nbd_aio_notify_read(backend->nbd);
    else if ((events & UV_WRITABLE) && (direction & LIBNBD_AIO_DIRECTION_WRITE))
        nbd_aio_notify_write(backend->nbd);
    nbd_work(backend);
}

static void nbd_watch(NbdBackend *backend)
{
    unsigned direction = nbd_aio_get_direction(backend->nbd);
    int events = (direction & LIBNBD_AIO_DIRECTION_READ ? UV_READABLE : 0) |
                 (direction & LIBNBD_AIO_DIRECTION_WRITE ? UV_WRITABLE : 0);
    if (events != backend->events) // or each request would cost two more system calls
        uv_poll_start(backend->poll, events, nbd_polled);
    backend->events = events;
}

static void nbd_retry(uv_timer_t *timer)
{
    nbd_connect(timer->data);
}

static void nbd_failed(NbdBackend *backend, const char *text);

static void nbd_late(uv_timer_t *timer)
{
    nbd_failed(timer->data, "it took the connection and does not answer");
}

// The server may be on its way up: qemu-nbd is started again when it has died.
static void nbd_failed(NbdBackend *backend, const char *text)
{
    AUTO_FREE char *detail = memory_string(text ? text : "the connection broke");
    nbd_drop(backend);
    if (clock_monotonic_ms() < backend->deadline_ms) {
        backend->stage = NBD_STAGE_CONNECTING;
        uv_timer_start(&backend->timer, nbd_retry, NBD_RETRY_MS, 0);
        return;
    }
    AUTO_FAIL why = {0};
    fail_set(&why, FAIL_INTERNAL, "The NBD server at %s can't be used", backend->path);
    fail_detail(&why, "%s", detail);
    backend->stage = NBD_STAGE_DEAD;
    backend_opened(&backend->base, &why);
}

static int nbd_note_bitmap(void *user_data, const char *name)
{
    NbdBackend *backend = user_data;
    if (strncmp(name, dirty_prefix, sizeof(dirty_prefix) - 1))
        return 0;
    free(backend->bitmap);
    backend->bitmap = memory_string(name);
    backend->bitmaps++;
    return 0;
}

static int nbd_note_listed(void *user_data, int *error)
{
    NbdBackend *backend = user_data;
    (void)error;
    backend->listed = true;
    return 1;
}

static int nbd_list_bitmaps(NbdBackend *backend)
{
    nbd_context_callback each = {.callback = nbd_note_bitmap, .user_data = backend};
    nbd_completion_callback done = {.callback = nbd_note_listed, .user_data = backend};
    backend->stage = NBD_STAGE_LISTING;
    backend->listed = false;
    backend->bitmaps = 0;
    return nbd_add_meta_context(backend->nbd, dirty_prefix) < 0 ||
                   nbd_aio_opt_list_meta_context(backend->nbd, each, done) < 0
               ? -1
               : 0;
}

static int nbd_add_contexts(NbdBackend *backend)
{
    return nbd_add_meta_context(backend->nbd, "base:allocation") < 0 ||
                   nbd_add_meta_context(backend->nbd, "qemu:allocation-depth") < 0
               ? -1
               : 0;
}

// With several bitmaps nobody knows which one is meant: then there is none.
static int nbd_go(NbdBackend *backend)
{
    backend->stage = NBD_STAGE_GOING;
    if (nbd_clear_meta_contexts(backend->nbd) < 0 || nbd_add_contexts(backend) < 0)
        return -1;
    if (backend->bitmaps == 1 && nbd_add_meta_context(backend->nbd, backend->bitmap) < 0)
        return -1;
    return nbd_aio_opt_go(backend->nbd, NBD_NULL_COMPLETION);
}

static int nbd_set_up(NbdBackend *backend)
{
    struct nbd_handle *nbd = backend->nbd;
    // Without asking for block sizes QEMU takes requests of any alignment. Buffers are read into
    // before they are looked at, so libnbd need not clear them.
    if (nbd_set_export_name(nbd, backend->export) < 0 ||
        nbd_set_request_block_size(nbd, false) < 0 || nbd_set_pread_initialize(nbd, false) < 0)
        return -1;
    if (backend->dirty ? nbd_set_opt_mode(nbd, true) < 0 : nbd_add_contexts(backend) < 0)
        return -1;
    return nbd_aio_connect_unix(nbd, backend->path);
}

// A whole piece fits the socket, so that both sides wake up once for it and not four times.
static void nbd_widen(int fd)
{
    int bytes = NBD_SEND_BUFFER;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static void nbd_connect(NbdBackend *backend)
{
    int64_t left = backend->deadline_ms - clock_monotonic_ms();
    uv_timer_start(&backend->timer, nbd_late, left > 0 ? (uint64_t)left : 0, 0);
    backend->nbd = nbd_create();
    if (!backend->nbd || nbd_set_up(backend) < 0 || nbd_aio_get_fd(backend->nbd) < 0) {
        nbd_failed(backend, nbd_get_error());
        return;
    }
    nbd_widen(nbd_aio_get_fd(backend->nbd));
    backend->events = 0;
    backend->poll = NEW(uv_poll_t);
    backend->poll->data = backend;
    uv_poll_init(backend->base.loop, backend->poll, nbd_aio_get_fd(backend->nbd));
    nbd_work(backend);
}

static void nbd_ready(NbdBackend *backend)
{
    struct nbd_handle *nbd = backend->nbd;
    backend->stage = NBD_STAGE_READY;
    uv_timer_stop(&backend->timer);
    backend->base.size = nbd_get_size(nbd);
    backend->base.coherent = nbd_can_multi_conn(nbd) > 0;
    backend->base.can_zero = nbd_can_zero(nbd) > 0;
    backend->base.can_dirty =
        backend->bitmaps == 1 && nbd_can_meta_context(nbd, backend->bitmap) > 0;
    if (!backend->writable || !nbd_is_read_only(nbd)) {
        backend_opened(&backend->base, NULL);
        return;
    }
    AUTO_FAIL why = {0};
    fail_set(&why, FAIL_INTERNAL, "The NBD server at %s allows reading only.", backend->path);
    backend_opened(&backend->base, &why);
}

// One step of the negotiation, when the connection is ready for it.
static int nbd_negotiate(NbdBackend *backend)
{
    if (nbd_aio_is_ready(backend->nbd)) {
        nbd_ready(backend);
        return 0;
    }
    if (!nbd_aio_is_negotiating(backend->nbd))
        return 0;
    if (backend->stage == NBD_STAGE_CONNECTING)
        return nbd_list_bitmaps(backend);
    return backend->stage == NBD_STAGE_LISTING && backend->listed ? nbd_go(backend) : 0;
}

// ---- requests

static void nbd_end_all(NbdBackend *backend)
{
    while (!list_empty(&backend->ended) && !backend->closing) {
        BackendRequest *request = CONTAINER(backend->ended.next, BackendRequest, node);
        list_remove(&request->node);
        backend_completed(request, request->error);
    }
}

static void nbd_later(uv_timer_t *timer)
{
    nbd_work(timer->data);
}

static bool nbd_is_dead(const NbdBackend *backend)
{
    return nbd_aio_is_dead(backend->nbd) || nbd_aio_is_closed(backend->nbd);
}

// After anything that may have changed the state of the connection.
static void nbd_work(NbdBackend *backend)
{
    if (backend->closing)
        return;
    bool dead = nbd_is_dead(backend);
    // A step may have its answer at once; nothing would wake us up for the next one.
    NbdStage stage = _NBD_STAGE_MAX;
    while (!dead && backend->stage < NBD_STAGE_READY && stage != backend->stage) {
        stage = backend->stage;
        dead = nbd_negotiate(backend) < 0 || (!backend->closing && nbd_is_dead(backend));
    }
    if (backend->closing) // by whom it was told to
        return;
    if (dead && backend->stage < NBD_STAGE_READY) {
        nbd_failed(backend, nbd_get_error());
        return;
    }
    if (dead) {
        backend->base.broken = true;
        uv_poll_stop(backend->poll);
    }
    nbd_end_all(backend);
    if (!backend->closing && backend->poll && !dead)
        nbd_watch(backend);
}

// libnbd forbids calls from inside: the request is only put aside.
static int nbd_note_completed(void *user_data, int *error)
{
    BackendRequest *request = user_data;
    NbdBackend *backend = nbd_backend(request->backend);
    request->error = request->error ? request->error : -*error;
    list_remove(&request->node);
    list_append(&backend->ended, &request->node);
    return 1;
}

// Pairs of length and flags, as one context told them.
typedef struct NbdContext {
    uint32_t *entries;
    size_t count, at;
} NbdContext;

enum { CONTEXT_ALLOCATION, CONTEXT_DEPTH, CONTEXT_DIRTY, _CONTEXT_MAX };

typedef struct NbdStatus {
    BackendRequest *request;
    NbdContext contexts[_CONTEXT_MAX];
} NbdStatus;

static int nbd_note_extents(void *user_data, const char *name, uint64_t offset, uint32_t *entries,
                            size_t count, int *error)
{
    NbdStatus *status = user_data;
    (void)offset;
    (void)error;
    int index = !strcmp(name, "base:allocation")         ? CONTEXT_ALLOCATION
                : !strcmp(name, "qemu:allocation-depth") ? CONTEXT_DEPTH
                                                         : CONTEXT_DIRTY;
    NbdContext *context = &status->contexts[index];
    if (context->entries)
        return 0; // the first answer counts
    context->entries = (uint32_t *)memory_bytes(entries, count * sizeof(*entries));
    context->count = count;
    return 0;
}

// Flags of the current entry; what no context tells is data that is allocated and unchanged.
static uint32_t nbd_flags(const NbdContext *context, uint32_t unknown)
{
    return context->entries ? context->entries[context->at + 1] : unknown;
}

// Cuts the next piece over which no context changes; 0 at the end of the shortest.
static int64_t nbd_piece(NbdStatus *status, int64_t room)
{
    int64_t length = room;
    for (int i = 0; i < _CONTEXT_MAX; i++) {
        NbdContext *context = &status->contexts[i];
        if (context->entries && context->at + 1 >= context->count)
            return 0;
        if (context->entries && context->entries[context->at] < length)
            length = context->entries[context->at];
    }
    return length;
}

static void nbd_advance(NbdStatus *status, int64_t length)
{
    for (int i = 0; i < _CONTEXT_MAX; i++) {
        NbdContext *context = &status->contexts[i];
        if (context->entries && !(context->entries[context->at] -= (uint32_t)length))
            context->at += 2;
    }
}

static int nbd_note_status(void *user_data, int *error)
{
    NbdStatus *status = user_data;
    BackendRequest *request = status->request;
    int64_t left = request->length;
    for (int64_t length; !*error && left > 0 && (length = nbd_piece(status, left)) > 0;) {
        uint32_t allocation = nbd_flags(&status->contexts[CONTEXT_ALLOCATION], 0);
        ImageExtent extent = {.length = length,
                              .zero = allocation & LIBNBD_STATE_ZERO,
                              .hole = nbd_flags(&status->contexts[CONTEXT_DEPTH], 1) == 0,
                              .dirty = nbd_flags(&status->contexts[CONTEXT_DIRTY], 0) & 1};
        extent_list_add(request->extents, extent);
        nbd_advance(status, length);
        left -= length;
    }
    if (!*error && left == request->length)
        request->error = -EPROTO; // or we would ask for ever
    return nbd_note_completed(request, error);
}

static void nbd_free_status(void *user_data)
{
    NbdStatus *status = user_data;
    for (int i = 0; i < _CONTEXT_MAX; i++)
        free(status->contexts[i].entries);
    free(status);
}

static int64_t nbd_submit_extents(NbdBackend *backend, BackendRequest *request)
{
    NbdStatus *status = NEW(NbdStatus);
    status->request = request;
    if (request->length > status_max)
        request->length = status_max;
    nbd_extent_callback each = {.callback = nbd_note_extents, .user_data = status};
    nbd_completion_callback done = {
        .callback = nbd_note_status, .user_data = status, .free = nbd_free_status};
    return nbd_aio_block_status(backend->nbd, (uint64_t)request->length, (uint64_t)request->offset,
                                each, done, 0);
}

// A server that tells nothing of its extents has one, of data.
static bool nbd_knows_extents(NbdBackend *backend)
{
    return nbd_can_meta_context(backend->nbd, "base:allocation") > 0;
}

static int64_t nbd_submit_kind(NbdBackend *backend, BackendRequest *request)
{
    nbd_completion_callback done = {.callback = nbd_note_completed, .user_data = request};
    struct nbd_handle *nbd = backend->nbd;
    size_t length = (size_t)request->length;
    uint64_t offset = (uint64_t)request->offset;
    switch (request->kind) {
    case REQUEST_READ: return nbd_aio_pread(nbd, request->data, length, offset, done, 0);
    case REQUEST_WRITE: return nbd_aio_pwrite(nbd, request->data, length, offset, done, 0);
    case REQUEST_ZERO:
        return nbd_aio_zero(nbd, length, offset, done,
                            backend->sparse ? 0 : LIBNBD_CMD_FLAG_NO_HOLE);
    case REQUEST_FLUSH: return nbd_can_flush(nbd) > 0 ? nbd_aio_flush(nbd, done, 0) : 0;
    case REQUEST_EXTENTS:
        return nbd_knows_extents(backend) ? nbd_submit_extents(backend, request) : 0;
    case _REQUEST_MAX: break;
    }
    return -1;
}

static void nbd_submit(ImageBackend *base, BackendRequest *request)
{
    NbdBackend *backend = nbd_backend(base);
    list_append(&backend->under_way, &request->node);
    int64_t cookie = base->broken ? -1 : nbd_submit_kind(backend, request);
    if (cookie == 0 && request->kind == REQUEST_EXTENTS)
        extent_list_add(request->extents, (ImageExtent){.length = request->length});
    if (cookie < 0 && !request->error)
        request->error = !base->broken && nbd_get_errno() ? -nbd_get_errno() : -ENOTCONN;
    if (cookie <= 0 && request->node.next) {
        list_remove(&request->node);
        list_append(&backend->ended, &request->node);
    }
    if (!list_empty(&backend->ended))
        uv_timer_start(&backend->timer, nbd_later, 0, 0);
    if (!base->broken)
        nbd_watch(backend);
}

// ---- life

static ImageBackend *nbd_open(uv_loop_t *loop, const BackendOptions *options)
{
    NbdBackend *backend = NEW(NbdBackend);
    backend->base.loop = loop;
    backend->writable = options->writable;
    backend->sparse = options->sparse;
    backend->dirty = options->dirty;
    backend->deadline_ms =
        clock_monotonic_ms() + (options->open_ms ? options->open_ms : BACKEND_OPEN_MS);
    nbd_url_parse(options->url, &backend->path, &backend->export);
    list_init(&backend->under_way);
    list_init(&backend->ended);
    uv_timer_init(loop, &backend->timer);
    backend->timer.data = backend;
    uv_timer_start(&backend->timer, nbd_retry, 0, 0);
    return &backend->base;
}

static void nbd_free(uv_handle_t *handle)
{
    NbdBackend *backend = handle->data;
    free(backend->path);
    free(backend->export);
    free(backend->bitmap);
    free(backend);
}

static void nbd_shut(ImageBackend *base)
{
    NbdBackend *backend = nbd_backend(base);
    if (backend->closing)
        return;
    backend->closing = true;
    base->broken = true;
    if (backend->nbd && backend->stage == NBD_STAGE_READY && !base->in_flight)
        nbd_aio_disconnect(backend->nbd, 0);
    nbd_drop(backend);
    LIST_EACH(&backend->ended, BackendRequest, node, request) {
        list_remove(&request->node);
        backend_completed(request, request->error);
    }
    LIST_EACH(&backend->under_way, BackendRequest, node, request) {
        list_remove(&request->node);
        backend_completed(request, -ECANCELED);
    }
    uv_close((uv_handle_t *)&backend->timer, nbd_free);
}

const BackendDriver backend_nbd = {
    .scheme = "nbd:",
    .connections = BACKEND_CONNECTIONS_MAX,
    .judge = nbd_judge,
    .open = nbd_open,
    .submit = nbd_submit,
    .close = nbd_shut,
};
