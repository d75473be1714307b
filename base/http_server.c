#include "base/http_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <zlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"

const HttpLimits http_default_limits = {
    .connections = 20000,
    .connections_per_address = 1000,
    .idle_ms = 75000,
    .head_ms = 10000,
    .stall_ms = 60000,
};

typedef struct Connection Connection;

struct HttpServer {
    uv_loop_t *loop;
    HttpLimits limits;
    HttpHeadHandler handler;
    void *argument;
    List connections;
    int count;
    Map per_address; // peer -> (void *)count
    uv_timer_t sweep;
    bool stopping, freed, swept;
    int64_t stop_deadline;
    void (*stopped)(void *);
    void *stopped_argument;
};

typedef enum ConnectionState {
    CONNECTION_IDLE, // nothing of a request seen yet
    CONNECTION_HEAD,
    CONNECTION_BODY,
    CONNECTION_ANSWER, // the body is complete, the answer is not
} ConnectionState;

struct Connection {
    HttpServer *server;
    Stream *stream;
    List node;
    ConnectionState state;
    Http *http;
    int64_t since; // of the state, or of its last progress
    size_t last_queued;
    char *peer;
    int idle_ms, stall_ms;
    bool shut; // stream_close() was called
};

typedef enum ChunkState {
    CHUNK_SIZE,
    CHUNK_DATA,
    CHUNK_DATA_END,
    CHUNK_TRAILER,
    CHUNK_DONE
} ChunkState;

struct Http {
    Connection *connection; // NULL when the client has gone
    char *head_text;
    HttpHead head;
    int references; // connection and application
    // body
    HttpBody receive;
    HttpDone collected;
    void *body_argument;
    size_t body_limit;
    StrBuf body;
    int64_t body_left;
    ChunkState chunk;
    size_t trailers; // bytes of them so far
    bool body_decided, body_complete, continue_sent;
    bool full; // the receiver took less than it was offered
    // answer
    StrBuf headers;
    int64_t answer_left; // of the announced length; -1 when none was announced
    bool begun, ended, chunked_answer, no_body, may_compress, close_after;
    z_stream *gzip;
    HttpPull pull;
    HttpDone released, gone, drained, lost;
    void *pull_argument, *gone_argument, *drained_argument;
};

enum {
    HTTP_CHUNK_LINE_MAX = 4096,
    HTTP_CHUNK_HEAD = 18, // room for the size of a chunk and CR LF
    HTTP_PULLS = 16,      // per turn of the loop, so that one fast client doesn't starve the others
};

static void connection_next(Connection *connection);

// ---- exchange life

static void http_unref(Http *http)
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

// The application's part is over.
static void http_finish(Http *http)
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

// Nobody else will end an exchange whose application waits for us.
static void http_lose_body(Http *http)
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

static void connection_close(Connection *connection, bool flush)
{
    if (connection->shut && flush)
        return;
    connection->shut = true;
    stream_close(connection->stream, flush);
}

// Lets the stream show again what it has.
static void connection_look(Connection *connection)
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

static void connection_closed(Stream *stream, const Fail *why, void *owner)
{
    Connection *connection = owner;
    HttpServer *server = connection->server;
    (void)stream;
    (void)why;
    if (connection->http)
        http_lost(connection->http);
    list_remove(&connection->node);
    server->count--;
    server_count_address(server, connection->peer, -1);
    free(connection->peer);
    free(connection);
    server_maybe_stopped(server);
    server_release(server);
}

static void connection_refuse(Connection *connection, int status, const char *text)
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

// ---- request bodies

static void http_body_done(Http *http)
{
    Connection *connection = http->connection;
    http->body_complete = true;
    connection->state = CONNECTION_ANSWER;
    HttpDone collected = TAKE(http->collected);
    HttpBody receive = http->receive;
    if (collected)
        collected(http, http->body_argument);
    else if (receive)
        receive(http, NULL, 0, http->body_argument);
}

// The server's own answer to a body that can't be read on. The application is told by its `gone`,
// as when the client had gone: it may be busy with what it has received so far.
static void http_refuse(Http *http, int status, const char *text)
{
    if (http->begun)
        connection_close(http->connection, false);
    else
        connection_refuse(http->connection, status, text);
}

// Hands body bytes on; returns how many were taken.
static size_t http_body_bytes(Http *http, const char *data, size_t length)
{
    if (http->receive) {
        size_t taken = http->receive(http, data, length, http->body_argument);
        http->full = taken < length;
        return taken;
    }
    if (!http->collected)
        return 0;
    if (http->body.length + length > http->body_limit) {
        http_refuse(http, 413, "The body is too large.");
        return 0;
    }
    strbuf_add(&http->body, data, length);
    return length;
}

static bool chunk_size_parse(const char *line, size_t length, int64_t *ret)
{
    int64_t size = 0;
    size_t at = 0;
    for (; at < length; at++) {
        char c = line[at];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            break;
        if (at >= 15)
            return false;
        size = size * 16 + digit;
    }
    *ret = size;
    return at > 0 && (at == length || line[at] == ';');
}

// One line of chunked framing; returns its length with CR LF, 0 when incomplete, -1 when wrong.
static ssize_t chunk_line(const char *data, size_t length)
{
    size_t most = length < HTTP_CHUNK_LINE_MAX ? length : HTTP_CHUNK_LINE_MAX;
    const char *stop = memchr(data, '\n', most);
    if (!stop)
        return length >= HTTP_CHUNK_LINE_MAX ? -1 : 0;
    const char *back = memchr(data, '\r', (size_t)(stop - data)); // the only one
    return !back || back != stop - 1 ? -1 : stop - data + 1;
}

static size_t http_take_chunked(Http *http, const char *data, size_t length)
{
    if (http->chunk == CHUNK_DATA) {
        size_t part = (int64_t)length < http->body_left ? length : (size_t)http->body_left;
        size_t taken = http_body_bytes(http, data, part);
        http->body_left -= (int64_t)taken;
        if (http->connection && !http->body_left)
            http->chunk = CHUNK_DATA_END;
        return taken;
    }
    ssize_t line = chunk_line(data, length);
    bool wrong = line < 0;
    if (line > 0 && http->chunk == CHUNK_SIZE) {
        wrong = !chunk_size_parse(data, (size_t)line - 2, &http->body_left);
        http->chunk = http->body_left ? CHUNK_DATA : CHUNK_TRAILER;
    } else if (line > 0 && http->chunk == CHUNK_DATA_END) {
        wrong = line != 2;
        http->chunk = CHUNK_SIZE;
    } else if (line == 2 && http->chunk == CHUNK_TRAILER) {
        http->chunk = CHUNK_DONE;
        http_body_done(http);
        return 2;
    } else if (line > 0) {
        http->trailers += (size_t)line;
        wrong = http->trailers > HTTP_HEAD_MAX;
    }
    if (wrong) {
        http_refuse(http, 400, "The chunked body is malformed.");
        return 0;
    }
    return line > 0 ? (size_t)line : 0;
}

static size_t http_take_body(Http *http, const char *data, size_t length)
{
    if (!http->body_decided)
        return 0; // the application has not said yet what it wants
    if (http->head.chunked)
        return http_take_chunked(http, data, length);
    size_t part = (int64_t)length < http->body_left ? length : (size_t)http->body_left;
    size_t taken = http_body_bytes(http, data, part);
    http->body_left -= (int64_t)taken;
    if (http->connection && !http->body_left)
        http_body_done(http);
    return taken;
}

static size_t connection_data(Stream *stream, const char *data, size_t length, void *owner)
{
    Connection *connection = owner;
    if (connection->shut)
        return length;
    size_t taken = 0;
    if (connection->state <= CONNECTION_HEAD && stream_queued(stream) >= STREAM_LOW_WATER)
        return 0; // it doesn't read its answers: no more of them until it does
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
    return taken;
}

static void connection_ended(Stream *stream, void *owner)
{
    (void)stream;
    connection_close(owner, true);
}

static void http_pull_more(Http *http);

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

static void http_decide_body(Http *http)
{
    http->body_decided = true;
    if (!http->connection || http->body_complete)
        return;
    if (http->head.expects_continue && !http->continue_sent) {
        static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
        http->continue_sent = true;
        stream_write(http->connection->stream, text, sizeof(text) - 1);
    }
    connection_look(http->connection);
}

void http_collect(Http *http, size_t limit, HttpDone done, void *argument)
{
    if (http->body_complete) {
        done(http, argument);
        return;
    }
    http->body_argument = argument;
    if (!http->connection) {
        http_lose_body(http);
        return;
    }
    http->body_limit = limit;
    http->collected = done;
    if (http->head.has_length && http->head.length > (int64_t)limit)
        http_refuse(http, 413, "The body is too large.");
    else
        http_decide_body(http);
}

void http_on_lost(Http *http, HttpDone lost)
{
    http->lost = lost;
}

const char *http_body(const Http *http, size_t *ret_length)
{
    *ret_length = http->body.length;
    return http->body.data ? http->body.data : "";
}

void http_receive(Http *http, HttpBody receive, void *argument)
{
    http->receive = receive;
    http->body_argument = argument;
    if (http->body_complete)
        receive(http, NULL, 0, argument);
    else
        http_decide_body(http);
}

void http_receive_more(Http *http)
{
    if (http->connection && !http->body_complete)
        connection_look(http->connection);
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

// ---- answers

const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {302, "Found"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].status == status)
            return rows[i].text;
    return "Status";
}

void http_add_header(Http *http, const char *name, const char *value)
{
    if (value && !strpbrk(value, "\r\n"))
        strbuf_addf(&http->headers, "%s: %s\r\n", name, value);
}

void http_compress(Http *http)
{
    http->may_compress = true;
}

void http_close_after(Http *http)
{
    http->close_after = true;
}

void http_set_patience(Http *http, int idle_ms, int stall_ms)
{
    if (!http->connection)
        return;
    http->connection->idle_ms = idle_ms;
    http->connection->stall_ms = stall_ms;
}

static bool http_accepts_gzip(const Http *http)
{
    const char *at = http_header(http, "Accept-Encoding");
    for (; at; at = strchr(at, ',')) {
        at += strspn(at, ", \t");
        size_t length = strcspn(at, ",; \t");
        if (length == 4 && !strncasecmp(at, "gzip", 4))
            break;
        if (!*at)
            return false;
    }
    if (!at)
        return false;
    const char *weight = at + 4 + strspn(at + 4, " \t;");
    return strncasecmp(weight, "q=", 2) || strtod(weight + 2, NULL) > 0;
}

static void http_start_gzip(Http *http)
{
    http->gzip = NEW(z_stream);
    // Level 1: at 3 and above a list costs several times more for a tenth less on the wire.
    if (deflateInit2(http->gzip, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    http_add_header(http, "Content-Encoding", "gzip");
}

static void http_add_date(StrBuf *out)
{
    static char text[64];
    static time_t made;
    time_t now = time(NULL);
    if (now != made) {
        struct tm broken;
        gmtime_r(&now, &broken);
        strftime(text, sizeof(text), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &broken);
        made = now;
    }
    strbuf_adds(out, text);
}

// The head of the answer goes to `out`, so that it shares a TLS record with the first body bytes.
static void http_add_answer_head(Http *http, StrBuf *out, int status, const char *type,
                                 int64_t length)
{
    bool bodiless = status == 204 || status == 304 || status < 200;
    http->begun = true;
    http->no_body = bodiless || !strcmp(http->head.method, "HEAD");
    http->answer_left = http->no_body ? 0 : length;
    strbuf_addf(out, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
    http_add_date(out);
    if (type && !bodiless)
        strbuf_addf(out, "Content-Type: %s\r\n", type);
    if (length >= 0 && !bodiless) {
        strbuf_addf(out, "Content-Length: %lld\r\n", (long long)length);
    } else if (length < 0 && http->head.minor == 0) {
        http->close_after = true; // HTTP/1.0: the end of the connection is the end of the body
    } else if (length < 0 && !bodiless) {
        http->chunked_answer = true;
        strbuf_adds(out, "Transfer-Encoding: chunked\r\n");
    }
    if (http->may_compress)
        strbuf_adds(out, "Vary: Accept-Encoding, Accept\r\n");
    if (!http->body_complete)
        http->close_after = true; // bytes still to come would be taken for the next request
    if (!http->head.keep_alive || http->close_after ||
        (http->connection && http->connection->server->stopping)) {
        http->close_after = true;
        strbuf_adds(out, "Connection: close\r\n");
    } else if (http->head.minor == 0) {
        strbuf_adds(out, "Connection: keep-alive\r\n");
    }
    strbuf_add(out, http->headers.data, http->headers.length);
    strbuf_adds(out, "\r\n");
}

static void http_send(Http *http, const StrBuf *data)
{
    if (http->connection)
        stream_write(http->connection->stream, data->data, data->length);
}

static void http_deflate(Http *http, StrBuf *out, const void *data, size_t length, int flush)
{
    z_stream *gzip = http->gzip;
    gzip->next_in = (unsigned char *)data;
    gzip->avail_in = (unsigned)length;
    do {
        strbuf_reserve(out, 16384);
        gzip->next_out = (unsigned char *)out->data + out->length;
        gzip->avail_out = 16384;
        deflate(gzip, flush);
        out->length += 16384 - gzip->avail_out;
    } while (!gzip->avail_out);
}

static void http_add_chunk(StrBuf *out, const void *data, size_t length)
{
    if (!length)
        return;
    strbuf_addf(out, "%zx\r\n", length);
    strbuf_add(out, data, length);
    strbuf_adds(out, "\r\n");
}

// One piece of a streamed answer, framed, into `out`.
static void http_add_piece(Http *http, StrBuf *out, const void *data, size_t length, bool last)
{
    AUTO_STRBUF packed = {0};
    if (http->gzip) {
        http_deflate(http, &packed, data, length, last ? Z_FINISH : Z_NO_FLUSH);
        data = packed.data;
        length = packed.length;
    }
    if (http->no_body)
        return;
    if (http->chunked_answer) {
        http_add_chunk(out, data, length);
        if (last)
            strbuf_adds(out, "0\r\n\r\n");
    } else
        strbuf_add(out, data, length);
}

void http_reply(Http *http, int status, const char *type, const void *body, size_t length)
{
    AUTO_STRBUF out = {0}, packed = {0};
    if (http->begun || http->ended)
        return;
    if (http->may_compress && length > 1024 && http_accepts_gzip(http)) {
        http_start_gzip(http);
        http_deflate(http, &packed, body, length, Z_FINISH);
        body = packed.data;
        length = packed.length;
    }
    http_add_answer_head(http, &out, status, type, (int64_t)length);
    if (!http->no_body)
        strbuf_add(&out, body, length);
    http->answer_left = 0;
    http_send(http, &out);
    http_end(http);
}

void http_begin(Http *http, int status, const char *type, int64_t length)
{
    AUTO_STRBUF out = {0};
    if (http->begun)
        return;
    http_add_answer_head(http, &out, status, type, length);
    http_send(http, &out);
}

void http_write(Http *http, const void *data, size_t length)
{
    if (!http->connection || http->no_body || !length)
        return;
    if (!http->chunked_answer) {
        if (http->answer_left >= 0 && (int64_t)length > http->answer_left)
            length = (size_t)http->answer_left;
        http->answer_left -= http->answer_left > 0 ? (int64_t)length : 0;
        stream_write(http->connection->stream, data, length);
        return;
    }
    AUTO_STRBUF out = {0};
    http_add_piece(http, &out, data, length, false);
    http_send(http, &out);
}

void http_end(Http *http)
{
    if (http->ended)
        return;
    if (!http->begun || http->answer_left > 0) {
        http_abort(http); // less than was promised
        return;
    }
    if (http->chunked_answer && !http->no_body && !http->pull) {
        AUTO_STRBUF out = {0};
        strbuf_adds(&out, "0\r\n\r\n");
        http_send(http, &out);
    }
    Connection *connection = http->connection;
    if (connection && !http->body_complete) {
        connection->state = CONNECTION_ANSWER; // nobody will read the rest
        http->close_after = true;
    }
    http_finish(http);
}

void http_abort(Http *http)
{
    Connection *connection = http->connection;
    if (connection)
        connection_close(connection, false);
    http_finish(http);
}

// A piece behind whose first HTTP_CHUNK_HEAD bytes the application has put its own.
static void http_send_chunk(Http *http, StrBuf *piece, bool last)
{
    char head[HTTP_CHUNK_HEAD + 1];
    size_t from = HTTP_CHUNK_HEAD;
    if (piece->length > HTTP_CHUNK_HEAD) {
        int length = snprintf(head, sizeof(head), "%zx\r\n", piece->length - HTTP_CHUNK_HEAD);
        from -= (size_t)length;
        memcpy(piece->data + from, head, (size_t)length);
        strbuf_adds(piece, "\r\n");
    }
    if (last)
        strbuf_adds(piece, "0\r\n\r\n");
    if (http->connection)
        stream_write(http->connection->stream, piece->data + from, piece->length - from);
}

// Returns false when the application has nothing more. It may have ended the answer itself.
static bool http_pull_piece(Http *http, StrBuf *piece)
{
    AUTO_STRBUF out = {0};
    bool in_place = http->chunked_answer && !http->gzip; // framed without copying it
    strbuf_clear(piece);
    strbuf_reserve(piece, STREAM_LOW_WATER * 5 / 4);
    if (in_place)
        piece->length = HTTP_CHUNK_HEAD;
    bool more = http->pull(http, piece, http->pull_argument);
    if (http->ended)
        return true;
    if (in_place) {
        http_send_chunk(http, piece, !more);
    } else {
        http_add_piece(http, &out, piece->data, piece->length, !more);
        http_send(http, &out);
    }
    return more;
}

static void http_pull_more(Http *http)
{
    AUTO_STRBUF piece = {0};
    Stream *stream = http->connection->stream;
    bool more = true;
    http->references++; // it may be aborted by its own pull
    for (int round = 0;
         more && !http->ended && stream_is_open(stream) && stream_queued(stream) < STREAM_LOW_WATER;
         round++) {
        if (round == HTTP_PULLS) {
            stream_ask_drained(stream);
            break;
        }
        more = http_pull_piece(http, &piece);
    }
    if (!more)
        http_end(http);
    http_unref(http);
}

void http_pull(Http *http, int status, const char *type, HttpPull pull, HttpDone released,
               void *argument)
{
    AUTO_STRBUF out = {0};
    if (http->may_compress && http->head.minor == 1 && http_accepts_gzip(http))
        http_start_gzip(http);
    http_add_answer_head(http, &out, status, type, -1);
    http_send(http, &out);
    http->pull = pull;
    http->released = released;
    http->pull_argument = argument;
    if (!http->connection)
        http_finish(http);
    else if (http->no_body)
        http_end(http);
    else
        http_pull_more(http);
}
