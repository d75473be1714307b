// For the tests of streams: two sides of a connection on one loop, plain or encrypted, and raw peers.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "base/certificate.h"
#include "base/stream.h"
#include "base/strbuf.h"
#include "base/test.h"

// ---- timers may be hastened: nobody wants to wait ten seconds for a time-out

static uint64_t hasten = 1;

int __real_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout,
                          uint64_t repeat);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout,
                          uint64_t repeat);

int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout,
                          uint64_t repeat)
{
    return __real_uv_timer_start(timer, callback, timeout / hasten, repeat);
}

// ---- one side of a connection

typedef struct Side {
    Stream *stream;
    StrBuf got;
    int opened, ended, drained, closed;
    int calls;       // of data
    size_t step;     // bytes taken per call, 0: all
    size_t want;     // nothing is taken before so many are there
    bool hold;       // take nothing
    bool pause_each; // pause after each piece
    bool close_on_data, close_on_open;
    size_t to_send, most_queued; // produced in pieces while there is room
    Fail why;
} Side;

static inline char pattern(size_t at)
{
    return (char)(at * 7 + at / 251);
}

static inline void produce(Side *side)
{
    static char piece[STREAM_LOW_WATER];
    static size_t sent; // of the one producer
    while (side->to_send && stream_queued(side->stream) < STREAM_HIGH_WATER) {
        size_t length = side->to_send < sizeof(piece) ? side->to_send : sizeof(piece);
        for (size_t i = 0; i < length; i++)
            piece[i] = pattern(sent + i);
        stream_write(side->stream, piece, length);
        side->to_send -= length;
        sent = side->to_send ? sent + length : 0;
        if (stream_queued(side->stream) > side->most_queued)
            side->most_queued = stream_queued(side->stream);
    }
}

static inline void on_opened(Stream *stream, void *owner)
{
    Side *side = owner;
    side->stream = stream;
    side->opened++;
    produce(side);
    if (side->close_on_open)
        stream_close(stream, false);
}

static inline size_t on_data(Stream *stream, const char *data, size_t length, void *owner)
{
    Side *side = owner;
    side->calls++;
    assert_true(length > 0 && !side->closed);
    if (side->close_on_data) {
        stream_close(stream, false);
        return 0;
    }
    if (side->hold || length < side->want)
        return 0;
    if (side->step && length > side->step)
        length = side->step;
    strbuf_add(&side->got, data, length);
    if (side->pause_each)
        stream_pause(stream);
    return length;
}

static inline void on_ended(Stream *stream, void *owner)
{
    Side *side = owner;
    side->ended++;
}

static inline void on_drained(Stream *stream, void *owner)
{
    Side *side = owner;
    side->drained++;
    assert_true(stream_queued(stream) < STREAM_LOW_WATER);
    produce(side);
}

static inline void on_closed(Stream *stream, const Fail *why, void *owner)
{
    Side *side = owner;
    side->closed++;
    side->stream = NULL;
    fail_copy(&side->why, why);
}

static const StreamHandlers handlers = {on_opened, on_data, on_ended, on_drained, on_closed};
static const StreamHandlers simple_handlers = {NULL, on_data, NULL, NULL, on_closed};

// ---- two sides

typedef struct Pair {
    uv_loop_t loop;
    Listener *listener;
    TlsContext *server_tls, *client_tls;
    const StreamHandlers *server_handlers;
    Side server, client;
    size_t input_limit;
} Pair;

static inline void on_accepted(int fd, const char *peer, void *argument)
{
    Pair *pair = argument;
    pair->server.stream =
        stream_accept(&pair->loop, fd, pair->server_tls, pair->server_handlers, &pair->server);
    if (pair->input_limit)
        stream_set_input_limit(pair->server.stream, pair->input_limit);
    assert_string_equal(peer, stream_peer(pair->server.stream));
}

static inline void pair_begin(Pair *pair)
{
    *pair = (Pair){.server_handlers = &handlers};
    uv_loop_init(&pair->loop);
    pair->listener = listener_new(&pair->loop, "127.0.0.1", 0, on_accepted, pair, NULL);
    assert_non_null(pair->listener);
}

static inline void pair_connect(Pair *pair, const char *name)
{
    pair->client.stream = stream_connect(&pair->loop, "127.0.0.1", listener_port(pair->listener),
                                         pair->client_tls, name, 10000, &handlers, &pair->client);
}

static inline void pair_open(Pair *pair)
{
    pair_connect(pair, NULL);
    LOOP_UNTIL(&pair->loop, pair->client.opened && pair->server.opened);
}

static inline void side_end(Side *side)
{
    strbuf_done(&side->got);
    fail_done(&side->why);
}

static inline void pair_end(Pair *pair)
{
    if (pair->server.stream)
        stream_close(pair->server.stream, false);
    if (pair->client.stream)
        stream_close(pair->client.stream, false);
    listener_close(pair->listener);
    uv_run(&pair->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&pair->loop), 0);
    side_end(&pair->server);
    side_end(&pair->client);
    tls_context_unref(pair->server_tls);
    tls_context_unref(pair->client_tls);
}

// ---- TLS

static CertificatePair authority, stranger, server_pair, client_pair, strange_pair;

static inline void make_certificates(void)
{
    if (authority.key)
        return;
    assert_int_equal(certificate_make_authority("T", "CA", &authority, NULL), 0);
    assert_int_equal(certificate_make_authority("T", "CA", &stranger, NULL), 0);
    assert_int_equal(certificate_issue(&authority, "T", "server", "server.example,127.0.0.1", 1,
                                       &server_pair, NULL),
                     0);
    assert_int_equal(
        certificate_issue_unit(&authority, "T", "unit", "client", "", 1, &client_pair, NULL), 0);
    assert_int_equal(certificate_issue(&stranger, "T", "client", "", 1, &strange_pair, NULL), 0);
}

static inline void drop_certificates(void)
{
    CertificatePair *all[] = {&authority, &stranger, &server_pair, &client_pair, &strange_pair};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        certificate_pair_done(all[i]);
    assert_null(authority.key);
}

static inline TlsContext *context(bool client, const CertificatePair *pair,
                                  const CertificatePair *trust)
{
    AUTO_FAIL why = {0};
    TlsContext *made =
        tls_context_new(client, pair ? pair->certificate : NULL, pair ? pair->key : NULL,
                        trust ? trust->certificate : NULL, trust != NULL, &why);
    assert_non_null(made);
    return made;
}

static inline void pair_begin_tls(Pair *pair)
{
    make_certificates();
    pair_begin(pair);
    pair->server_tls = context(false, &server_pair, &authority);
    pair->client_tls = context(true, &client_pair, &authority);
}

static inline void assert_pattern(const StrBuf *data, size_t length)
{
    assert_int_equal(data->length, length);
    for (size_t i = 0; i < length; i++)
        if (data->data[i] != pattern(i))
            fail_msg("byte %zu differs", i);
}

// ---- raw peers

static inline int raw_connect(Pair *pair)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)listener_port(pair->listener)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline void raw_reset(int fd)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

static inline SSL *raw_tls(Pair *pair, int *ret_fd)
{
    SSL_CTX *raw = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(raw);
    SSL_CTX_free(raw);
    *ret_fd = raw_connect(pair);
    struct timeval moment = {.tv_usec = 1000};
    setsockopt(*ret_fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof(moment));
    SSL_set_fd(ssl, *ret_fd);
    while (SSL_connect(ssl) != 1)
        uv_run(&pair->loop, UV_RUN_NOWAIT);
    LOOP_UNTIL(&pair->loop, pair->server.opened);
    return ssl;
}

// ---- what plain and encrypted streams do alike

static inline void talk_both_ways(Pair *pair)
{
    pair_open(pair);
    stream_write(pair->client.stream, "hello", 5);
    stream_write(pair->client.stream, "", 0);
    stream_write(pair->client.stream, " there", 6);
    stream_write(pair->server.stream, "welcome", 7);
    LOOP_UNTIL(&pair->loop, pair->server.got.length == 11 && pair->client.got.length == 7);
    assert_string_equal(pair->server.got.data, "hello there");
    assert_string_equal(pair->client.got.data, "welcome");
    assert_int_equal(stream_bytes_read(pair->server.stream), 11);
    assert_true(stream_last_read_ms(pair->server.stream) > 0);
    assert_string_equal(stream_peer(pair->client.stream), "127.0.0.1");
    AUTO_FREE char *local = stream_local_address(pair->client.stream);
    assert_string_equal(local, "127.0.0.1");
    assert_true(stream_is_open(pair->server.stream));
    stream_close(pair->client.stream, true);
    LOOP_UNTIL(&pair->loop, pair->client.closed && pair->server.ended);
    assert_false(fail_is_set(&pair->client.why));
    assert_int_equal(pair->server.closed, 0);
    pair_end(pair);
    assert_false(fail_is_set(&pair->server.why));
}

// 50 MB to a reader that stops after each piece.
static inline void send_much(Pair *pair)
{
    enum { MUCH = 50 << 20 };
    pair->client.to_send = MUCH;
    pair->server.pause_each = true;
    pair_connect(pair, NULL);
    while (pair->server.got.length < MUCH) {
        uv_run(&pair->loop, UV_RUN_NOWAIT);
        if (pair->server.opened)
            stream_resume(pair->server.stream);
    }
    assert_pattern(&pair->server.got, MUCH);
    assert_true(pair->client.drained > 10);
    assert_in_range(pair->client.most_queued, STREAM_LOW_WATER,
                    STREAM_HIGH_WATER + STREAM_LOW_WATER);
    pair_end(pair);
}

// As much as a reader that takes nothing lets through; then something else, which must come behind.
static inline void write_some(Pair *pair)
{
    enum { MUCH = 20 << 20 };
    AUTO_FREE char *all = memory_new(MUCH, 1);
    size_t at = 0;
    for (size_t i = 0; i < MUCH; i++)
        all[i] = pattern(i);
    pair_connect(pair, NULL);
    assert_int_equal(stream_write_some(pair->client.stream, all, MUCH), 0); // not open yet
    LOOP_UNTIL(&pair->loop, pair->client.drained && pair->server.opened);
    pair->server.hold = true;
    for (size_t taken; (taken = stream_write_some(pair->client.stream, all + at, MUCH - at));)
        at += taken;
    assert_in_range(at, 1, MUCH - 1);
    assert_in_range(stream_queued(pair->client.stream), 1, 16384);
    stream_write(pair->client.stream, "other", 5);
    pair->server.hold = false;
    stream_pause(pair->server.stream);
    stream_resume(pair->server.stream);
    LOOP_UNTIL(&pair->loop, pair->server.got.length == at + 5 && pair->client.drained == 2);
    assert_memory_equal(pair->server.got.data + at, "other", 5);
    pair->server.got.length = at;
    assert_pattern(&pair->server.got, at);
    strbuf_clear(&pair->server.got);
    assert_int_equal(stream_write_some(pair->client.stream, all, 1000), 1000);
    stream_close(pair->client.stream, true);
    assert_int_equal(stream_write_some(pair->client.stream, "late", 4), 4);
    LOOP_UNTIL(&pair->loop, pair->client.closed && pair->server.ended);
    assert_pattern(&pair->server.got, 1000);
    pair_end(pair);
}

// The reader takes nothing: only its buffer fills; after a pause and a resume all comes.
static inline void hold_back(Pair *pair)
{
    pair->server.hold = true;
    pair->client.to_send = 8 << 20;
    pair->input_limit = 1000;
    pair_open(pair);
    for (int i = 0; i < 50; i++)
        uv_run(&pair->loop, UV_RUN_NOWAIT);
    assert_true(stream_bytes_read(pair->server.stream) <= 1000);
    assert_true(stream_queued(pair->client.stream) > 0);
    pair->server.hold = false;
    pair->server.step = 777;
    stream_pause(pair->server.stream);
    stream_resume(pair->server.stream);
    LOOP_UNTIL(&pair->loop, pair->server.got.length == 8 << 20);
    assert_pattern(&pair->server.got, 8 << 20);
    pair_end(pair);
}
