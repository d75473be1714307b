#include "base/http_test.h"

#include <stdio.h>

#include <openssl/ssl.h>

#include "base/certificate.h"

#define H  " HTTP/1.1\r\nHost: h\r\n"
#define HE H "\r\n"

static void echo(Http *http, void *argument)
{
    Desk *desk = argument;
    size_t length;
    const char *body = http_body(http, &length);
    desk->collected++;
    AUTO_FREE char *text = memory_format("%s %zu:%s", http_head(http)->method, length, body);
    http_reply(http, 200, "text/plain", text, strlen(text));
}

static void note_lost(Http *http, void *argument)
{
    ((Desk *)argument)->lost++;
}

static void handle_echo(Desk *desk, Http *http)
{
    http_on_gone(http, note_gone, desk);
    http_on_lost(http, note_lost);
    http_collect(http, 2 << 20, echo, desk);
}

static void handle_small(Desk *desk, Http *http)
{
    http_on_gone(http, note_gone, desk);
    http_on_lost(http, note_lost);
    http_collect(http, 10, echo, desk);
}

static void handle_early(Desk *desk, Http *http)
{
    http_reply(http, 401, "text/plain", "no", 2);
}

static size_t receive(Http *http, const char *data, size_t length, void *argument)
{
    Desk *desk = argument;
    if (!data) {
        AUTO_FREE char *text = memory_format("%zu received", desk->received.length);
        http_reply(http, 200, "text/plain", text, strlen(text));
        return 0;
    }
    if (desk->take && length > desk->take)
        length = desk->take;
    strbuf_add(&desk->received, data, length);
    return length;
}

static void handle_receive(Desk *desk, Http *http)
{
    handle_later(desk, http);
    http_receive(http, receive, desk);
}

static size_t take_nothing(Http *http, const char *data, size_t length, void *argument)
{
    return 0;
}

static void handle_full(Desk *desk, Http *http)
{
    handle_later(desk, http);
    http_receive(http, take_nothing, desk);
}

static void handle_big(Desk *desk, Http *http)
{
    AUTO_FREE char *body = test_repeat("x", 100000);
    http_reply(http, 200, "text/plain", body, 100000);
}

static const Route routes[] = {
    {"/hello", handle_hello}, {"/echo", handle_echo},   {"/small", handle_small},
    {"/later", handle_later}, {"/early", handle_early}, {"/receive", handle_receive},
    {"/full", handle_full},   {"/big", handle_big},     {NULL, NULL},
};

// ---- requests one after the other

TEST(keep_alive)
{
    Desk desk;
    Client client;
    desk_begin(&desk, routes, NULL);
    client_open(&client, &desk);
    for (int i = 0; i < 3; i++) {
        client_send(&client, "GET /hello" HE);
        assert_answer(&client, 200, "hello");
    }
    client_send(&client, "GET /none" HE);
    assert_answer(&client, 404, "none\n");
    assert_int_equal(http_server_connections(desk.server), 1);
    client_send(&client, "GET /hello" H "Connection: close\r\n\r\n");
    AUTO_ANSWER answer = {0};
    client_answer(&client, &answer);
    assert_string_equal(answer_header(&answer, "Connection"), "close");
    assert_string_equal(answer_header(&answer, "Content-Type"), "text/plain");
    assert_non_null(answer_header(&answer, "Date"));
    client_end(&client);
    desk_end(&desk);
}

TEST(pipelined_requests_are_answered_in_order)
{
    Desk desk;
    Client client;
    desk_begin(&desk, routes, NULL);
    client_ask(&client, &desk,
               "GET /later" HE "POST /echo" H "Content-Length: 3\r\n\r\none"
               "GET /hello" HE "PUT /echo" H
               "Transfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
               "GET /later" HE "GET /hello" H "Connection: close\r\n\r\nGET /hello" HE);
    LOOP_UNTIL(&desk.loop, desk.kept_count == 1);
    for (int i = 0; i < 10; i++)
        test_turn(&desk.loop);
    assert_int_equal(desk.handled, 1); // the second waits for the first
    http_reply(desk.kept[0], 200, NULL, "first", 5);
    assert_answer(&client, 200, "first");
    assert_answer(&client, 200, "POST 3:one");
    assert_answer(&client, 200, "hello");
    assert_answer(&client, 200, "PUT 3:two");
    LOOP_UNTIL(&desk.loop, desk.kept_count == 2);
    http_reply(desk.kept[1], 201, NULL, "", 0);
    assert_answer(&client, 201, "");
    assert_answer(&client, 200, "hello");
    client_end(&client);
    assert_int_equal(desk.handled, 6); // nothing behind "close" is looked at
    desk_end(&desk);
}

TEST(bytes_may_come_one_by_one)
{
    static const char text[] = "\r\n\r\nPOST /echo" H "Content-Length: 3\r\n\r\none\r\n"
                               "PATCH /echo" H "Transfer-Encoding: chunked\r\n\r\n"
                               "3;x=\"y\"\r\nabc\r\n00A\r\n0123456789\r\n0\r\nTrailer: z\r\n\r\n"
                               "GET /hello" HE;
    Desk desk;
    Client client;
    desk_begin(&desk, routes, NULL);
    client_open(&client, &desk);
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        client_send_bytes(&client, text + i, 1);
    }
    assert_answer(&client, 200, "POST 3:one");
    assert_answer(&client, 200, "PATCH 13:abc0123456789");
    assert_answer(&client, 200, "hello");
    client_close(&client);
    desk_end(&desk);
}

TEST(every_split_gives_the_same)
{
    static const char text[] =
        "\r\nPUT /echo" H "Transfer-Encoding: chunked\r\n\r\n"
        "1\r\na\r\n2\r\nbc\r\n0\r\n\r\nDELETE /echo" H "Content-Length: 2\r\n\r\nxy";
    Desk desk;
    Client client;
    desk_begin(&desk, routes, NULL);
    client_open(&client, &desk);
    for (size_t split = 1; split < sizeof(text) - 1; split++) {
        client_send_bytes(&client, text, split);
        client_send_bytes(&client, text + split, sizeof(text) - 1 - split);
        assert_answer(&client, 200, "PUT 3:abc");
        assert_answer(&client, 200, "DELETE 2:xy");
    }
    assert_int_equal(http_server_connections(desk.server), 1);
    client_close(&client);
    desk_end(&desk);
}

TEST(every_method_may_have_a_body)
{
    static const char *const methods[] = {"GET", "PUT", "PATCH", "DELETE", "OPTIONS", "POST"};
    Desk desk;
    Client client;
    desk_begin(&desk, routes, NULL);
    client_open(&client, &desk);
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        AUTO_FREE char *text =
            memory_format("%s /echo" H "Content-Length: 4\r\n\r\nGET GET /hello" HE, methods[i]);
        AUTO_FREE char *body = memory_format("%s 4:GET ", methods[i]);
        client_send(&client, text);
        assert_answer(&client, 200, body);
        assert_answer(&client, 200, "hello");
    }
    client_close(&client);
    desk_end(&desk);
}

TEST(large_bodies)
{
    Desk desk;
    Client client;
    AUTO_FREE char *body = test_repeat("0123456789", 150000);
    AUTO_FREE char *text =
        memory_format("POST /echo" H "Content-Length: 1500000\r\n\r\n%sPOST /echo" H
                      "Transfer-Encoding: chunked\r\n\r\n16e360\r\n%s\r\n0\r\n\r\n",
                      body, body);
    AUTO_FREE char *back = memory_format("POST 1500000:%s", body);
    desk_begin(&desk, routes, NULL);
    client_ask(&client, &desk, text);
    assert_answer(&client, 200, back);
    assert_answer(&client, 200, back);
    client_close(&client);
    desk_end(&desk);
}

// A body in a thousand chunks of one byte must not cost more than its length.
TEST(tiny_chunks)
{
    Desk desk;
    Client client;
    AUTO_FREE char *chunks = test_repeat("1\r\nx\r\n", 100000);
    AUTO_FREE char *text =
        memory_format("POST /echo" H "Transfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n", chunks);
    AUTO_FREE char *body = test_repeat("x", 100000);
    AUTO_FREE char *back = memory_format("POST 100000:%s", body);
    desk_begin(&desk, routes, NULL);
    client_ask(&client, &desk, text);
    assert_answer(&client, 200, back);
    client_close(&client);
    desk_end(&desk);
}

// ---- what is refused

static void assert_refused(const char *text, int status)
{
    Desk desk;
    Client client;
    AUTO_ANSWER answer = {0};
    desk_begin(&desk, routes, NULL);
    client_ask(&client, &desk, text);
    client_answer(&client, &answer);
    if (answer.status != status)
        fail_msg("%d for %.300s", answer.status, text);
    assert_string_equal(answer_header(&answer, "Connection"), "close");
    client_end(&client);
    desk_end(&desk);
}

TEST(heads_that_could_be_read_in_two_ways)
{
    static const char *const heads[] = {
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
        "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "Content-Length: +5\r\n\r\nhello",
        "Content-Length: 5x\r\n\r\nhello",
        "Content-Length : 5\r\n\r\nhello",
        "Content-Length:\r\n 5\r\n\r\nhello",
        "X: a\r\n folded\r\n\r\n",
        "X: a\n\r\n",
        "X: a\r\n\n",
        "Host: twice\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        AUTO_FREE char *text = memory_format("POST /echo" H "%s", heads[i]);
        assert_refused(text, 400);
    }
    assert_refused("GET /hello HTTP/1.1\r\n\r\n", 400);
    assert_refused("GET /hello HTTP/1.1\nHost: h\n\n", 400);
    assert_refused("GET /hello HTTP/2.0\r\nHost: h\r\n\r\n", 505);
    assert_refused("POST /echo" H "Transfer-Encoding: gzip\r\n\r\n", 501);
}

TEST(heads_that_are_too_large)
{
    AUTO_FREE char *path = test_repeat("/long", HTTP_LINE_MAX / 5);
    AUTO_FREE char *value = test_repeat("x", HTTP_HEAD_MAX);
    AUTO_FREE char *lines = test_repeat("X: y\r\n", HTTP_HEADERS_MAX);
    AUTO_FREE char *line_too_long = memory_format("GET %s" HE, path);
    AUTO_FREE char *head_too_long = memory_format("GET /hello" H "X: %s\r\n\r\n", value);
    AUTO_FREE char *endless = memory_format("GET /hello" H "X: %s", value);
    AUTO_FREE char *too_many = memory_format("GET /hello" H "%s\r\n", lines);
    assert_refused(line_too_long, 414);
    assert_refused(head_too_long, 431);
    assert_refused(endless, 431);
    assert_refused(too_many, 431);
}

TEST(chunks_that_are_malformed)
{
    AUTO_FREE char *extension = test_repeat("x", 5000);
    AUTO_FREE char *trailers = test_repeat("X: y\r\n", 10000);
    AUTO_FREE char *long_line = memory_format("1;%s\r\na\r\n0\r\n\r\n", extension);
    AUTO_FREE char *long_trailer = memory_format("0\r\nX: %s\r\n\r\n", extension);
    AUTO_FREE char *many_trailers = memory_format("0\r\n%s\r\n", trailers);
    const char *const bodies[] = {
        "\r\n\r\n",
        "x\r\n",
        "-1\r\n",
        "+1\r\na\r\n",
        "0x1\r\na\r\n",
        "1 \r\na\r\n",
        "1\na\r\n",
        "1\r\nab\r\n",
        "1\r\na\n0\r\n",
        "1\r\na\r0\r\n\r\n",
        "1;\rx\r\na",
        "ffffffffffffffff\r\n",
        "10000000000000000\r\n",
        "0\r\n\n",
        "0\r\nX: y\n\r\n",
        "0\r\nX: \ry\r\n\r\n",
        long_line,
        long_trailer,
        many_trailers,
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        AUTO_FREE char *text =
            memory_format("POST /echo" H "Transfer-Encoding: chunked\r\n\r\n%s", bodies[i]);
        assert_refused(text, 400);
    }
}

TEST(bodies_that_are_too_large)
{
    assert_refused("POST /small" H "Content-Length: 11\r\n\r\n", 413);
    assert_refused("POST /small" H "Content-Length: 11\r\n\r\n01234567890", 413);
    assert_refused("POST /small" H "Transfer-Encoding: chunked\r\n\r\nB\r\n01234567890\r\n", 413);
    assert_refused("POST /small" H "Transfer-Encoding: chunked\r\n\r\n"
                   "A\r\n0123456789\r\n1\r\nx\r\n",
                   413);
    Desk desk;
    Client client;
    desk_begin(&desk, routes, NULL);
    client_ask(&client, &desk, "POST /small" H "Content-Length: 10\r\n\r\n0123456789");
    assert_answer(&client, 200, "POST 10:0123456789");
    client_send(&client, "POST /small" H "Content-Length: 11\r\n\r\n01234567890");
    assert_status(&client, 413);
    client_end(&client);
    LOOP_UNTIL(&desk.loop, desk.gone == 1); // the application is told, so that it can clean up
    assert_int_equal(desk.lost, 1);
    assert_int_equal(desk.collected, 1);
    desk_end(&desk);
}

TEST(malformed_chunk_under_a_receiver)
{
    Desk desk;
    Client client;
    desk_begin(&desk, routes, NULL);
    client_ask(&client, &desk,
               "POST /receive" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n");
    assert_status(&client, 400);
    client_end(&client);
    LOOP_UNTIL(&desk.loop, desk.gone == 1);
    assert_int_equal(desk.received.length, 3);
    http_receive_more(desk.kept[0]); // it may still be writing to its disk
    http_reply(desk.kept[0], 500, NULL, "", 0);
    desk_end(&desk);
}

// ---- 100-continue

TEST(continue_is_sent_when_the_body_is_wanted)
{
    Desk desk;
    Client client;
    AUTO_ANSWER answer = {0};
    desk_begin(&desk, routes, NULL);
    client_ask(&client, &desk, "POST /echo" H "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    client_answer(&client, &answer);
    assert_string_equal(answer.head, "HTTP/1.1 100 Continue\r\n\r\n");
    client_send(&client, "ab");
    assert_answer(&client, 200, "POST 2:ab");
    client_send(&client, "POST /small" H "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n");
    assert_status(&client, 413);
    client_end(&client);
    client_ask(&client, &desk, "POST /early" H "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_answer(&client, 401, "no");
    client_end(&client);
    client_ask(&client, &desk,
               "POST /echo HTTP/1.0\r\nContent-Length: 2\r\n"
               "Expect: 100-continue\r\n\r\nab");
    assert_answer(&client, 200, "POST 2:ab");
    client_end(&client);
    desk_end(&desk);
}

// ---- answers before the body was read

TEST(early_answer_reaches_a_client_that_is_still_sending)
{
    Desk desk;
    Client client;
    AUTO_FREE char *body = test_repeat("x", 3000000);
    desk_begin(&desk, routes, NULL);
    client_ask(&client, &desk, "PUT /early" H "Content-Length: 100000000\r\n\r\n");
    assert_true(client_send_bytes(&client, body, 3000000));
    assert_answer(&client, 401, "no");
    client_end(&client);
    desk_end(&desk);
}

TEST(early_answer_to_a_small_body_ends_the_connection)
{
    Desk desk;
    Client client;
    desk_begin(&desk, routes, NULL);
    client_ask(&client, &desk, "PUT /early" H "Content-Length: 3\r\n\r\nabcGET /hello" HE);
    assert_answer(&client, 401, "no");
    client_end(&client);
    assert_int_equal(desk.handled, 1);
    desk_end(&desk);
}

// ---- bodies as they come

TEST(receiver_takes_what_it_can)
{
    Desk desk;
    Client client;
    AUTO_FREE char *body = test_repeat("0123456789", 30000);
    AUTO_FREE char *text = memory_format(
        "PUT /receive" H "Transfer-Encoding: chunked\r\n\r\n493e0\r\n%s\r\n0\r\n\r\n", body);
    desk_begin(&desk, routes, NULL);
    desk.take = 777;
    client_ask(&client, &desk, text);
    assert_answer(&client, 200, "300000 received");
    assert_string_equal(desk.received.data, body);
    client_send(&client, "PUT /receive" HE); // an empty body ends at once
    assert_answer(&client, 200, "300000 received");
    client_close(&client);
    desk_end(&desk);
}

TEST(receiver_that_is_full_holds_the_client_back)
{
    Desk desk;
    Client client;
    AUTO_FREE char *body = test_repeat("x", 50000);
    desk_begin(&desk, routes, NULL);
    client_ask(&client, &desk, "PUT /full" H "Content-Length: 50000000\r\n\r\n");
    for (int i = 0; i < 100; i++) { // as much as the kernel takes
        (void)!send(client.fd, body, 50000, MSG_DONTWAIT);
        test_turn(&desk.loop);
    }
    assert_in_range(stream_bytes_read(http_stream(desk.kept[0])), 1, HTTP_HEAD_MAX * 4 + 32768);
    http_receive(desk.kept[0], receive, &desk);
    http_receive_more(desk.kept[0]);
    LOOP_UNTIL(&desk.loop, desk.received.length > HTTP_HEAD_MAX * 4);
    http_abort(desk.kept[0]);
    client_close(&client);
    desk_end(&desk);
}

// ---- HEAD and HTTP/1.0

TEST(head_has_the_length_but_no_body)
{
    Desk desk;
    Client client;
    AUTO_ANSWER answer = {0};
    desk_begin(&desk, routes, NULL);
    client_ask(&client, &desk, "HEAD /hello" HE "GET /hello" HE);
    client_answer_to(&client, &answer, true);
    assert_string_equal(answer_header(&answer, "Content-Length"), "5");
    assert_answer(&client, 200, "hello");
    client_close(&client);
    desk_end(&desk);
}

TEST(old_http_closes_unless_asked)
{
    Desk desk;
    Client client;
    AUTO_ANSWER answer = {0};
    desk_begin(&desk, routes, NULL);
    client_ask(&client, &desk, "GET /hello HTTP/1.0\r\n\r\nGET /hello HTTP/1.0\r\n\r\n");
    assert_answer(&client, 200, "hello");
    client_end(&client);
    client_open(&client, &desk);
    for (int i = 0; i < 2; i++) {
        client_send(&client, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        client_answer(&client, &answer);
        assert_string_equal(answer.body, "hello");
        assert_string_equal(answer_header(&answer, "Connection"), "keep-alive");
    }
    client_close(&client);
    desk_end(&desk);
}

// ---- clients that go

TEST(gone_before_the_answer)
{
    Desk desk;
    Client client;
    desk_begin(&desk, routes, NULL);
    client_ask(&client, &desk, "GET /later" HE);
    LOOP_UNTIL(&desk.loop, desk.kept_count);
    assert_false(http_gone(desk.kept[0]));
    assert_string_equal(http_peer(desk.kept[0]), "127.0.0.1");
    client_close(&client);
    LOOP_UNTIL(&desk.loop, desk.gone);
    Http *http = desk.kept[0];
    assert_string_equal(http_header(http, "HOST"), "h"); // the exchange is still there
    assert_string_equal(http_peer(http), "");
    assert_int_equal(http_queued(http), 0);
    http_add_header(http, "X", "y");
    http_reply(http, 200, "text/plain", "too late", 8);
    assert_int_equal(desk.gone, 1);
    desk_end(&desk);
}

TEST(gone_and_streamed_to)
{
    Desk desk;
    Client client;
    desk_begin(&desk, routes, NULL);
    client_ask(&client, &desk, "GET /later" HE);
    LOOP_UNTIL(&desk.loop, desk.kept_count);
    client_reset(&client);
    LOOP_UNTIL(&desk.loop, desk.gone);
    http_begin(desk.kept[0], 200, NULL, -1);
    http_write(desk.kept[0], "x", 1);
    http_end(desk.kept[0]);
    desk_end(&desk);
}

TEST(gone_in_the_middle_of_a_body)
{
    static const char *const paths[] = {"/echo", "/receive", "/later"};
    Desk desk;
    Client client;
    desk_begin(&desk, routes, NULL);
    for (int i = 0; i < 3; i++) {
        AUTO_FREE char *text = memory_format("PUT %s" H "Content-Length: 9\r\n\r\nhalf", paths[i]);
        client_ask(&client, &desk, text);
        LOOP_UNTIL(&desk.loop, desk.handled == i + 1);
        client_close(&client);
        LOOP_UNTIL(&desk.loop, desk.gone == i + 1);
    }
    // A collected body ends by itself; the others stay until they are answered.
    assert_int_equal(desk.collected, 0);
    assert_int_equal(desk.lost, 1);
    assert_int_equal(desk.kept_count, 2);
    http_reply(desk.kept[0], 200, NULL, "", 0);
    http_on_lost(desk.kept[1], note_lost);
    http_collect(desk.kept[1], 100, echo, &desk); // nothing to wait for: ends by itself, too
    assert_int_equal(desk.lost, 2);
    assert_int_equal(desk.collected, 0);
    desk_end(&desk);
}

TEST(half_closed_with_requests_left)
{
    Desk desk;
    Client client;
    desk_begin(&desk, routes, NULL);
    client_open(&client, &desk);
    static const char two[] = "GET /hello" HE "GET /hello" HE;
    assert_int_equal(send(client.fd, two, sizeof(two) - 1, 0), sizeof(two) - 1);
    shutdown(client.fd, SHUT_WR);
    assert_answer(&client, 200, "hello");
    assert_answer(&client, 200, "hello");
    client_end(&client);
    desk_end(&desk);
}

TEST(pipelining_without_reading_is_bounded)
{
    Desk desk;
    Client client;
    AUTO_FREE char *requests = test_repeat("GET /big" HE, 600);
    desk_begin(&desk, routes, NULL);
    client_ask(&client, &desk, requests);
    for (int i = 0; i < 20; i++)
        test_turn(&desk.loop);
    assert_in_range(desk.handled, 1, 400); // what the kernel takes, and one or two more
    for (int i = 0; i < 600; i++)
        assert_status(&client, 200);
    client_close(&client);
    desk_end(&desk);
}

// ---- deadlines: limits are small, and nothing is said about how long it takes

TEST(slow_head_is_408)
{
    const HttpLimits limits = {10, 10, 60000, 1, 60000};
    Desk desk;
    Client client;
    desk_begin(&desk, routes, &limits);
    client_ask(&client, &desk, "GET /hello HTTP/1.1\r\nHos");
    assert_status(&client, 408);
    client_end(&client);
    assert_int_equal(desk.handled, 0);
    desk_end(&desk);
}

TEST(idle_connection_is_closed)
{
    const HttpLimits limits = {10, 10, 1, 60000, 60000};
    Desk desk;
    Client client, silent;
    desk_begin(&desk, routes, &limits);
    client_open(&silent, &desk);
    client_ask(&client, &desk, "GET /hello" HE);
    assert_answer(&client, 200, "hello");
    client_end(&client);
    client_end(&silent);
    desk_end(&desk);
}

TEST(stalled_body_is_cut)
{
    const HttpLimits limits = {10, 10, 60000, 60000, 1};
    Desk desk;
    Client collected, received, full;
    desk_begin(&desk, routes, &limits);
    client_ask(&full, &desk, "PUT /full" H "Content-Length: 9\r\n\r\nhalf");
    client_ask(&collected, &desk, "PUT /echo" H "Content-Length: 9\r\n\r\nhalf");
    client_ask(&received, &desk, "PUT /receive" H "Content-Length: 9\r\n\r\nhalf");
    LOOP_UNTIL(&desk.loop, desk.gone == 2);
    assert_int_equal(desk.kept_count, 2);
    assert_true(http_gone(desk.kept[1]));
    assert_false(http_gone(desk.kept[0])); // its receiver is slow, not its client
    http_reply(desk.kept[0], 200, NULL, "", 0);
    http_reply(desk.kept[1], 200, NULL, "", 0);
    client_close(&collected);
    client_close(&received);
    client_close(&full);
    desk_end(&desk);
}

// ---- limits

TEST(connections_are_limited)
{
    const HttpLimits per_address = {10, 2, 60000, 60000, 60000};
    const HttpLimits in_all = {2, 10, 60000, 60000, 60000};
    for (int i = 0; i < 2; i++) {
        Desk desk;
        Client one, two, three;
        desk_begin(&desk, routes, i ? &in_all : &per_address);
        client_ask(&one, &desk, "GET /hello" HE);
        assert_answer(&one, 200, "hello");
        client_ask(&two, &desk, "GET /hello" HE);
        assert_answer(&two, 200, "hello");
        client_open(&three, &desk);
        client_end(&three);
        client_close(&one);
        LOOP_UNTIL(&desk.loop, http_server_connections(desk.server) == 1);
        client_ask(&three, &desk, "GET /hello" HE);
        assert_answer(&three, 200, "hello");
        client_close(&two);
        client_close(&three);
        desk_end(&desk);
    }
}

// ---- the end

TEST(stop_lets_answers_finish)
{
    Desk desk;
    Client idle, busy;
    AUTO_ANSWER answer = {0};
    desk_begin(&desk, routes, NULL);
    client_ask(&idle, &desk, "GET /hello" HE);
    assert_answer(&idle, 200, "hello");
    client_ask(&busy, &desk, "GET /later" HE);
    LOOP_UNTIL(&desk.loop, desk.kept_count);
    http_server_stop(desk.server, 60000, desk_stopped, &desk);
    client_end(&idle);
    assert_int_equal(desk.stopped, 0);
    Client late;
    client_open(&late, &desk);
    client_end(&late);
    http_reply(desk.kept[0], 200, NULL, "done", 4);
    client_answer(&busy, &answer);
    assert_string_equal(answer.body, "done");
    assert_string_equal(answer_header(&answer, "Connection"), "close");
    client_end(&busy);
    LOOP_UNTIL(&desk.loop, desk.stopped);
    desk_end(&desk);
}

TEST(stop_does_not_wait_for_ever)
{
    Desk desk;
    Client busy, deaf;
    desk_begin(&desk, routes, NULL);
    client_ask(&busy, &desk, "GET /later" HE);
    client_open(&deaf, &desk);
    AUTO_FREE char *requests = test_repeat("GET /big" HE, 1000);
    client_send(&deaf, requests); // and never reads: its connection can't be flushed
    LOOP_UNTIL(&desk.loop, desk.kept_count);
    http_server_stop(desk.server, 1, desk_stopped, &desk);
    LOOP_UNTIL(&desk.loop, desk.stopped);
    assert_int_equal(desk.gone, 1);
    http_reply(desk.kept[0], 200, NULL, "", 0);
    client_close(&busy);
    client_close(&deaf);
    desk_end(&desk);
}

TEST(free_takes_the_connections_along)
{
    Desk desk;
    Client one, two;
    desk_begin(&desk, routes, NULL);
    client_ask(&one, &desk, "GET /later" HE);
    client_ask(&two, &desk, "GET /hello" HE);
    assert_answer(&two, 200, "hello");
    LOOP_UNTIL(&desk.loop, desk.kept_count);
    listener_close(desk.listener);
    http_server_free(desk.server);
    http_server_free(NULL);
    uv_run(&desk.loop, UV_RUN_DEFAULT);
    assert_int_equal(desk.gone, 1);
    http_reply(desk.kept[0], 200, NULL, "", 0);
    assert_int_equal(uv_loop_close(&desk.loop), 0);
    client_close(&one);
    client_close(&two);
}

// ---- other ways in

TEST(over_tls)
{
    Desk desk;
    CertificatePair authority, pair;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    Client client;
    char text[1024] = "";
    assert_int_equal(certificate_make_authority("T", "CA", &authority, NULL), 0);
    assert_int_equal(certificate_issue(&authority, "T", "h", "h", 1, &pair, NULL), 0);
    desk_begin(&desk, routes, NULL);
    desk.tls = tls_context_new(false, pair.certificate, pair.key, NULL, false, NULL);
    client_open(&client, &desk);
    struct timeval moment = {.tv_usec = 1000};
    setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof(moment));
    SSL_set_fd(ssl, client.fd);
    while (SSL_connect(ssl) != 1)
        test_turn(&desk.loop);
    static const char request[] = "GET /hello" HE;
    assert_true(SSL_write(ssl, request, sizeof(request) - 1) > 0);
    while (SSL_read(ssl, text, sizeof(text) - 1) <= 0)
        test_turn(&desk.loop);
    assert_non_null(strstr(text, "\r\n\r\nhello"));
    SSL_free(ssl);
    SSL_CTX_free(context);
    client_close(&client);
    desk_end(&desk);
    tls_context_unref(desk.tls);
    certificate_pair_done(&authority);
    certificate_pair_done(&pair);
}

// Looks at the first byte and gives the stream away without taking anything.
static size_t detect(Stream *stream, const char *data, size_t length, void *owner)
{
    Desk *desk = owner;
    if (*data == 'G')
        http_server_adopt_stream(desk->server, stream);
    else
        stream_close(stream, false);
    return 0;
}

static void detector_closed(Stream *stream, const Fail *why, void *owner)
{
}

static void accept_detector(int fd, const char *peer, void *argument)
{
    static const StreamHandlers handlers = {.data = detect, .closed = detector_closed};
    Desk *desk = argument;
    stream_accept(&desk->loop, fd, NULL, &handlers, desk);
}

TEST(adopted_stream_with_bytes_in_it)
{
    Desk desk;
    Client client, refused;
    const HttpLimits limits = {10, 1, 60000, 60000, 60000};
    desk_begin(&desk, routes, &limits);
    listener_close(desk.listener);
    desk.listener = listener_new(&desk.loop, "127.0.0.1", 0, accept_detector, &desk, NULL);
    client_ask(&client, &desk, "GET /hello" HE);
    assert_answer(&client, 200, "hello");
    client_ask(&refused, &desk, "GET /hello" HE); // limits hold here, too
    AUTO_ANSWER answer = {0};
    client_answer(&refused, &answer);
    assert_int_equal(answer.status, 0);
    client_close(&refused);
    client_close(&client);
    desk_end(&desk);
}

TEST(status_texts)
{
    assert_string_equal(http_status_text(200), "OK");
    assert_string_equal(http_status_text(431), "Request Header Fields Too Large");
    assert_string_equal(http_status_text(299), "Status");
}
