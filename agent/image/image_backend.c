#include "agent/image/image_backend.h"

#include <stdlib.h>
#include <string.h>

static const BackendDriver *const drivers[] = {&backend_nbd, &backend_file};

void extent_list_add(ExtentList *list, ImageExtent extent)
{
    ImageExtent *last = list->count ? &list->items[list->count - 1] : NULL;
    if (last && last->zero == extent.zero && last->hole == extent.hole &&
        last->dirty == extent.dirty) {
        last->length += extent.length;
        return;
    }
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 16;
        list->items = memory_resize(list->items, list->capacity, sizeof(ImageExtent));
    }
    list->items[list->count++] = extent;
}

void extent_list_done(ExtentList *list)
{
    free(list->items);
    *list = (ExtentList){0};
}

const BackendDriver *backend_driver(const char *url)
{
    for (size_t i = 0; i < COUNT_OF(drivers); i++)
        if (!strncmp(url, drivers[i]->scheme, strlen(drivers[i]->scheme)) && drivers[i]->judge(url))
            return drivers[i];
    return NULL;
}

ImageBackend *backend_open(uv_loop_t *loop, const BackendOptions *options, BackendOpened opened,
                           void *argument)
{
    const BackendDriver *driver = backend_driver(options->url);
    ImageBackend *backend = driver->open(loop, options);
    backend->driver = driver;
    backend->loop = loop;
    backend->opened = opened;
    backend->argument = argument;
    return backend;
}

void backend_opened(ImageBackend *backend, Fail *why)
{
    BackendOpened opened = TAKE(backend->opened);
    backend->ready = !why;
    backend->broken = why != NULL;
    opened(backend, why, backend->argument);
}

void backend_submit(ImageBackend *backend, BackendRequest *request)
{
    request->backend = backend;
    request->error = 0;
    backend->in_flight++;
    backend->driver->submit(backend, request);
}

void backend_completed(BackendRequest *request, int error)
{
    ImageBackend *backend = request->backend;
    int64_t end = request->offset + request->length;
    backend->in_flight--;
    if (!error && backend->driver->grows && end > backend->size &&
        (request->kind == REQUEST_WRITE || request->kind == REQUEST_ZERO))
        backend->size = end;
    request->done(request, error);
}

void backend_close(ImageBackend *backend)
{
    if (backend)
        backend->driver->close(backend);
}
