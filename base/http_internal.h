// Inside of the HTTP server, shared by http_server.c (connections and deadlines), http_body.c
// (request bodies) and http_answer.c only.
#pragma once

#include <zlib.h>

#include "base/http_server.h"
#include "base/list.h"
#include "base/map.h"

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
    bool shut;        // stream_close() was called
    bool given, busy; // the stream is somebody else's; one of its callbacks is running
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

// ---- http_server.c

void http_unref(Http *http);
// The application's part is over.
void http_finish(Http *http);
// Nobody else will end an exchange whose application waits for us.
void http_lose_body(Http *http);
void connection_close(Connection *connection, bool flush);
// Lets the stream show again what it has.
void connection_look(Connection *connection);
void connection_refuse(Connection *connection, int status, const char *text);

// ---- http_body.c

// Offers body bytes; returns how many were taken.
size_t http_take_body(Http *http, const char *data, size_t length);

// ---- http_answer.c

void http_pull_more(Http *http);
