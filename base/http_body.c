// Request bodies: framing, collecting, and handing on as they come.
#include <string.h>

#include "base/http_internal.h"

enum { HTTP_CHUNK_LINE_MAX = 4096 };

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

size_t http_take_body(Http *http, const char *data, size_t length)
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

// ---- what the application wants of a body

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
