// Where an image's bytes are: an NBD server or a file, behind one set of asynchronous requests.
// All on the loop's thread. The drivers are image_nbd.c and image_file.c.
#pragma once

#include <uv.h>

#include "base/fail.h"
#include "base/list.h"

typedef struct ImageBackend ImageBackend;
typedef struct BackendRequest BackendRequest;

typedef struct ImageExtent {
    int64_t length;
    bool zero;  // reads as zeroes
    bool hole;  // allocated nowhere in the exported chain
    bool dirty; // changed since the checkpoint the bitmap belongs to
} ImageExtent;

typedef struct ExtentList {
    ImageExtent *items;
    size_t count, capacity;
} ExtentList;

// Equal neighbours become one.
void extent_list_add(ExtentList *list, ImageExtent extent);
void extent_list_done(ExtentList *list);

typedef enum RequestKind {
    REQUEST_READ,
    REQUEST_WRITE,
    REQUEST_ZERO,
    REQUEST_FLUSH,
    REQUEST_EXTENTS,
    _REQUEST_MAX,
} RequestKind;

// `error` is 0 or a negative errno. Called from the loop, never from inside backend_submit().
typedef void (*BackendDone)(BackendRequest *request, int error);

// Lies in its owner, who keeps it, and what it points to, until `done`.
struct BackendRequest {
    RequestKind kind;
    int64_t offset, length;
    void *data;          // READ, WRITE: `length` bytes, aligned to BACKEND_ALIGNMENT for speed
    ExtentList *extents; // EXTENTS: filled from `offset` on, at least one, maybe not all of it
    BackendDone done;
    void *owner;
    // The driver's
    ImageBackend *backend;
    List node;
    uv_work_t work;
    void *scratch;
    int error;
};

enum {
    BACKEND_ALIGNMENT = 4096,
    BACKEND_CONNECTIONS_MAX = 8, // to one NBD server, as qemu-nbd is told to share
    BACKEND_OPEN_MS = 10000,     // for an NBD server that is being started again
};

typedef struct BackendOptions {
    const char *url;
    bool writable;
    bool sparse; // zeroing may give up space
    bool dirty;  // ask for a dirty bitmap
    int open_ms; // patience with a server that isn't there yet; 0: BACKEND_OPEN_MS
} BackendOptions;

// Once, later; `why` is NULL when it is ready.
typedef void (*BackendOpened)(ImageBackend *backend, Fail *why, void *argument);

typedef struct BackendDriver {
    const char *scheme; // of the URL, with its colon
    int connections;    // that may be opened to the same content
    bool grows;         // writing behind the end makes it longer
    // Checks the URL alone.
    bool (*judge)(const char *url);
    // Starts opening; ends in backend_opened().
    ImageBackend *(*open)(uv_loop_t *loop, const BackendOptions *options);
    // Starts a request; ends in backend_completed().
    void (*submit)(ImageBackend *backend, BackendRequest *request);
    // Frees it. Requests still under way end with -ECANCELED first, where the driver can do that.
    void (*close)(ImageBackend *backend);
} BackendDriver;

struct ImageBackend {
    const BackendDriver *driver;
    uv_loop_t *loop;
    List node;          // its owner's
    int64_t size;       // of the content, as far as known
    bool ready, broken; // broken: of no use any more
    bool coherent;      // a flush covers what other connections have written
    bool can_zero, can_dirty;
    int users;       // operations of the owner
    int64_t used_ms; // when the last one ended
    int in_flight;
    BackendOpened opened;
    void *argument;
};

const BackendDriver *backend_driver(const char *url); // NULL: nobody knows this URL
ImageBackend *backend_open(uv_loop_t *loop, const BackendOptions *options, BackendOpened opened,
                           void *argument);
void backend_submit(ImageBackend *backend, BackendRequest *request);
void backend_close(ImageBackend *backend);

// For drivers.
extern const BackendDriver backend_nbd, backend_file;
void backend_opened(ImageBackend *backend, Fail *why);
void backend_completed(BackendRequest *request, int error);
