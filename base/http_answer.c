// Answers: whole, in pieces, pulled; chunked and packed.
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/http_internal.h"

enum {
    HTTP_CHUNK_HEAD = 18, // room for the size of a chunk and CR LF
    HTTP_PULLS = 16,      // per turn of the loop, so that one fast client doesn't starve the others
};

const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        {101, "Switching Protocols"},
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

size_t http_write_some(Http *http, const void *data, size_t length)
{
    if (!http->connection || http->no_body || http->chunked_answer)
        return length;
    if (http->answer_left >= 0 && (int64_t)length > http->answer_left)
        length = (size_t)http->answer_left;
    size_t sent = stream_write_some(http->connection->stream, data, length);
    http->answer_left -= http->answer_left > 0 ? (int64_t)sent : 0;
    return sent;
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

void http_pull_more(Http *http)
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
