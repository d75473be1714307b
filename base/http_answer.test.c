// The answers of http_server: in pieces, pulled, packed.
#include "base/http_test.h"

#include <zlib.h>

#define H  " HTTP/1.1\r\nHost: h\r\n"
#define HE H "\r\n"

static void handle_chunks(Desk *desk, Http *http)
{
    http_add_header(http, "X-Good", "1");
    http_add_header(http, "X-Split", "a\r\nX-Injected: b");
    http_add_header(http, "X-None", NULL);
    http_begin(http, 200, "text/plain", -1);
    http_begin(http, 500, "text/plain", -1); // too late, ignored
    http_reply(http, 500, "text/plain", "x", 1);
    http_write(http, "one ", 4);
    http_write(http, "", 0);
    http_write(http, "two", 3);
    http_end(http);
}

static void handle_length(Desk *desk, Http *http)
{
    http_begin(http, 206, "text/plain", 7);
    http_write(http, "one ", 4);
    http_write(http, "two", 3);
    http_end(http);
}

static void handle_abort(Desk *desk, Http *http)
{
    http_begin(http, 200, "text/plain", 100);
    http_write(http, "part", 4);
    http_abort(http);
}

static void handle_short(Desk *desk, Http *http)
{
    http_begin(http, 200, "text/plain", 10);
    http_write(http, "short", 5);
    http_end(http);
}

static void handle_long(Desk *desk, Http *http)
{
    http_begin(http, 200, "text/plain", 4);
    http_write(http, "longer", 6);
    http_end(http);
}

static void handle_nothing(Desk *desk, Http *http)
{
    http_end(http);
}

static void handle_no_content(Desk *desk, Http *http)
{
    http_reply(http, 204, "text/plain", "ignored", 7);
}

static void handle_no_content_in_pieces(Desk *desk, Http *http)
{
    http_begin(http, 204, NULL, -1);
    http_end(http);
}

// Thirty bytes again and again.
static void add_text(StrBuf *out, size_t length)
{
    for (size_t part; length; length -= part) {
        part = length < 30 ? length : 30;
        strbuf_add(out, "the text that is sent to many ", part);
    }
}

static void handle_packed(Desk *desk, Http *http)
{
    AUTO_STRBUF body = {0};
    add_text(&body, desk->piece_size);
    http_compress(http);
    http_reply(http, 200, "text/plain", body.data, body.length);
}

static bool pull(Http *http, StrBuf *out, void *argument)
{
    Desk *desk = argument;
    size_t queued = http_queued(http);
    if (queued > desk->most_queued)
        desk->most_queued = queued;
    desk->pulled++;
    add_text(out, desk->piece_size);
    return desk->pulled < desk->pieces;
}

static void released(Http *http, void *argument)
{
    ((Desk *)argument)->released++;
}

static void handle_pull(Desk *desk, Http *http)
{
    http_pull(http, 200, "text/plain", pull, released, desk);
}

static void handle_packed_pull(Desk *desk, Http *http)
{
    http_compress(http);
    handle_pull(desk, http);
}

static bool pull_and_abort(Http *http, StrBuf *out, void *argument)
{
    Desk *desk = argument;
    strbuf_adds(out, "part");
    if (++desk->pulled == 3)
        http_abort(http);
    return true;
}

static void handle_pull_abort(Desk *desk, Http *http)
{
    http_pull(http, 200, "text/plain", pull_and_abort, released, desk);
}

static void write_more(Http *http, void *argument)
{
    Desk *desk = argument;
    AUTO_STRBUF piece = {0};
    while (desk->pulled < desk->pieces && http_queued(http) < STREAM_HIGH_WATER) {
        strbuf_clear(&piece);
        add_text(&piece, desk->piece_size);
        http_write(http, piece.data, piece.length);
        desk->pulled++;
        if (http_queued(http) > desk->most_queued)
            desk->most_queued = http_queued(http);
    }
    if (desk->pulled == desk->pieces)
        http_end(http);
}

static void handle_written(Desk *desk, Http *http)
{
    http_on_drained(http, write_more, desk);
    http_begin(http, 200, "text/plain", (int64_t)(desk->pieces * desk->piece_size));
    write_more(http, desk);
}

// The answer lies in the desk as a whole; `pulled` counts pieces of it.
static void write_some(Http *http, void *argument)
{
    Desk *desk = argument;
    size_t whole = desk->pieces * desk->piece_size, taken = 1;
    for (; desk->sent < whole && taken; desk->sent += taken) {
        taken = http_write_some(http, desk->received.data + desk->sent, whole - desk->sent);
        if (http_queued(http) > desk->most_queued)
            desk->most_queued = http_queued(http);
    }
    desk->pulled = desk->sent / desk->piece_size;
    if (desk->sent == whole)
        http_end(http);
}

static void handle_written_some(Desk *desk, Http *http)
{
    for (size_t i = 0; i < desk->pieces; i++)
        add_text(&desk->received, desk->piece_size);
    http_on_drained(http, write_some, desk);
    http_begin(http, 200, "text/plain", (int64_t)(desk->pieces * desk->piece_size));
    write_some(http, desk);
}

// Nothing beyond the length, nothing for those who only ask for the head.
static void handle_long_some(Desk *desk, Http *http)
{
    http_begin(http, 200, "text/plain", 4);
    http_write_some(http, "longer", 6);
    http_end(http);
}

static const Route routes[] = {
    {"/hello", handle_hello},
    {"/later", handle_later},
    {"/chunks", handle_chunks},
    {"/length", handle_length},
    {"/abort", handle_abort},
    {"/short", handle_short},
    {"/long", handle_long},
    {"/nothing", handle_nothing},
    {"/204", handle_no_content},
    {"/204-pieces", handle_no_content_in_pieces},
    {"/packed", handle_packed},
    {"/pull", handle_pull},
    {"/packed-pull", handle_packed_pull},
    {"/pull-abort", handle_pull_abort},
    {"/written", handle_written},
    {"/written-some", handle_written_some},
    {"/long-some", handle_long_some},
    {NULL, NULL},
};

static void begin(Desk *desk, size_t pieces, size_t piece_size)
{
    desk_begin(desk, routes, NULL);
    desk->pieces = pieces;
    desk->piece_size = piece_size;
}

static void assert_text(const char *data, size_t length, size_t pieces, size_t piece_size)
{
    AUTO_STRBUF piece = {0};
    add_text(&piece, piece_size);
    assert_int_equal(length, pieces * piece_size);
    for (size_t i = 0; i < pieces; i++)
        if (memcmp(data + i * piece_size, piece.data, piece_size))
            fail_msg("piece %zu differs", i);
}

static void unpack(const Answer *answer, StrBuf *out)
{
    z_stream stream = {.next_in = (unsigned char *)answer->body,
                       .avail_in = (unsigned)answer->length};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    strbuf_reserve(out, 4 << 20);
    stream.next_out = (unsigned char *)out->data;
    stream.avail_out = 4 << 20;
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    out->length = stream.total_out;
    inflateEnd(&stream);
}

TEST(in_chunks)
{
    Desk desk;
    Client client;
    AUTO_ANSWER answer = {0};
    begin(&desk, 0, 0);
    client_ask(&client, &desk, "GET /chunks" HE "GET /hello" HE);
    client_answer(&client, &answer);
    assert_string_equal(answer.body, "one two");
    assert_string_equal(answer_header(&answer, "Transfer-Encoding"), "chunked");
    assert_string_equal(answer_header(&answer, "X-Good"), "1");
    assert_null(answer_header(&answer, "X-Split"));
    assert_null(answer_header(&answer, "X-Injected"));
    assert_null(answer_header(&answer, "X-None"));
    assert_answer(&client, 200, "hello");
    client_close(&client);
    desk_end(&desk);
}

TEST(in_pieces_of_a_known_length)
{
    Desk desk;
    Client client;
    begin(&desk, 0, 0);
    client_ask(&client, &desk, "GET /length" HE "GET /hello" HE);
    assert_answer(&client, 206, "one two");
    assert_answer(&client, 200, "hello");
    client_close(&client);
    desk_end(&desk);
}

TEST(old_http_gets_no_chunks)
{
    Desk desk;
    Client client;
    AUTO_ANSWER answer = {0};
    begin(&desk, 100, 1000);
    client_ask(&client, &desk, "GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    client_answer(&client, &answer);
    assert_string_equal(answer.body, "one two");
    assert_null(answer_header(&answer, "Transfer-Encoding"));
    assert_string_equal(answer_header(&answer, "Connection"), "close");
    client_end(&client);
    client_ask(&client, &desk, "GET /pull HTTP/1.0\r\n\r\n");
    client_answer(&client, &answer);
    assert_text(answer.body, answer.length, 100, 1000);
    client_end(&client);
    desk_end(&desk);
}

TEST(heads_without_bodies)
{
    static const char *const paths[] = {"/chunks", "/length", "/long-some",
                                        "/pull",   "/packed", "/packed-pull"};
    Desk desk;
    Client client;
    begin(&desk, 10, 1000);
    client_open(&client, &desk);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        AUTO_ANSWER answer = {0};
        AUTO_FREE char *text = memory_format("HEAD %s" HE "GET /hello" HE, paths[i]);
        client_send(&client, text);
        client_answer_to(&client, &answer, true);
        assert_in_range(answer.status, 200, 206);
        assert_answer(&client, 200, "hello");
    }
    assert_int_equal(desk.pulled, 0);
    assert_int_equal(desk.released, 2);
    client_close(&client);
    desk_end(&desk);
}

TEST(no_content_has_no_length)
{
    Desk desk;
    Client client;
    AUTO_ANSWER answer = {0};
    begin(&desk, 0, 0);
    client_ask(&client, &desk, "GET /204" HE "GET /204-pieces" HE "GET /hello" HE);
    for (int i = 0; i < 2; i++) {
        client_answer(&client, &answer);
        assert_int_equal(answer.status, 204);
        assert_null(answer_header(&answer, "Content-Length"));
        assert_null(answer_header(&answer, "Transfer-Encoding"));
        assert_null(answer_header(&answer, "Content-Type"));
    }
    assert_answer(&client, 200, "hello");
    client_close(&client);
    desk_end(&desk);
}

TEST(broken_off_answers_are_not_taken_for_whole_ones)
{
    static const char *const paths[] = {"/abort", "/short", "/nothing"};
    Desk desk;
    begin(&desk, 0, 0);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        Client client;
        AUTO_ANSWER answer = {0};
        AUTO_FREE char *text = memory_format("GET %s" HE "GET /hello" HE, paths[i]);
        client_ask(&client, &desk, text);
        client_answer(&client, &answer);
        assert_int_equal(answer.status, 0);
        assert_true(client.ended);
        client_close(&client);
    }
    desk_end(&desk);
}

TEST(bytes_beyond_the_length_are_not_sent)
{
    Desk desk;
    Client client;
    begin(&desk, 0, 0);
    client_ask(&client, &desk, "GET /long" HE "GET /long-some" HE "GET /hello" HE);
    assert_answer(&client, 200, "long");
    assert_answer(&client, 200, "long");
    assert_answer(&client, 200, "hello");
    client_close(&client);
    desk_end(&desk);
}

TEST(packed_when_the_client_can_read_it)
{
    static const struct {
        const char *accept;
        size_t length;
        bool packed;
    } rows[] = {
        {"gzip", 100000, true},       {"deflate, GZIP;q=0.5, br", 100000, true},
        {"gzip;q=1.0", 100000, true}, {"gzip;q=0.001", 100000, true},
        {"gzip;q=0", 100000, false},  {"gzip; q=0.0", 100000, false},
        {"notgzip", 100000, false},   {"identity", 100000, false},
        {"", 100000, false},          {"gzip", 100, false}, // not worth it
    };
    Desk desk;
    Client client;
    begin(&desk, 1, 0);
    client_open(&client, &desk);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_ANSWER answer = {0};
        AUTO_STRBUF body = {0};
        AUTO_FREE char *text =
            memory_format("GET /packed" H "Accept-Encoding: %s\r\n\r\n", rows[i].accept);
        desk.piece_size = rows[i].length;
        client_send(&client, text);
        client_answer(&client, &answer);
        assert_int_equal(answer.status, 200);
        bool packed = answer_header(&answer, "Content-Encoding") != NULL;
        if (packed != rows[i].packed)
            fail_msg("%s", rows[i].accept);
        assert_non_null(strstr(answer_header(&answer, "Vary"), "Accept-Encoding"));
        if (packed) {
            unpack(&answer, &body);
            assert_true(answer.length < body.length / 10);
        } else
            strbuf_add(&body, answer.body, answer.length);
        assert_text(body.data, body.length, 1, rows[i].length);
    }
    client_close(&client);
    desk_end(&desk);
}

TEST(pulled_piece_by_piece)
{
    Desk desk;
    Client client;
    AUTO_ANSWER answer = {0};
    begin(&desk, 1000, 1000);
    client_ask(&client, &desk, "GET /pull" HE "GET /hello" HE);
    client_answer(&client, &answer);
    assert_text(answer.body, answer.length, 1000, 1000);
    assert_int_equal(desk.pulled, 1000);
    assert_int_equal(desk.released, 1);
    assert_answer(&client, 200, "hello");
    client_close(&client);
    desk_end(&desk);
}

TEST(pulled_and_packed)
{
    Desk desk;
    Client client;
    AUTO_ANSWER answer = {0};
    AUTO_STRBUF body = {0};
    begin(&desk, 1000, 1200);
    client_ask(&client, &desk, "GET /packed-pull" H "Accept-Encoding: gzip\r\n\r\nGET /hello" HE);
    client_answer(&client, &answer);
    assert_string_equal(answer_header(&answer, "Content-Encoding"), "gzip");
    unpack(&answer, &body);
    assert_text(body.data, body.length, 1000, 1200);
    assert_answer(&client, 200, "hello");
    client_close(&client);
    desk_end(&desk);
}

// A client that does not read: only so much is made for it, and the rest when it reads on.
static void slow_client(const char *path)
{
    Desk desk;
    Client client;
    AUTO_ANSWER answer = {0};
    AUTO_FREE char *text = memory_format("GET %s" HE, path);
    begin(&desk, 1000, 65536);
    client_open(&client, &desk);
    client_send(&client, text);
    for (int i = 0; i < 50; i++)
        test_turn(&desk.loop);
    assert_in_range(desk.pulled, 1, 300); // the kernel's buffers, and a few
    client_answer(&client, &answer);
    assert_text(answer.body, answer.length, 1000, 65536);
    assert_true(desk.most_queued <= STREAM_HIGH_WATER + 65536);
    client_close(&client);
    desk_end(&desk);
}

TEST(pulled_by_a_slow_client)
{
    slow_client("/pull");
}

TEST(written_to_a_slow_client)
{
    slow_client("/written");
    slow_client("/written-some");
}

TEST(pulled_at_the_very_mark)
{
    Desk desk;
    Client client;
    AUTO_ANSWER answer = {0};
    begin(&desk, 500, STREAM_LOW_WATER);
    client_ask(&client, &desk, "GET /pull HTTP/1.0\r\n\r\n");
    client_answer(&client, &answer);
    assert_text(answer.body, answer.length, 500, STREAM_LOW_WATER);
    client_end(&client);
    desk_end(&desk);
}

// One fast client must not keep the loop to itself until its answer is complete.
TEST(pulled_in_turns)
{
    Desk desk;
    Client client;
    begin(&desk, 1000, 65536);
    client_ask(&client, &desk, "GET /pull" HE);
    size_t most = 0, before = 0;
    while (desk.pulled < 1000) {
        while (client_read(&client) && client.in.length)
            strbuf_clear(&client.in);
        uv_run(&desk.loop, UV_RUN_NOWAIT);
        if (desk.pulled - before > most)
            most = desk.pulled - before;
        before = desk.pulled;
    }
    assert_in_range(most, 1, 64);
    client_close(&client);
    desk_end(&desk);
}

TEST(gone_while_pulling)
{
    Desk desk;
    for (int i = 0; i < 2; i++) {
        Client client;
        begin(&desk, 1000000, 65536);
        client_ask(&client, &desk, "GET /pull" HE);
        LOOP_UNTIL(&desk.loop, desk.pulled);
        if (i)
            client_reset(&client);
        else
            client_close(&client);
        LOOP_UNTIL(&desk.loop, desk.released);
        assert_int_equal(desk.released, 1);
        assert_in_range(desk.pulled, 1, 1000); // it does not go on for nobody
        desk_end(&desk);
    }
}

TEST(gone_before_pulling)
{
    Desk desk;
    Client client;
    begin(&desk, 10, 10);
    client_ask(&client, &desk, "GET /later" HE);
    LOOP_UNTIL(&desk.loop, desk.kept_count);
    client_close(&client);
    LOOP_UNTIL(&desk.loop, desk.gone);
    http_pull(desk.kept[0], 200, NULL, pull, released, &desk);
    assert_int_equal(desk.released, 1);
    assert_int_equal(desk.pulled, 0);
    desk_end(&desk);
}

TEST(aborted_inside_pull)
{
    Desk desk;
    Client client;
    AUTO_ANSWER answer = {0};
    begin(&desk, 0, 0);
    client_ask(&client, &desk, "GET /pull-abort" HE);
    client_answer(&client, &answer);
    assert_int_equal(answer.status, 0);
    assert_int_equal(desk.released, 1);
    assert_int_equal(desk.pulled, 3);
    client_close(&client);
    desk_end(&desk);
}

TEST(answer_nobody_reads_is_cut)
{
    const HttpLimits limits = {10, 10, 60000, 60000, 1};
    Desk desk;
    Client client;
    desk_begin(&desk, routes, &limits);
    desk.pieces = 1000;
    desk.piece_size = 65536;
    client_ask(&client, &desk, "GET /pull" HE);
    LOOP_UNTIL(&desk.loop, desk.released);
    assert_true(desk.pulled < 1000);
    client_close(&client);
    desk_end(&desk);
}
