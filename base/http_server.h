// An HTTP/1.1 server on Stream: keep-alive, chunked bodies in both directions, 100-continue,
// bodies collected or streamed with backpressure, answers whole, streamed or pulled piece by
// piece, gzip when the client asks for it, deadlines for slow peers, upgrades to other protocols.
//
// One exchange is an `Http`. The server tells the application about it when the head is complete;
// the application says what it wants of the body and answers, now or later. An exchange whose
// client has gone stays valid until the application has answered it; answering is then a no-op.
#pragma once

#include "base/http_head.h"
#include "base/stream.h"
#include "base/strbuf.h"

typedef struct HttpServer HttpServer;
typedef struct Http Http;

typedef struct HttpLimits {
    int connections;             // in all
    int connections_per_address; // from one peer
    int idle_ms;                 // between requests
    int head_ms;                 // whole head, from its first byte
    int stall_ms;                // without progress in a body or an answer
} HttpLimits;

extern const HttpLimits http_default_limits;

typedef void (*HttpHeadHandler)(Http *http, void *argument);
typedef void (*HttpDone)(Http *http, void *argument);
// Body bytes; returns how many were taken. (NULL, 0) marks the end.
typedef size_t (*HttpBody)(Http *http, const char *data, size_t length, void *argument);
// Adds the next piece of the answer to `out`; returns false when that was the last.
typedef bool (*HttpPull)(Http *http, StrBuf *out, void *argument);

HttpServer *http_server_new(uv_loop_t *loop, const HttpLimits *limits, HttpHeadHandler handler,
                            void *argument);
// Serves a descriptor that was accepted elsewhere.
void http_server_adopt(HttpServer *server, int fd, TlsContext *tls, const char *peer);
// Serves a stream whose first bytes another protocol's detector has looked at.
void http_server_adopt_stream(HttpServer *server, Stream *stream);
// Ends idle connections now and the others after their answer; `stopped` is called when none is
// left or after `grace_ms`, when those that are left are cut.
void http_server_stop(HttpServer *server, int grace_ms, void (*stopped)(void *), void *argument);
void http_server_free(HttpServer *server); // cuts what is left; NULL is fine
int http_server_connections(const HttpServer *server);

const HttpHead *http_head(const Http *http);
const char *http_header(const Http *http, const char *name);
const char *http_peer(const Http *http);
Stream *http_stream(const Http *http); // NULL when the client has gone
bool http_gone(const Http *http);

// The body, collected up to `limit` bytes (413 beyond), then `done`. When the body doesn't come
// whole (the client goes, it is too large, its framing is broken), `lost` of http_on_lost() is
// called in place of `done`, to free the argument, and the exchange ends by itself.
void http_collect(Http *http, size_t limit, HttpDone done, void *argument);
void http_on_lost(Http *http, HttpDone lost); // before http_collect()
const char *http_body(const Http *http, size_t *ret_length);
// The body as it comes. Who receives must use http_on_gone(), too, and answer even then.
void http_receive(Http *http, HttpBody receive, void *argument);
void http_receive_more(Http *http); // after a receiver took less than it was offered
// Called when the client has gone, or the server had to refuse the rest of its body, before the
// answer was complete.
void http_on_gone(Http *http, HttpDone gone, void *argument);

void http_add_header(Http *http, const char *name, const char *value);
void http_compress(Http *http);    // allow gzip for this answer
void http_close_after(Http *http); // the connection ends with this answer; before it begins
// Deadlines of this connection from now on, instead of the server's.
void http_set_patience(Http *http, int idle_ms, int stall_ms);
// Whole answer.
void http_reply(Http *http, int status, const char *type, const void *body, size_t length);
// Answer in pieces; length -1 means chunked. http_end() completes it; when less than `length` was
// written it cuts the connection, as http_abort() does.
void http_begin(Http *http, int status, const char *type, int64_t length);
void http_write(Http *http, const void *data, size_t length);
// Of an answer whose length was announced, little more than the socket takes now; returns how many
// bytes. The rest stays the caller's: http_on_drained() tells when to go on.
size_t http_write_some(Http *http, const void *data, size_t length);
size_t http_queued(const Http *http);
void http_on_drained(Http *http, HttpDone drained, void *argument);
void http_end(Http *http);
void http_abort(Http *http); // cut the connection: the client must not take it for complete
// Answer made piece by piece whenever there is room (each pull must add something); ends by itself. `released` is called once
// when nothing will be pulled any more, also when the client has gone.
void http_pull(Http *http, int status, const char *type, HttpPull pull, HttpDone released,
               void *argument);

// Whether the client asks to go on with another protocol on this connection.
bool http_wants_upgrade(const Http *http, const char *protocol);
// Answers 101 and gives the connection away: it is the caller's from now on, with what the client
// has sent behind its request, which is shown from the loop. The server neither counts nor closes
// it any more. NULL when the client has gone; the exchange has ended in both cases.
Stream *http_upgrade(Http *http, const char *protocol, const StreamHandlers *handlers, void *owner);

const char *http_status_text(int status);
