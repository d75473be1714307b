#include "agent/console/console_server.h"

#include <stdlib.h>
#include <string.h>

#include "agent/console/serial_line.h"
#include "base/http_server.h"
#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "base/uuid.h"
#include "proto/console.h"

enum { CONSOLE_CONNECTIONS = 512 };

static const HttpLimits console_limits = {
    .connections = CONSOLE_CONNECTIONS,
    .connections_per_address = CONSOLE_CONNECTIONS,
    .idle_ms = 10000,
    .head_ms = 10000,
    .stall_ms = 60000,
};

struct ConsoleServer {
    Agent *agent;
    HttpServer *http;
    List viewers;
    int count;
    uv_async_t woken; // a line has something to say
    bool stopping;
};

typedef struct Viewer {
    ConsoleServer *server;
    List node;
    char vm[UUID_SIZE];
    char *name;     // for who takes its place, and for the log
    char *taken_by; // NULL: nobody
    Http *http;     // until the line is open
    Stream *stream; // afterwards
    SerialLine *line;
    bool opening, waiting; // its line is being opened; another one of the VM is
    bool full;             // the line took less input than there was
    uv_work_t work;
    Fail why;
} Viewer;

static void server_maybe_stopped(ConsoleServer *server);

// ---- the line's end, on the pool

typedef struct LineEnd {
    ConsoleServer *server;
    SerialLine *line;
    uv_work_t work;
} LineEnd;

static void line_end_run(uv_work_t *work)
{
    serial_line_close(((LineEnd *)work->data)->line);
}

static void line_end_done(uv_work_t *work, int status)
{
    LineEnd *end = work->data;
    (void)status;
    end->server->count--;
    server_maybe_stopped(end->server);
    free(end);
}

static void viewer_drop_line(Viewer *viewer)
{
    if (!viewer->line)
        return;
    LineEnd *end = NEW(LineEnd);
    *end = (LineEnd){.server = viewer->server, .line = TAKE(viewer->line)};
    end->work.data = end;
    end->server->count++;
    uv_queue_work(end->server->agent->loop, &end->work, line_end_run, line_end_done);
}

// ---- the viewer's end

static void viewer_free(Viewer *viewer)
{
    ConsoleServer *server = viewer->server;
    viewer_drop_line(viewer);
    list_remove(&viewer->node);
    fail_done(&viewer->why);
    free(viewer->name);
    free(viewer->taken_by);
    free(viewer);
    server->count--;
    server_maybe_stopped(server);
}

static void viewer_say(Viewer *viewer, const char *text)
{
    AUTO_FREE char *line = memory_format("\r\n[vireo: %s]\r\n", text);
    stream_write(viewer->stream, line, strlen(line));
}

// The last words; the line is somebody else's at once, the stream needs a moment.
static void viewer_dismiss(Viewer *viewer, const char *text)
{
    viewer_drop_line(viewer);
    viewer_say(viewer, text);
    stream_linger(viewer->stream);
    stream_close(viewer->stream, true);
}

static void viewer_dismiss_taken(Viewer *viewer)
{
    AUTO_FREE char *text = memory_format("%s has taken over this console.", viewer->taken_by);
    viewer_dismiss(viewer, text);
}

// ---- bytes

static void viewer_output(Viewer *viewer)
{
    AUTO_STRBUF out = {0};
    size_t skipped = 0;
    if (!viewer->line || !stream_is_open(viewer->stream) ||
        stream_queued(viewer->stream) > STREAM_HIGH_WATER)
        return; // viewer_drained() goes on
    bool goes_on = serial_line_take(viewer->line, &out, &skipped);
    stream_write(viewer->stream, out.data, out.length);
    if (skipped) {
        AUTO_FREE char *text = memory_format("%zu bytes of output were skipped.", skipped);
        viewer_say(viewer, text);
    }
    if (!goes_on)
        viewer_dismiss(viewer, "The serial console has ended.");
}

static size_t viewer_data(Stream *stream, const char *data, size_t length, void *owner)
{
    Viewer *viewer = owner;
    (void)stream;
    size_t taken = viewer->line ? serial_line_send(viewer->line, data, length) : length;
    viewer->full = taken < length;
    return taken;
}

static void viewer_drained(Stream *stream, void *owner)
{
    (void)stream;
    viewer_output(owner);
}

static void viewer_closed(Stream *stream, const Fail *why, void *owner)
{
    Viewer *viewer = owner;
    (void)stream;
    (void)why;
    viewer->stream = NULL;
    log_info("console.close", LOG_ID("vm", viewer->vm), "%s left the serial console.",
             viewer->name);
    viewer_free(viewer);
}

static const StreamHandlers viewer_handlers = {
    .data = viewer_data,
    .drained = viewer_drained,
    .closed = viewer_closed,
};

static void server_woken(uv_async_t *async)
{
    ConsoleServer *server = async->data;
    LIST_EACH(&server->viewers, Viewer, node, viewer) {
        if (!viewer->stream)
            continue;
        viewer_output(viewer);
        if (!viewer->full)
            continue;
        stream_pause(viewer->stream); // its bytes are shown again
        stream_resume(viewer->stream);
    }
}

// In libvirt's thread.
static void viewer_woken(void *argument)
{
    uv_async_send(&((ConsoleServer *)argument)->woken);
}

// ---- opening

static void console_fail(Http *http, const Fail *why)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    AUTO_FREE char *text = fail_text(why);
    json_open(&writer, '{');
    json_add_string(&writer, "reason", fail_reason(why->code));
    json_add_string(&writer, "detail", text);
    json_close(&writer, '}');
    http_reply(http, fail_http_status(why->code), "application/json", json.data, json.length);
}

static void viewer_open_run(uv_work_t *work)
{
    Viewer *viewer = work->data;
    viewer->line = serial_line_open(viewer->server->agent->hypervisor, viewer->vm, viewer_woken,
                                    viewer->server, &viewer->why);
}

static void viewer_show(Viewer *viewer)
{
    viewer->waiting = false;
    viewer->stream = http_upgrade(TAKE(viewer->http), CONSOLE_PROTOCOL, &viewer_handlers, viewer);
    if (!viewer->stream) {
        viewer_free(viewer);
        return;
    }
    stream_keep_alive(viewer->stream);
    log_info("console.open", LOG_ID("vm", viewer->vm), "%s opened the serial console.",
             viewer->name);
    if (viewer->taken_by)
        viewer_dismiss_taken(viewer);
    else
        viewer_output(viewer);
}

static void viewer_opened(Viewer *viewer)
{
    viewer->opening = false;
    if (viewer->http && viewer->line) {
        viewer_show(viewer);
        return;
    }
    if (viewer->http)
        console_fail(TAKE(viewer->http), &viewer->why);
    viewer_free(viewer);
}

static void viewer_open_done(uv_work_t *work, int status);

static void viewer_open(Viewer *viewer)
{
    viewer->waiting = false;
    viewer->opening = true;
    viewer->work.data = viewer;
    uv_queue_work(viewer->server->agent->loop, &viewer->work, viewer_open_run, viewer_open_done);
}

// Of those who waited, the last one opens the line; the others have lost it to that one already.
static void server_open_next(ConsoleServer *server, const char *vm)
{
    LIST_EACH(&server->viewers, Viewer, node, viewer) {
        if (!viewer->waiting || strcmp(viewer->vm, vm))
            continue;
        if (!viewer->http) // it has gone
            viewer_free(viewer);
        else if (viewer->taken_by)
            viewer_show(viewer);
        else
            viewer_open(viewer);
    }
}

static void viewer_open_done(uv_work_t *work, int status)
{
    Viewer *viewer = work->data;
    ConsoleServer *server = viewer->server;
    char vm[UUID_SIZE];
    (void)status;
    memcpy(vm, viewer->vm, UUID_SIZE);
    server->count++; // it stays until the end of this function
    viewer_opened(viewer);
    server_open_next(server, vm);
    server->count--;
    server_maybe_stopped(server);
}

static void viewer_gone(Http *http, void *argument)
{
    Viewer *viewer = argument;
    viewer->http = NULL;
    http_end(http);
}

// Libvirt gives a line to whoever opens it last. Two at once would leave it to chance, and both
// without it: the one that got it would find that the other has taken over.
static bool server_opens(const ConsoleServer *server, const char *vm)
{
    LIST_EACH(&server->viewers, Viewer, node, viewer)
        if (viewer->opening && !strcmp(viewer->vm, vm))
            return true;
    return false;
}

static void server_displace(ConsoleServer *server, const Viewer *by)
{
    LIST_EACH(&server->viewers, Viewer, node, viewer) {
        if (viewer == by || viewer->taken_by || strcmp(viewer->vm, by->vm))
            continue;
        viewer->taken_by = memory_string(by->name);
        if (viewer->stream && stream_is_open(viewer->stream))
            viewer_dismiss_taken(viewer);
    }
}

// It goes to terminals: nothing but letters.
static char *viewer_name(const Http *http)
{
    const char *given = http_header(http, CONSOLE_VIEWER);
    char *name = memory_string(given && *given ? given : "Somebody");
    for (char *at = name; *at; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    return name;
}

static void viewer_new(ConsoleServer *server, Http *http, const char *vm)
{
    Viewer *viewer = NEW(Viewer);
    viewer->server = server;
    viewer->http = http;
    viewer->name = viewer_name(http);
    memcpy(viewer->vm, vm, UUID_SIZE);
    list_append(&server->viewers, &viewer->node);
    server->count++;
    server_displace(server, viewer);
    http_on_gone(http, viewer_gone, viewer);
    if (server_opens(server, vm))
        viewer->waiting = true;
    else
        viewer_open(viewer);
}

// ---- requests

// "/vireo/console/VMID/serial"
static bool path_vm(const char *path, char vm[UUID_SIZE])
{
    size_t prefix = strlen(CONSOLE_PATH);
    if (strncmp(path, CONSOLE_PATH, prefix) || strlen(path + prefix) < UUID_SIZE - 1)
        return false;
    memcpy(vm, path + prefix, UUID_SIZE - 1);
    vm[UUID_SIZE - 1] = 0;
    return uuid_valid(vm) && !strcmp(path + prefix + UUID_SIZE - 1, CONSOLE_SERIAL);
}

static bool peer_is_manager(const Http *http)
{
    AUTO_FREE char *unit = stream_peer_unit(http_stream(http));
    return unit && !strcmp(unit, MANAGER_UNIT);
}

static void server_request(Http *http, void *argument)
{
    ConsoleServer *server = argument;
    const HttpHead *head = http_head(http);
    AUTO_FAIL why = {0};
    char vm[UUID_SIZE];
    if (!peer_is_manager(http))
        fail_set(&why, FAIL_FORBIDDEN, "Consoles are opened for the manager only.");
    else if (!path_vm(head->path, vm))
        fail_set(&why, FAIL_NOT_FOUND, "There is nothing at %.100s.", head->path);
    else if (strcmp(head->method, "GET") || !http_wants_upgrade(http, CONSOLE_PROTOCOL))
        fail_set(&why, FAIL_INVALID,
                 "A console needs a GET with \"Upgrade: " CONSOLE_PROTOCOL "\".");
    else if (server->stopping || server->count >= CONSOLE_CONNECTIONS)
        fail_set(&why, FAIL_UNAVAILABLE, "The host opens no more consoles now.");
    if (fail_is_set(&why))
        console_fail(http, &why);
    else
        viewer_new(server, http, vm);
}

// ---- life

ConsoleServer *console_server_new(Agent *agent)
{
    ConsoleServer *server = NEW(ConsoleServer);
    server->agent = agent;
    list_init(&server->viewers);
    server->http = http_server_new(agent->loop, &console_limits, server_request, server);
    uv_async_init(agent->loop, &server->woken, server_woken);
    server->woken.data = server;
    return server;
}

void console_server_adopt(Stream *stream, void *server)
{
    http_server_adopt_stream(((ConsoleServer *)server)->http, stream);
}

static void server_freed(uv_handle_t *handle)
{
    free(handle->data);
}

static void server_maybe_stopped(ConsoleServer *server)
{
    if (server->stopping && !server->count && !uv_is_closing((uv_handle_t *)&server->woken))
        uv_close((uv_handle_t *)&server->woken, server_freed);
}

void console_server_stop(ConsoleServer *server)
{
    server->stopping = true;
    server->count++; // it stays until the end of this function
    http_server_free(TAKE(server->http));
    LIST_EACH(&server->viewers, Viewer, node, viewer)
        if (viewer->stream)
            stream_close(viewer->stream, false);
    server->count--;
    server_maybe_stopped(server);
}
