// Images that are files or block devices, byte for byte as they lie there. Each request is done by
// a thread of the pool; past the page cache where offset, length and memory allow it.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/falloc.h>
#include <linux/fs.h>

#include "agent/image/image_backend.h"

enum {
    FILE_EXTENTS_MAX = 1024,   // of one request
    FILE_ZEROES = 1024 * 1024, // bytes written at a time where there is no better way
};

static const char file_prefix[] = "file://";

typedef struct FileBackend {
    ImageBackend base;
    char *path;
    bool writable, sparse, device, closing;
    int fd, direct; // direct: the same opened past the page cache, or -1
    uv_work_t work; // opening
    int error;
    uv_timer_t timer; // only so that the end of the life is asynchronous
} FileBackend;

static FileBackend *file_backend(ImageBackend *base)
{
    return CONTAINER(base, FileBackend, base);
}

static bool file_judge(const char *url)
{
    return !strncmp(url, file_prefix, sizeof(file_prefix) - 1) &&
           url[sizeof(file_prefix) - 1] == '/';
}

// ---- requests, on a pool thread

static int file_fd(const FileBackend *backend, const void *data, int64_t offset, int64_t length)
{
    uintptr_t all = (uintptr_t)data | (uintptr_t)offset | (uintptr_t)length;
    return backend->direct >= 0 && !(all % BACKEND_ALIGNMENT) ? backend->direct : backend->fd;
}

static int file_read_all(FileBackend *backend, BackendRequest *request)
{
    char *at = request->data;
    int fd = file_fd(backend, at, request->offset, request->length);
    for (int64_t done = 0; done < request->length;) {
        ssize_t got =
            pread(fd, at + done, (size_t)(request->length - done), request->offset + done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (!got)
            return -ENODATA; // somebody made it shorter
        done += got;
        if (done % BACKEND_ALIGNMENT)
            fd = backend->fd;
    }
    return 0;
}

static int file_write_all(FileBackend *backend, const char *data, int64_t offset, int64_t length)
{
    int fd = file_fd(backend, data, offset, length);
    for (int64_t done = 0; done < length;) {
        ssize_t put = pwrite(fd, data + done, (size_t)(length - done), offset + done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        done += put;
        if (done % BACKEND_ALIGNMENT)
            fd = backend->fd;
    }
    return 0;
}

static int file_write_zeroes(FileBackend *backend, int64_t offset, int64_t length)
{
    int result = 0;
    AUTO_FREE char *zeroes = aligned_alloc(BACKEND_ALIGNMENT, FILE_ZEROES);
    if (!zeroes)
        return -ENOMEM;
    memset(zeroes, 0, FILE_ZEROES);
    while (!result && length > 0) {
        int64_t part = length < FILE_ZEROES ? length : FILE_ZEROES;
        result = file_write_all(backend, zeroes, offset, part);
        offset += part;
        length -= part;
    }
    return result;
}

// A byte at the end makes a file longer without ever cutting off what others write meanwhile.
static int file_grow(FileBackend *backend, int64_t end)
{
    struct stat info;
    if (backend->device || (fstat(backend->fd, &info) == 0 && info.st_size >= end))
        return 0;
    return pwrite(backend->fd, "", 1, end - 1) == 1 ? 0 : -errno;
}

static int file_zero(FileBackend *backend, BackendRequest *request)
{
    int mode = backend->sparse ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE : FALLOC_FL_ZERO_RANGE;
    if (!request->length)
        return 0;
    int result = file_grow(backend, request->offset + request->length);
    if (result)
        return result;
    if (fallocate(backend->fd, mode, request->offset, request->length) == 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != ENODEV)
        return -errno;
    return file_write_zeroes(backend, request->offset, request->length);
}

static int file_flush(FileBackend *backend)
{
    return fdatasync(backend->fd) < 0 ? -errno : 0;
}

static int file_extents(FileBackend *backend, BackendRequest *request)
{
    int64_t at = request->offset, end = at + request->length;
    for (int count = 0; at < end && count < FILE_EXTENTS_MAX; count++) {
        int64_t data = backend->device ? at : lseek(backend->fd, at, SEEK_DATA);
        int64_t hole = backend->device ? end : lseek(backend->fd, at, SEEK_HOLE);
        if (data < 0 && errno == ENXIO)
            data = end; // a hole up to the end
        else if (data < 0)
            data = at; // this file system doesn't know
        bool zero = data > at;
        int64_t next = zero ? data : hole > at ? hole : end;
        if (next > end)
            next = end;
        extent_list_add(request->extents, (ImageExtent){.length = next - at, .zero = zero});
        at = next;
    }
    return 0;
}

static void file_run(uv_work_t *work)
{
    BackendRequest *request = work->data;
    FileBackend *backend = file_backend(request->backend);
    switch (request->kind) {
    case REQUEST_READ: request->error = file_read_all(backend, request); break;
    case REQUEST_WRITE:
        request->error = file_write_all(backend, request->data, request->offset, request->length);
        break;
    case REQUEST_ZERO: request->error = file_zero(backend, request); break;
    case REQUEST_FLUSH: request->error = file_flush(backend); break;
    case REQUEST_EXTENTS: request->error = file_extents(backend, request); break;
    case _REQUEST_MAX: break;
    }
}

// ---- life, on the loop

static void file_free(uv_handle_t *handle)
{
    FileBackend *backend = handle->data;
    memory_closep(&backend->fd);
    memory_closep(&backend->direct);
    free(backend->path);
    free(backend);
}

static void file_maybe_free(FileBackend *backend)
{
    if (backend->closing && !backend->base.in_flight && !backend->base.opened)
        uv_close((uv_handle_t *)&backend->timer, file_free);
}

static void file_ran(uv_work_t *work, int status)
{
    BackendRequest *request = work->data;
    FileBackend *backend = file_backend(request->backend);
    bool closing = backend->closing;
    (void)status;
    backend_completed(request, request->error);
    if (closing)
        file_maybe_free(backend);
}

static void file_submit(ImageBackend *base, BackendRequest *request)
{
    request->work.data = request;
    uv_queue_work(base->loop, &request->work, file_run, file_ran);
}

static void file_open_run(uv_work_t *work)
{
    FileBackend *backend = work->data;
    int mode = (backend->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC;
    struct stat info;
    uint64_t size = 0;
    backend->fd = open(backend->path, mode);
    if (backend->fd < 0 || fstat(backend->fd, &info) < 0) {
        backend->error = -errno;
        return;
    }
    backend->device = S_ISBLK(info.st_mode);
    if (!backend->device && !S_ISREG(info.st_mode))
        backend->error = -EINVAL;
    else if (backend->device && ioctl(backend->fd, BLKGETSIZE64, &size) < 0)
        backend->error = -errno;
    backend->base.size = backend->device ? (int64_t)size : info.st_size;
    backend->direct = open(backend->path, mode | O_DIRECT);
}

static void file_open_done(uv_work_t *work, int status)
{
    FileBackend *backend = work->data;
    AUTO_FAIL why = {0};
    (void)status;
    if (backend->closing) {
        backend->base.opened = NULL;
        file_maybe_free(backend);
        return;
    }
    if (backend->error)
        fail_errno(&why, FAIL_INTERNAL, backend->error, "The image %s can't be opened",
                   backend->path);
    backend->base.coherent = backend->base.can_zero = true;
    backend_opened(&backend->base, backend->error ? &why : NULL);
}

static ImageBackend *file_open(uv_loop_t *loop, const BackendOptions *options)
{
    FileBackend *backend = NEW(FileBackend);
    backend->path = memory_string(options->url + sizeof(file_prefix) - 1);
    backend->writable = options->writable;
    backend->sparse = options->sparse;
    backend->fd = backend->direct = -1;
    backend->work.data = backend;
    uv_timer_init(loop, &backend->timer);
    backend->timer.data = backend;
    uv_queue_work(loop, &backend->work, file_open_run, file_open_done);
    return &backend->base;
}

static void file_close(ImageBackend *base)
{
    FileBackend *backend = file_backend(base);
    if (backend->closing)
        return;
    backend->closing = true;
    file_maybe_free(backend);
}

const BackendDriver backend_file = {
    .scheme = "file:",
    .connections = 1,
    .grows = true,
    .judge = file_judge,
    .open = file_open,
    .submit = file_submit,
    .close = file_close,
};
