// For the tests of http_server: a server whose handlers are chosen by the path, and a client that
// speaks raw bytes, on one loop.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/http_server.h"
#include "base/test.h"

typedef struct Desk Desk;

typedef struct Route {
    const char *path;
    void (*handle)(Desk *desk, Http *http);
} Route;

struct Desk {
    uv_loop_t loop;
    Listener *listener;
    HttpServer *server;
    TlsContext *tls;
    const Route *routes;
    int handled, collected, lost, gone, released, stopped;
    Http *kept[8]; // by handlers that answer later
    int kept_count;
    StrBuf received;
    size_t take; // bytes a receiver takes per call, 0: all
    size_t pieces, piece_size, pulled, sent, most_queued;
};

typedef struct Client {
    Desk *desk;
    int fd;
    StrBuf in;
    bool ended;
    int error; // errno of the end, 0 when it was orderly
} Client;

typedef struct Answer {
    int status;
    char *head, *body;
    size_t length; // of the body
} Answer;

static inline void desk_handle(Http *http, void *argument)
{
    Desk *desk = argument;
    desk->handled++;
    for (const Route *route = desk->routes; route->path; route++)
        if (!strcmp(route->path, http_head(http)->path)) {
            route->handle(desk, http);
            return;
        }
    http_reply(http, 404, "text/plain", "none\n", 5);
}

static inline void desk_accept(int fd, const char *peer, void *argument)
{
    Desk *desk = argument;
    http_server_adopt(desk->server, fd, desk->tls, peer);
}

static inline void desk_begin(Desk *desk, const Route *routes, const HttpLimits *limits)
{
    *desk = (Desk){.routes = routes};
    uv_loop_init(&desk->loop);
    desk->server =
        http_server_new(&desk->loop, limits ? limits : &http_default_limits, desk_handle, desk);
    desk->listener = listener_new(&desk->loop, "127.0.0.1", 0, desk_accept, desk, NULL);
    assert_non_null(desk->listener);
}

static inline void desk_stopped(void *argument)
{
    ((Desk *)argument)->stopped++;
}

static inline void desk_end(Desk *desk)
{
    listener_close(desk->listener);
    if (!desk->stopped) {
        http_server_stop(desk->server, 0, desk_stopped, desk);
        LOOP_UNTIL(&desk->loop, desk->stopped);
    }
    assert_int_equal(http_server_connections(desk->server), 0);
    http_server_free(desk->server);
    uv_run(&desk->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&desk->loop), 0);
    assert_int_equal(desk->stopped, 1);
    strbuf_done(&desk->received);
}

// ---- client

static inline void client_open(Client *client, Desk *desk)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)listener_port(desk->listener)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *client = (Client){.desk = desk, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    int on = 1;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    assert_int_equal(connect(client->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static inline void client_close(Client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    strbuf_done(&client->in);
}

static inline void client_reset(Client *client)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    client_close(client);
}

// Waits a little for the server or for bytes from it.
static inline void client_turn(Client *client)
{
    struct pollfd both[] = {{.fd = uv_backend_fd(&client->desk->loop), .events = POLLIN},
                            {.fd = client->fd, .events = POLLIN}};
    uv_run(&client->desk->loop, UV_RUN_NOWAIT);
    if (uv_backend_timeout(&client->desk->loop))
        poll(both, 2, 5);
}

// Reads what is there; false at the end.
static inline bool client_read(Client *client)
{
    strbuf_reserve(&client->in, 65536);
    ssize_t got = client->ended
                      ? 0
                      : recv(client->fd, client->in.data + client->in.length, 65536, MSG_DONTWAIT);
    if (got > 0)
        client->in.length += (size_t)got;
    else if (got == 0 || errno != EAGAIN) {
        client->error = got < 0 ? errno : client->error;
        client->ended = true;
    }
    client->in.data[client->in.length] = 0;
    return !client->ended;
}

// Sends all of it, while the server works; false when the server has ended the connection.
static inline bool client_send_bytes(Client *client, const char *data, size_t length)
{
    while (length) {
        ssize_t sent = send(client->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return false;
        data += sent > 0 ? sent : 0;
        length -= sent > 0 ? (size_t)sent : 0;
        if (sent < 0)
            test_turn(&client->desk->loop);
        else
            uv_run(&client->desk->loop, UV_RUN_NOWAIT);
    }
    return true;
}

static inline void client_send(Client *client, const char *text)
{
    client_send_bytes(client, text, strlen(text));
}

static inline void answer_done(Answer *answer)
{
    free(answer->head);
    free(answer->body);
}

#define AUTO_ANSWER __attribute__((cleanup(answer_done))) Answer

static inline const char *answer_header(const Answer *answer, const char *name)
{
    static char value[256];
    AUTO_FREE char *start = memory_format("\r\n%s: ", name);
    const char *at = strcasestr(answer->head, start);
    if (!at)
        return NULL;
    at += strlen(start);
    snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}

// Bytes of a chunked body in wire form, 0 when it is not complete. Its content goes to `body`
// unless that is NULL.
static inline size_t answer_chunks(const char *data, size_t length, StrBuf *body)
{
    for (size_t at = 0;;) {
        const char *line = memchr(data + at, '\n', length - at);
        if (!line)
            return 0;
        size_t size = strtoul(data + at, NULL, 16);
        at = (size_t)(line - data) + 1;
        if (length - at < size + 2)
            return 0;
        assert_memory_equal(data + at + size, "\r\n", 2);
        if (body)
            strbuf_add(body, data + at, size);
        at += size + 2;
        if (!size)
            return at;
    }
}

static inline bool answer_take(Client *client, Answer *answer, bool bodiless)
{
    AUTO_STRBUF body = {0};
    char *end = client->in.data ? memmem(client->in.data, client->in.length, "\r\n\r\n", 4) : NULL;
    if (!end)
        return false;
    size_t head = (size_t)(end - client->in.data) + 4, left = client->in.length - head, used = 0;
    free(answer->head);
    *answer =
        (Answer){.head = memory_bytes(client->in.data, head), .status = atoi(client->in.data + 9)};
    const char *length = answer_header(answer, "Content-Length");
    if (bodiless || answer->status == 204 || answer->status == 304 || answer->status < 200) {
        used = 0;
    } else if (length) {
        used = strtoul(length, NULL, 10);
        if (left < used)
            return false;
        strbuf_add(&body, end + 4, used);
    } else if (answer_header(answer, "Transfer-Encoding")) {
        used = answer_chunks(end + 4, left, NULL);
        if (!used)
            return false;
        answer_chunks(end + 4, left, &body);
    } else {
        if (!client->ended)
            return false;
        strbuf_add(&body, end + 4, used = left);
    }
    answer->length = body.length;
    answer->body = strbuf_take(&body);
    strbuf_consume(&client->in, head + used);
    return true;
}

// Waits for one whole answer. Its status is 0 when the connection ends before.
static inline void client_answer_to(Client *client, Answer *answer, bool bodiless)
{
    answer_done(answer);
    *answer = (Answer){0};
    while (!answer_take(client, answer, bodiless)) {
        if (client->ended) {
            answer_done(answer);
            *answer = (Answer){0};
            return;
        }
        client_turn(client);
        client_read(client);
    }
}

static inline void client_answer(Client *client, Answer *answer)
{
    client_answer_to(client, answer, false);
}

#define assert_answer(client, wanted_status, wanted_body)  \
    do {                                                   \
        AUTO_ANSWER _answer = {0};                         \
        client_answer((client), &_answer);                 \
        assert_int_equal(_answer.status, (wanted_status)); \
        assert_string_equal(_answer.body, (wanted_body));  \
    } while (0)

#define assert_status(client, wanted_status)               \
    do {                                                   \
        AUTO_ANSWER _answer = {0};                         \
        client_answer((client), &_answer);                 \
        assert_int_equal(_answer.status, (wanted_status)); \
    } while (0)

// The server must end the connection, in good order and without another byte.
static inline void client_end(Client *client)
{
    while (client_read(client))
        client_turn(client);
    assert_int_equal(client->error, 0);
    assert_int_equal(client->in.length, 0);
    client_close(client);
}

static inline void client_ask(Client *client, Desk *desk, const char *text)
{
    client_open(client, desk);
    client_send(client, text);
}

// ---- handlers that several tests use

static inline void handle_hello(Desk *desk, Http *http)
{
    (void)desk;
    http_reply(http, 200, "text/plain", "hello", 5);
}

static inline void note_gone(Http *http, void *argument)
{
    ((Desk *)argument)->gone++;
    assert_true(http_gone(http));
    assert_null(http_stream(http));
}

static inline void handle_later(Desk *desk, Http *http)
{
    assert_true(desk->kept_count < 8);
    desk->kept[desk->kept_count++] = http;
    http_on_gone(http, note_gone, desk);
}
