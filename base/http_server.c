// Connections and the life of exchanges on them, deadlines, the end of the server.
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/http_internal.h"

const HttpLimits http_default_limits = {
    .connections = 20000,
    .connections_per_address = 1000,
    .idle_ms = 75000,
    .head_ms = 10000,
    .stall_ms = 60000,
};

static void connection_next(Connection *connection);

// ---- exchange life

void http_unref(Http *http)
{
    if (--http->references)
        return;
    if (http->gzip) {
        deflateEnd(http->gzip);
        free(http->gzip);
    }
    strbuf_done(&http->body);
    strbuf_done(&http->headers);
    free(http->head_text);
    free(http);
}

static void http_release_pull(Http *http)
{
    HttpDone released = TAKE(http->released);
    http->pull = NULL;
    if (released)
        released(http, http->pull_argument);
}

void http_finish(Http *http)
{
    if (http->ended)
        return;
    http->ended = true;
    http_release_pull(http);
    Connection *connection = http->connection;
    http_unref(http);
    if (connection && connection->http == http && connection->state == CONNECTION_ANSWER)
        connection_next(connection);
}

void http_lose_body(Http *http)
{
    HttpDone lost = TAKE(http->lost);
    if (lost)
        lost(http, http->body_argument);
    http_finish(http);
}

static void http_lost(Http *http)
{
    http->connection = NULL;
    if (!http->ended) {
        HttpDone gone = TAKE(http->gone);
        HttpDone collected = TAKE(http->collected);
        bool pulling = http->pull != NULL;
        if (gone)
            gone(http, http->gone_argument);
        if (collected)
            http_lose_body(http);
        else if (pulling)
            http_finish(http);
    }
    http_unref(http);
}

// ---- connection life

static void server_count_address(HttpServer *server, const char *peer, int change)
{
    MapSlot *slot = map_slot(&server->per_address, peer);
    intptr_t count = (slot ? (intptr_t)slot->value : 0) + change;
    if (!slot) {
        map_put(&server->per_address, memory_string(peer), (void *)count);
    } else if (count > 0) {
        slot->value = (void *)count;
    } else {
        char *key = (char *)slot->key;
        map_remove(&server->per_address, peer);
        free(key);
    }
}

void connection_close(Connection *connection, bool flush)
{
    if (connection->shut && flush)
        return;
    connection->shut = true;
    stream_close(connection->stream, flush);
}

void connection_look(Connection *connection)
{
    stream_pause(connection->stream);
    stream_resume(connection->stream);
}

static void server_release(HttpServer *server)
{
    if (!server->freed || !server->swept || server->count)
        return;
    map_done(&server->per_address);
    free(server);
}

static void server_maybe_stopped(HttpServer *server)
{
    if (server->stopping && !server->count && server->stopped) {
        void (*stopped)(void *) = TAKE(server->stopped);
        stopped(server->stopped_argument);
    }
}

static void connection_free(Connection *connection)
{
    free(connection->peer);
    free(connection);
}

static void connection_leave(Connection *connection)
{
    HttpServer *server = connection->server;
    list_remove(&connection->node);
    server->count--;
    server_count_address(server, connection->peer, -1);
    if (!connection->busy)
        connection_free(connection);
    server_maybe_stopped(server);
    server_release(server);
}

static void connection_closed(Stream *stream, const Fail *why, void *owner)
{
    Connection *connection = owner;
    (void)stream;
    (void)why;
    if (connection->http)
        http_lost(connection->http);
    connection_leave(connection);
}

void connection_refuse(Connection *connection, int status, const char *text)
{
    AUTO_FREE char *answer = memory_format(
        "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
        "Connection: close\r\n\r\n%s\n",
        status, http_status_text(status), strlen(text) + 1, text);
    stream_write(connection->stream, answer, strlen(answer));
    stream_linger(connection->stream);
    connection_close(connection, true);
}

static size_t connection_take_head(Connection *connection, const char *data, size_t length)
{
    HttpServer *server = connection->server;
    if (connection->state == CONNECTION_IDLE) {
        // Empty lines between requests are harmless and some clients send them.
        size_t skip = 0;
        while (skip + 1 < length && data[skip] == '\r' && data[skip + 1] == '\n')
            skip += 2;
        if (skip || (length == 1 && *data == '\r'))
            return skip;
        connection->state = CONNECTION_HEAD;
        connection->since = clock_monotonic_ms();
    }
    size_t end = http_head_end(data, length);
    if (!end || end > HTTP_HEAD_MAX) {
        if (length >= HTTP_HEAD_MAX)
            connection_refuse(connection, 431, "The head of the request is too large.");
        return 0;
    }
    Http *http = NEW(Http);
    http->references = 2;
    http->connection = connection;
    http->head_text = memory_bytes(data, end);
    const char *error = NULL;
    int status = http_head_parse(http->head_text, end, &http->head, &error);
    if (status) {
        http->references = 1;
        http_unref(http);
        connection_refuse(connection, status, error);
        return 0;
    }
    http->body_left = http->head.length;
    http->body_complete = !http->head.chunked && !http->head.length;
    connection->http = http;
    connection->state = http->body_complete ? CONNECTION_ANSWER : CONNECTION_BODY;
    connection->since = clock_monotonic_ms();
    server->handler(http, server->argument);
    return end;
}

// ---- bytes from the client

static size_t connection_data(Stream *stream, const char *data, size_t length, void *owner)
{
    Connection *connection = owner;
    if (connection->shut)
        return length;
    size_t taken = 0;
    if (connection->state <= CONNECTION_HEAD && stream_queued(stream) >= STREAM_LOW_WATER)
        return 0; // it doesn't read its answers: no more of them until it does
    connection->busy = true;
    if (connection->state <= CONNECTION_HEAD)
        taken = connection_take_head(connection, data, length);
    else if (connection->state == CONNECTION_BODY) {
        Http *http = connection->http;
        http->references++; // it may be answered, and gone, half-way through its body
        taken = http_take_body(http, data, length);
        http_unref(http);
    }
    if (taken && connection->state == CONNECTION_BODY)
        connection->since = clock_monotonic_ms();
    connection->busy = false;
    if (connection->given)
        connection_free(connection);
    return taken;
}

static void connection_ended(Stream *stream, void *owner)
{
    (void)stream;
    connection_close(owner, true);
}

static void connection_drained(Stream *stream, void *owner)
{
    Connection *connection = owner;
    Http *http = connection->http;
    (void)stream;
    connection->since = clock_monotonic_ms();
    if (!http)
        connection_look(connection); // for the next request
    else if (http->pull)
        http_pull_more(http);
    else if (http->drained)
        http->drained(http, http->drained_argument);
}

static const StreamHandlers connection_handlers = {
    .data = connection_data,
    .ended = connection_ended,
    .drained = connection_drained,
    .closed = connection_closed,
};

// The exchange is over: close or wait for the next request.
static void connection_next(Connection *connection)
{
    Http *http = connection->http;
    bool keep = http->head.keep_alive && !http->close_after && http->body_complete &&
                !connection->server->stopping;
    if (!http->body_complete)
        stream_linger(connection->stream);
    connection->http = NULL;
    http->connection = NULL;
    connection->state = CONNECTION_IDLE;
    connection->since = clock_monotonic_ms();
    http_unref(http);
    if (!keep)
        connection_close(connection, true);
    else
        connection_look(connection); // pipelined requests, from the loop
}

static Connection *connection_new(HttpServer *server, const char *peer)
{
    Connection *connection = NEW(Connection);
    *connection = (Connection){.server = server,
                               .peer = memory_string(peer),
                               .idle_ms = server->limits.idle_ms,
                               .stall_ms = server->limits.stall_ms,
                               .since = clock_monotonic_ms()};
    list_append(&server->connections, &connection->node);
    server->count++;
    server_count_address(server, connection->peer, 1);
    return connection;
}

static bool server_is_full(const HttpServer *server, const char *peer)
{
    return server->stopping || server->count >= server->limits.connections ||
           (intptr_t)map_get(&server->per_address, peer) >= server->limits.connections_per_address;
}

void http_server_adopt(HttpServer *server, int fd, TlsContext *tls, const char *peer)
{
    if (server_is_full(server, peer)) {
        memory_closep(&fd);
        return;
    }
    Connection *connection = connection_new(server, peer);
    connection->stream = stream_accept(server->loop, fd, tls, &connection_handlers, connection);
    stream_set_input_limit(connection->stream, HTTP_HEAD_MAX * 4);
}

void http_server_adopt_stream(HttpServer *server, Stream *stream)
{
    bool full = server_is_full(server, stream_peer(stream));
    Connection *connection = connection_new(server, stream_peer(stream));
    connection->stream = stream;
    stream_set_owner(stream, &connection_handlers, connection);
    stream_set_input_limit(stream, HTTP_HEAD_MAX * 4);
    if (full)
        connection_close(connection, false);
    else
        connection_look(connection);
}

// ---- deadlines

static void connection_check(Connection *connection, int64_t now)
{
    const HttpLimits *limits = &connection->server->limits;
    int64_t spent = now - connection->since;
    size_t queued = stream_queued(connection->stream);
    if (connection->shut)
        return;
    if (queued != connection->last_queued) {
        connection->last_queued = queued;
        connection->since = now;
        return;
    }
    switch (connection->state) {
    case CONNECTION_IDLE:
        if (spent > connection->idle_ms || connection->server->stopping)
            connection_close(connection, true);
        break;
    case CONNECTION_HEAD:
        if (spent > limits->head_ms)
            connection_refuse(connection, 408, "The head of the request took too long.");
        break;
    case CONNECTION_BODY:
        // A receiver that takes nothing (its disk is slow) is not the client's fault.
        if (spent > connection->stall_ms && connection->http->body_decided &&
            !connection->http->full)
            connection_close(connection, false);
        break;
    case CONNECTION_ANSWER:
        if ((queued || connection->http->pull) && spent > connection->stall_ms)
            connection_close(connection, false);
        break;
    }
}

static void server_sweep(uv_timer_t *timer)
{
    HttpServer *server = timer->data;
    int64_t now = clock_monotonic_ms();
    bool hurry = server->stopping && now > server->stop_deadline;
    LIST_EACH(&server->connections, Connection, node, connection) {
        if (hurry)
            connection_close(connection, false);
        else
            connection_check(connection, now);
    }
}

HttpServer *http_server_new(uv_loop_t *loop, const HttpLimits *limits, HttpHeadHandler handler,
                            void *argument)
{
    HttpServer *server = NEW(HttpServer);
    server->loop = loop;
    server->limits = *limits;
    server->handler = handler;
    server->argument = argument;
    list_init(&server->connections);
    uv_timer_init(loop, &server->sweep);
    server->sweep.data = server;
    uv_timer_start(&server->sweep, server_sweep, 1000, 1000);
    uv_unref((uv_handle_t *)&server->sweep);
    return server;
}

void http_server_stop(HttpServer *server, int grace_ms, void (*stopped)(void *), void *argument)
{
    server->stopping = true;
    server->stop_deadline = clock_monotonic_ms() + grace_ms;
    server->stopped = stopped;
    server->stopped_argument = argument;
    uv_timer_start(&server->sweep, server_sweep, 0, 100);
    server_maybe_stopped(server);
}

static void server_sweep_closed(uv_handle_t *handle)
{
    HttpServer *server = handle->data;
    server->swept = true;
    server_release(server);
}

void http_server_free(HttpServer *server)
{
    if (!server)
        return;
    server->stopping = server->freed = true;
    server->stopped = NULL;
    LIST_EACH(&server->connections, Connection, node, connection)
        connection_close(connection, false);
    uv_close((uv_handle_t *)&server->sweep, server_sweep_closed);
}

int http_server_connections(const HttpServer *server)
{
    return server->count;
}

// ---- what the application sees

const HttpHead *http_head(const Http *http)
{
    return &http->head;
}

const char *http_header(const Http *http, const char *name)
{
    return http_head_get(&http->head, name);
}

const char *http_peer(const Http *http)
{
    return http->connection ? http->connection->peer : "";
}

Stream *http_stream(const Http *http)
{
    return http->connection ? http->connection->stream : NULL;
}

bool http_gone(const Http *http)
{
    return !http->connection;
}

void http_on_gone(Http *http, HttpDone gone, void *argument)
{
    http->gone = gone;
    http->gone_argument = argument;
}

void http_on_drained(Http *http, HttpDone drained, void *argument)
{
    http->drained = drained;
    http->drained_argument = argument;
}

size_t http_queued(const Http *http)
{
    return http->connection ? stream_queued(http->connection->stream) : 0;
}

// ---- upgrades

bool http_wants_upgrade(const Http *http, const char *protocol)
{
    return http->head.minor == 1 && http->body_complete &&
           http_head_lists(&http->head, "Connection", "upgrade") &&
           http_head_lists(&http->head, "Upgrade", protocol);
}

static void http_give(Http *http, Stream *stream, const StreamHandlers *handlers, void *owner)
{
    Connection *connection = http->connection;
    connection->given = true;
    connection->http = NULL;
    http->connection = NULL;
    stream_set_owner(stream, handlers, owner);
    stream_set_input_limit(stream, STREAM_LOW_WATER);
    connection_leave(connection);
    http_unref(http);
    stream_pause(stream); // what has come behind the request is shown again, from the loop
    stream_resume(stream);
}

Stream *http_upgrade(Http *http, const char *protocol, const StreamHandlers *handlers, void *owner)
{
    AUTO_STRBUF out = {0};
    Stream *stream = http_stream(http);
    bool possible = stream && stream_is_open(stream) && http->body_complete && !http->begun;
    if (stream && !possible) {
        http_abort(http);
        return NULL;
    }
    http->begun = true;
    if (stream) {
        strbuf_addf(&out, "HTTP/1.1 101 %s\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n",
                    http_status_text(101), protocol);
        stream_write(stream, out.data, out.length);
        http_give(http, stream, handlers, owner);
    }
    http_finish(http);
    return stream;
}
