#include "base/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/certificate.h"
#include "base/file.h"
#include "base/stream.h"
#include "base/strbuf.h"

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

static char pattern(size_t at)
{
    return (char)(at * 7 + at / 251);
}

static void produce(Side *side)
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

static void on_opened(Stream *stream, void *owner)
{
    Side *side = owner;
    side->stream = stream;
    side->opened++;
    produce(side);
    if (side->close_on_open)
        stream_close(stream, false);
}

static size_t on_data(Stream *stream, const char *data, size_t length, void *owner)
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

static void on_ended(Stream *stream, void *owner)
{
    Side *side = owner;
    side->ended++;
}

static void on_drained(Stream *stream, void *owner)
{
    Side *side = owner;
    side->drained++;
    assert_true(stream_queued(stream) < STREAM_LOW_WATER);
    produce(side);
}

static void on_closed(Stream *stream, const Fail *why, void *owner)
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

static void on_accepted(int fd, const char *peer, void *argument)
{
    Pair *pair = argument;
    pair->server.stream =
        stream_accept(&pair->loop, fd, pair->server_tls, pair->server_handlers, &pair->server);
    if (pair->input_limit)
        stream_set_input_limit(pair->server.stream, pair->input_limit);
    assert_string_equal(peer, stream_peer(pair->server.stream));
}

static void pair_begin(Pair *pair)
{
    *pair = (Pair){.server_handlers = &handlers};
    uv_loop_init(&pair->loop);
    pair->listener = listener_new(&pair->loop, "127.0.0.1", 0, on_accepted, pair, NULL);
    assert_non_null(pair->listener);
}

static void pair_connect(Pair *pair, const char *name)
{
    pair->client.stream = stream_connect(&pair->loop, "127.0.0.1", listener_port(pair->listener),
                                         pair->client_tls, name, 10000, &handlers, &pair->client);
}

static void pair_open(Pair *pair)
{
    pair_connect(pair, NULL);
    LOOP_UNTIL(&pair->loop, pair->client.opened && pair->server.opened);
}

static void side_end(Side *side)
{
    strbuf_done(&side->got);
    fail_done(&side->why);
}

static void pair_end(Pair *pair)
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

static void make_certificates(void)
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

static TlsContext *context(bool client, const CertificatePair *pair, const CertificatePair *trust)
{
    AUTO_FAIL why = {0};
    TlsContext *made =
        tls_context_new(client, pair ? pair->certificate : NULL, pair ? pair->key : NULL,
                        trust ? trust->certificate : NULL, trust != NULL, &why);
    assert_non_null(made);
    return made;
}

static void pair_begin_tls(Pair *pair)
{
    make_certificates();
    pair_begin(pair);
    pair->server_tls = context(false, &server_pair, &authority);
    pair->client_tls = context(true, &client_pair, &authority);
}

static void assert_pattern(const StrBuf *data, size_t length)
{
    assert_int_equal(data->length, length);
    for (size_t i = 0; i < length; i++)
        if (data->data[i] != pattern(i))
            fail_msg("byte %zu differs", i);
}

// ---- raw peers

static int raw_connect(Pair *pair)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)listener_port(pair->listener)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void raw_reset(int fd)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

static SSL *raw_tls(Pair *pair, int *ret_fd)
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

// ---- tests

static void talk_both_ways(Pair *pair)
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

TEST(plain_talk)
{
    Pair pair;
    pair_begin(&pair);
    talk_both_ways(&pair);
}

TEST(tls_talk)
{
    Pair pair;
    pair_begin_tls(&pair);
    talk_both_ways(&pair);
}

TEST(written_before_open_is_sent)
{
    Pair pair;
    pair_begin_tls(&pair);
    pair_connect(&pair, "server.example");
    stream_write(pair.client.stream, "early", 5);
    assert_int_equal(stream_queued(pair.client.stream), 5);
    LOOP_UNTIL(&pair.loop, pair.server.got.length == 5);
    assert_string_equal(pair.server.got.data, "early");
    assert_int_equal(stream_queued(pair.client.stream), 0);
    pair_end(&pair);
}

// 50 MB to a reader that stops after each piece.
static void send_much(Pair *pair)
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

TEST(plain_backpressure)
{
    Pair pair;
    pair_begin(&pair);
    send_much(&pair);
}

TEST(tls_backpressure)
{
    Pair pair;
    pair_begin_tls(&pair);
    send_much(&pair);
}

// As much as a reader that takes nothing lets through; then something else, which must come behind.
static void write_some(Pair *pair)
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

TEST(plain_writes_what_the_socket_takes)
{
    Pair pair;
    pair_begin(&pair);
    write_some(&pair);
}

TEST(tls_writes_what_the_socket_takes)
{
    Pair pair;
    pair_begin_tls(&pair);
    write_some(&pair);
}

// All at once, then closed: the peer must get every byte.
static void send_and_close(Pair *pair, size_t length)
{
    AUTO_FREE char *all = memory_new(length, 1);
    for (size_t i = 0; i < length; i++)
        all[i] = pattern(i);
    pair_open(pair);
    stream_write(pair->client.stream, all, length);
    stream_close(pair->client.stream, true);
    stream_write(pair->client.stream, "late", 4);
    LOOP_UNTIL(&pair->loop, pair->client.closed && pair->server.ended);
    assert_false(fail_is_set(&pair->client.why));
    assert_pattern(&pair->server.got, length);
    assert_int_equal(pair->client.drained, 0);
    pair_end(pair);
}

TEST(close_flushes)
{
    Pair pair;
    pair_begin(&pair);
    send_and_close(&pair, 20 << 20);
    pair_begin_tls(&pair);
    send_and_close(&pair, 20 << 20);
    pair_begin_tls(&pair);
    send_and_close(&pair, 1);
}

TEST(close_without_flush_cuts)
{
    Pair pair;
    pair_begin(&pair);
    pair_open(&pair);
    AUTO_FREE char *much = test_repeat("x", 20 << 20);
    stream_write(pair.client.stream, much, 20 << 20);
    assert_true(stream_queued(pair.client.stream) > 1 << 20);
    stream_close(pair.client.stream, true);
    stream_close(pair.client.stream, false); // the second thought counts
    int calls = pair.client.calls;
    LOOP_UNTIL(&pair.loop, pair.client.closed && pair.server.ended);
    assert_true(pair.server.got.length < 20 << 20);
    assert_int_equal(pair.client.closed, 1);
    assert_int_equal(pair.client.calls, calls);
    pair_end(&pair);
}

TEST(flush_does_not_wait_for_ever)
{
    Pair pair;
    pair_begin(&pair);
    pair.server.pause_each = true;
    pair_open(&pair);
    AUTO_FREE char *much = test_repeat("x", 20 << 20);
    stream_write(pair.client.stream, much, 20 << 20);
    hasten = 100;
    stream_close(pair.client.stream, true);
    LOOP_UNTIL(&pair.loop, pair.client.closed);
    hasten = 1;
    pair_end(&pair);
}

TEST(drained_comes_at_the_very_mark)
{
    Pair pair;
    AUTO_FREE char *mark = test_repeat("x", STREAM_LOW_WATER);
    pair_begin(&pair);
    pair_connect(&pair, NULL);
    stream_write(pair.client.stream, mark, STREAM_LOW_WATER);
    assert_int_equal(stream_queued(pair.client.stream), STREAM_LOW_WATER);
    LOOP_UNTIL(&pair.loop, pair.client.drained);
    pair_end(&pair);
}

TEST(drained_can_be_asked_for)
{
    Pair pair;
    pair_begin(&pair);
    pair_open(&pair);
    stream_ask_drained(pair.client.stream);
    assert_int_equal(pair.client.drained, 0);
    LOOP_UNTIL(&pair.loop, pair.client.drained);
    assert_int_equal(pair.client.drained, 1);
    pair_end(&pair);
}

TEST(bytes_are_shown_until_taken)
{
    Pair pair;
    pair_begin(&pair);
    pair.server.step = 3;
    pair_open(&pair);
    stream_write(pair.client.stream, "0123456789", 10);
    LOOP_UNTIL(&pair.loop, pair.server.got.length == 10);
    assert_string_equal(pair.server.got.data, "0123456789");
    assert_int_equal(pair.server.calls, 4);
    pair.server.want = 8;
    pair.server.step = 0;
    stream_write(pair.client.stream, "abcd", 4);
    LOOP_UNTIL(&pair.loop, pair.server.calls == 5);
    assert_int_equal(pair.server.got.length, 10);
    stream_write(pair.client.stream, "efgh", 4);
    LOOP_UNTIL(&pair.loop, pair.server.got.length == 18);
    assert_string_equal(pair.server.got.data, "0123456789abcdefgh");
    pair_end(&pair);
}

// The reader takes nothing: only its buffer fills; after a pause and a resume all comes.
static void hold_back(Pair *pair)
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

TEST(plain_input_is_bounded)
{
    Pair pair;
    pair_begin(&pair);
    hold_back(&pair);
}

TEST(tls_input_is_bounded)
{
    Pair pair;
    pair_begin_tls(&pair);
    hold_back(&pair);
}

TEST(bytes_inside_openssl_come_after_a_pause)
{
    Pair pair;
    pair_begin_tls(&pair);
    pair.input_limit = 100; // of a record of 16,000 most stays inside OpenSSL
    pair.server.pause_each = true;
    pair.client.to_send = 16000;
    pair_open(&pair);
    LOOP_UNTIL(&pair.loop, pair.server.got.length == 100);
    for (int i = 0; i < 20; i++)
        uv_run(&pair.loop, UV_RUN_NOWAIT);
    assert_int_equal(pair.server.got.length, 100); // paused is paused
    while (pair.server.got.length < 16000) {
        stream_resume(pair.server.stream);
        uv_run(&pair.loop, UV_RUN_NOWAIT);
    }
    assert_pattern(&pair.server.got, 16000);
    pair_end(&pair);
}

TEST(peer_ends_its_side)
{
    Pair pair;
    char back[8] = "";
    pair_begin(&pair);
    int fd = raw_connect(&pair);
    assert_int_equal(write(fd, "last words", 10), 10);
    shutdown(fd, SHUT_WR);
    LOOP_UNTIL(&pair.loop, pair.server.ended);
    assert_string_equal(pair.server.got.data, "last words");
    assert_true(stream_is_open(pair.server.stream));
    stream_write(pair.server.stream, "answer", 6); // the other half is open
    stream_close(pair.server.stream, true);
    LOOP_UNTIL(&pair.loop, pair.server.closed);
    assert_int_equal(read(fd, back, 8), 6);
    assert_string_equal(back, "answer");
    assert_int_equal(read(fd, back, 8), 0);
    assert_int_equal(pair.server.ended, 1);
    close(fd);
    pair_end(&pair);
}

TEST(without_a_handler_the_end_closes)
{
    Pair pair;
    pair_begin(&pair);
    pair.server_handlers = &simple_handlers;
    int fd = raw_connect(&pair);
    close(fd);
    LOOP_UNTIL(&pair.loop, pair.server.closed);
    assert_false(fail_is_set(&pair.server.why));
    pair_end(&pair);
}

TEST(lingering_close_outlives_what_the_peer_still_sends)
{
    Pair pair;
    char back[16] = "";
    AUTO_FREE char *much = test_repeat("x", 1 << 20);
    pair_begin(&pair);
    pair.server.hold = true;
    int fd = raw_connect(&pair);
    assert_int_equal(write(fd, much, 100000), 100000);
    LOOP_UNTIL(&pair.loop, pair.server.calls);
    stream_write(pair.server.stream, "no more", 7);
    stream_linger(pair.server.stream);
    stream_close(pair.server.stream, true);
    for (int i = 0; i < 20; i++) { // the peer has not read yet and goes on
        uv_run(&pair.loop, UV_RUN_NOWAIT);
        assert_int_equal(write(fd, much, 10000), 10000);
    }
    assert_int_equal(pair.server.closed, 0);
    assert_int_equal(read(fd, back, 16), 7); // without the delay: connection reset
    assert_int_equal(read(fd, back, 16), 0);
    close(fd);
    LOOP_UNTIL(&pair.loop, pair.server.closed);
    pair_end(&pair);
}

TEST(lingering_is_bounded)
{
    Pair pair;
    pair_begin(&pair);
    int fd = raw_connect(&pair);
    LOOP_UNTIL(&pair.loop, pair.server.opened);
    stream_linger(pair.server.stream);
    hasten = 100;
    stream_close(pair.server.stream, true);
    LOOP_UNTIL(&pair.loop, pair.server.closed); // though the peer never closes
    hasten = 1;
    close(fd);
    pair_end(&pair);
}

TEST(reset_by_the_peer)
{
    Pair pair;
    AUTO_FREE char *much = test_repeat("x", 20 << 20);
    pair_begin(&pair);
    int fd = raw_connect(&pair);
    LOOP_UNTIL(&pair.loop, pair.server.opened);
    stream_write(pair.server.stream, much, 20 << 20);
    raw_reset(fd);
    LOOP_UNTIL(&pair.loop, pair.server.closed);
    assert_int_equal(pair.server.why.code, FAIL_UNAVAILABLE);
    assert_non_null(strstr(pair.server.why.message, "The connection broke"));
    assert_string_equal(pair.server.why.detail, "Connection reset by peer");
    pair_end(&pair);
}

TEST(tls_reset_by_the_peer_is_no_signal)
{
    Pair pair;
    int fd;
    AUTO_FREE char *much = test_repeat("x", 20 << 20);
    make_certificates();
    pair_begin(&pair);
    pair.server_tls = context(false, &server_pair, NULL);
    SSL *ssl = raw_tls(&pair, &fd);
    stream_write(pair.server.stream, much, 20 << 20);
    raw_reset(fd);
    SSL_free(ssl);
    usleep(1000);
    stream_write(pair.server.stream, much, 100);
    LOOP_UNTIL(&pair.loop, pair.server.closed);
    assert_true(fail_is_set(&pair.server.why));
    pair_end(&pair);
}

TEST(garbage_inside_tls_closes)
{
    Pair pair;
    int fd;
    make_certificates();
    pair_begin(&pair);
    pair.server_tls = context(false, &server_pair, NULL);
    SSL *ssl = raw_tls(&pair, &fd);
    errno = EAGAIN; // what OpenSSL leaves alone must not be taken for its word
    assert_int_equal(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    LOOP_UNTIL(&pair.loop, pair.server.closed);
    assert_true(fail_is_set(&pair.server.why));
    assert_non_null(pair.server.why.detail);
    SSL_free(ssl);
    close(fd);
    pair_end(&pair);
}

TEST(tls_cut_without_notice_is_an_end)
{
    Pair pair;
    int fd;
    make_certificates();
    pair_begin(&pair);
    pair.server_tls = context(false, &server_pair, NULL);
    SSL *ssl = raw_tls(&pair, &fd);
    assert_int_equal(SSL_write(ssl, "bye", 3), 3);
    shutdown(fd, SHUT_WR);
    LOOP_UNTIL(&pair.loop, pair.server.ended);
    assert_string_equal(pair.server.got.data, "bye");
    SSL_free(ssl);
    close(fd);
    pair_end(&pair);
}

TEST(plain_text_is_no_handshake)
{
    Pair pair;
    make_certificates();
    pair_begin(&pair);
    pair.server_tls = context(false, &server_pair, NULL);
    int fd = raw_connect(&pair);
    assert_int_equal(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    LOOP_UNTIL(&pair.loop, pair.server.closed);
    assert_string_equal(pair.server.why.message, "The TLS handshake failed.");
    assert_int_equal(pair.server.opened, 0);
    close(fd);
    pair_end(&pair);
}

TEST(silent_handshake_times_out)
{
    Pair pair;
    make_certificates();
    pair_begin(&pair);
    pair.server_tls = context(false, &server_pair, NULL);
    hasten = 100;
    int fd = raw_connect(&pair);
    LOOP_UNTIL(&pair.loop, pair.server.closed);
    hasten = 1;
    assert_string_equal(pair.server.why.message,
                        "The peer did not finish the TLS handshake in time.");
    close(fd);
    pair_end(&pair);
}

TEST(mutual_tls_knows_the_peer)
{
    Pair pair;
    pair_begin_tls(&pair);
    pair_connect(&pair, "server.example");
    LOOP_UNTIL(&pair.loop, pair.client.opened && pair.server.opened);
    AUTO_FREE char *client = stream_peer_name(pair.server.stream);
    AUTO_FREE char *server = stream_peer_name(pair.client.stream);
    assert_string_equal(client, "client");
    assert_string_equal(server, "server");
    AUTO_FREE char *unit = stream_peer_unit(pair.server.stream);
    assert_string_equal(unit, "unit");
    assert_null(stream_peer_unit(pair.client.stream));
    assert_false(stream_peer_is_self(pair.server.stream));
    stream_keep_alive(pair.server.stream);
    pair_end(&pair);
}

TEST(own_certificate_is_known)
{
    Pair pair;
    pair_begin_tls(&pair);
    assert_int_equal(tls_context_set_certificate(pair.client_tls, server_pair.certificate,
                                                 server_pair.key, NULL),
                     0);
    pair_connect(&pair, "server.example");
    LOOP_UNTIL(&pair.loop, pair.client.opened && pair.server.opened);
    assert_true(stream_peer_is_self(pair.server.stream));
    assert_true(stream_peer_is_self(pair.client.stream));
    pair_end(&pair);
}

TEST(address_as_name)
{
    Pair pair;
    pair_begin_tls(&pair);
    pair_connect(&pair, "127.0.0.1");
    LOOP_UNTIL(&pair.loop, pair.client.opened);
    pair_end(&pair);
}

static void assert_client_refuses(const char *name, const CertificatePair *trust, const char *words)
{
    Pair pair;
    pair_begin_tls(&pair);
    tls_context_unref(pair.client_tls);
    pair.client_tls = context(true, &client_pair, trust);
    pair_connect(&pair, name);
    LOOP_UNTIL(&pair.loop, pair.client.closed);
    assert_int_equal(pair.client.opened, 0);
    assert_string_equal(pair.client.why.message, "The TLS handshake failed.");
    if (!strstr(pair.client.why.detail, words))
        fail_msg("%s", pair.client.why.detail);
    pair_end(&pair);
}

TEST(wrong_server_is_refused)
{
    make_certificates();
    assert_client_refuses("other.example", &authority, "ostname mismatch");
    assert_client_refuses("127.0.0.2", &authority, "IP address mismatch");
    assert_client_refuses("server.example", &stranger, "certificate");
}

static void assert_server_refuses(const CertificatePair *offered, const char *words)
{
    Pair pair;
    pair_begin_tls(&pair);
    tls_context_unref(pair.client_tls);
    pair.client_tls = context(true, offered, &authority);
    pair_connect(&pair, "server.example");
    LOOP_UNTIL(&pair.loop, pair.server.closed);
    assert_int_equal(pair.server.opened, 0);
    if (!strstr(pair.server.why.detail, words))
        fail_msg("%s", pair.server.why.detail);
    LOOP_UNTIL(&pair.loop, pair.client.closed || pair.client.ended);
    if (pair.client.closed) { // the alert has arrived, and it says why
        assert_true(fail_is_set(&pair.client.why));
        assert_non_null(pair.client.why.detail);
    }
    pair_end(&pair);
}

TEST(wrong_client_is_refused)
{
    make_certificates();
    assert_server_refuses(NULL, "peer did not return a certificate");
    assert_server_refuses(&strange_pair, "certificate");
}

TEST(common_name_with_a_nul_is_none)
{
    Pair pair;
    pair_begin_tls(&pair);
    BIO *bio = BIO_new_mem_buf(client_pair.certificate, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    bio = BIO_new_mem_buf(authority.key, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    X509_NAME *name = X509_NAME_new();
    X509_NAME_add_entry_by_txt(name, "CN", V_ASN1_UTF8STRING, (const unsigned char *)"admin\0x", 7,
                               -1, 0);
    X509_set_subject_name(certificate, name);
    X509_NAME_free(name);
    X509_sign(certificate, key, EVP_sha256());
    char *pem;
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    long length = BIO_get_mem_data(bio, &pem);
    AUTO_FREE char *forged = memory_bytes(pem, (size_t)length);
    BIO_free(bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    assert_int_equal(tls_context_set_certificate(pair.client_tls, forged, client_pair.key, NULL),
                     0);
    pair_open(&pair);
    assert_null(stream_peer_name(pair.server.stream));
    assert_null(stream_peer_unit(pair.server.stream));
    pair_end(&pair);
}

TEST(connection_refused)
{
    Pair pair;
    pair_begin(&pair);
    int port = listener_port(pair.listener);
    listener_close(pair.listener);
    uv_run(&pair.loop, UV_RUN_DEFAULT);
    pair.listener = NULL;
    stream_connect(&pair.loop, "127.0.0.1", port, NULL, NULL, 10000, &handlers, &pair.client);
    LOOP_UNTIL(&pair.loop, pair.client.closed);
    assert_int_equal(pair.client.why.code, FAIL_UNAVAILABLE);
    assert_string_equal(pair.client.why.message, "The peer can't be reached.");
    assert_string_equal(pair.client.why.detail, "Connection refused");
    pair_end(&pair);
}

TEST(names_are_resolved_and_every_address_is_tried)
{
    Pair pair;
    pair_begin(&pair); // listens on 127.0.0.1 only; localhost is ::1 first on most machines
    pair.client.stream = stream_connect(&pair.loop, "localhost", listener_port(pair.listener), NULL,
                                        NULL, 10000, &handlers, &pair.client);
    LOOP_UNTIL(&pair.loop, pair.client.opened || pair.client.closed);
    assert_int_equal(pair.client.opened, 1);
    assert_string_equal(stream_peer(pair.client.stream), "127.0.0.1");
    stream_write(pair.client.stream, "here", 4);
    LOOP_UNTIL(&pair.loop, pair.server.got.length == 4);
    pair_end(&pair);
}

TEST(unresolvable_name)
{
    Pair pair;
    pair_begin(&pair);
    stream_connect(&pair.loop, "no host has this name", 80, NULL, NULL, 10000, &handlers,
                   &pair.client);
    LOOP_UNTIL(&pair.loop, pair.client.closed);
    assert_string_equal(pair.client.why.message, "The peer's name can't be resolved.");
    assert_non_null(pair.client.why.detail);
    pair_end(&pair);
}

TEST(close_while_resolving)
{
    Pair pair;
    pair_begin(&pair);
    for (int i = 0; i < 2; i++) {
        pair.client.closed = 0;
        pair.client.stream =
            stream_connect(&pair.loop, "127.0.0.1", 1, NULL, NULL, 10000, &handlers, &pair.client);
        if (i)
            uv_run(&pair.loop, UV_RUN_NOWAIT);
        stream_close(pair.client.stream, false);
        assert_int_equal(pair.client.closed, 0);
        LOOP_UNTIL(&pair.loop, pair.client.closed);
    }
    pair_end(&pair);
    assert_int_equal(pair.client.opened, 0);
}

TEST(unanswered_connection_times_out)
{
    Pair pair;
    int waiting[8];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    pair_begin(&pair);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 0), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    for (int i = 0; i < 8; i++) { // the queue is full: the kernel drops what comes
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(waiting[i], (struct sockaddr *)&address, size);
    }
    stream_connect(&pair.loop, "127.0.0.1", ntohs(address.sin_port), NULL, NULL, 50, &handlers,
                   &pair.client);
    LOOP_UNTIL(&pair.loop, pair.client.closed);
    assert_string_equal(pair.client.why.message,
                        "The peer did not answer the connection request in time.");
    for (int i = 0; i < 8; i++)
        close(waiting[i]);
    close(fd);
    pair_end(&pair);
}

TEST(close_inside_callbacks)
{
    Pair pair;
    pair_begin_tls(&pair);
    pair.server.close_on_data = true;
    pair_open(&pair);
    stream_write(pair.client.stream, "x", 1);
    LOOP_UNTIL(&pair.loop, pair.server.closed && pair.client.ended);
    assert_int_equal(pair.server.calls, 1);
    pair_end(&pair);
    pair_begin(&pair);
    pair.client.close_on_open = true;
    pair.client.to_send = 1000;
    pair_connect(&pair, NULL);
    LOOP_UNTIL(&pair.loop, pair.client.closed && pair.server.ended);
    assert_int_equal(pair.client.opened, 1);
    pair_end(&pair);
}

TEST(owner_may_change)
{
    Pair pair;
    Side second = {0};
    pair_begin(&pair);
    pair_open(&pair);
    stream_write(pair.client.stream, "one", 3);
    LOOP_UNTIL(&pair.loop, pair.server.got.length == 3);
    stream_set_owner(pair.server.stream, &handlers, &second);
    stream_write(pair.client.stream, "two", 3);
    LOOP_UNTIL(&pair.loop, second.got.length == 3);
    stream_close(pair.server.stream, false);
    LOOP_UNTIL(&pair.loop, second.closed);
    pair.server.stream = NULL;
    assert_int_equal(pair.server.closed, 0);
    assert_string_equal(pair.server.got.data, "one");
    side_end(&second);
    pair_end(&pair);
}

TEST(unix_socket)
{
    Pair pair;
    AUTO_FREE char *directory = test_directory();
    AUTO_FREE char *path = memory_format("%s/socket", directory);
    AUTO_FREE char *missing = memory_format("%s/none", directory);
    AUTO_FREE char *long_path = test_repeat("/long", 100);
    pair_begin(&pair);
    listener_close(pair.listener);
    pair.listener = listener_new_path(&pair.loop, path, 0600, on_accepted, &pair, NULL);
    pair.client.stream = stream_connect_path(&pair.loop, path, &handlers, &pair.client);
    LOOP_UNTIL(&pair.loop, pair.client.opened && pair.server.opened);
    stream_write(pair.client.stream, "x", 1);
    LOOP_UNTIL(&pair.loop, pair.server.got.length == 1);
    assert_string_equal(stream_peer(pair.server.stream), "");
    AUTO_FREE char *local = stream_local_address(pair.server.stream);
    assert_string_equal(local, "");
    assert_null(stream_peer_name(pair.server.stream));
    Side none = {0}, far = {0};
    stream_connect_path(&pair.loop, missing, &handlers, &none);
    stream_connect_path(&pair.loop, long_path, &handlers, &far);
    LOOP_UNTIL(&pair.loop, none.closed && far.closed);
    assert_string_equal(none.why.detail, "No such file or directory");
    assert_string_equal(far.why.detail, "File name too long");
    side_end(&none);
    side_end(&far);
    pair_end(&pair);
    assert_false(file_exists(path));
    assert_int_equal(directory_remove(directory), 0);
}

TEST(full_unix_socket_is_no_connection)
{
    Pair pair;
    int waiting[4];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_FREE char *directory = test_directory();
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
    pair_begin(&pair);
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 0), 0);
    for (int i = 0; i < 4; i++) {
        waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(waiting[i], (struct sockaddr *)&address, sizeof(address));
    }
    stream_connect_path(&pair.loop, address.sun_path, &handlers, &pair.client);
    LOOP_UNTIL(&pair.loop, pair.client.closed);
    assert_int_equal(pair.client.opened, 0);
    assert_string_equal(pair.client.why.detail, "Resource temporarily unavailable");
    for (int i = 0; i < 4; i++)
        close(waiting[i]);
    pair_end(&pair);
    assert_int_equal(directory_remove(directory), 0);
}

TEST(certificates_are_given_back)
{
    CertificatePair *all[] = {&authority, &stranger, &server_pair, &client_pair, &strange_pair};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        certificate_pair_done(all[i]);
    assert_null(authority.key);
}
