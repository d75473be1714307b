// Connections that http_server gives away.
#include "base/http_test.h"

#define ASK \
    "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n"

static Stream *given;
static int closed;

static size_t echo_data(Stream *stream, const char *data, size_t length, void *owner)
{
    Desk *desk = owner;
    strbuf_add(&desk->received, data, length);
    stream_write(stream, data, length);
    if (memchr(data, 'q', length))
        stream_close(stream, true);
    return length;
}

static void echo_closed(Stream *stream, const Fail *why, void *owner)
{
    assert_ptr_equal(stream, given);
    given = NULL;
    closed++;
}

static const StreamHandlers echo = {.data = echo_data, .closed = echo_closed};

static void handle_echo(Desk *desk, Http *http)
{
    if (!http_wants_upgrade(http, "echo")) {
        http_reply(http, 400, "text/plain", "no", 2);
        return;
    }
    http_on_gone(http, note_gone, desk);
    given = http_upgrade(http, "echo", &echo, desk);
    assert_non_null(given);
    assert_int_equal(http_server_connections(desk->server), 0);
}

// After the body, from its callback.
static void upgrade_collected(Http *http, void *argument)
{
    given = http_upgrade(http, "echo", &echo, argument);
    assert_non_null(given);
}

static void handle_collect(Desk *desk, Http *http)
{
    http_collect(http, 100, upgrade_collected, desk);
}

static void handle_begun(Desk *desk, Http *http)
{
    http_begin(http, 200, "text/plain", 5);
    assert_null(http_upgrade(http, "echo", &echo, desk));
}

static const Route routes[] = {
    {"/echo", handle_echo},
    {"/later", handle_later},
    {"/collect", handle_collect},
    {"/begun", handle_begun},
    {NULL, NULL},
};

static void begin(Desk *desk)
{
    closed = 0;
    desk_begin(desk, routes, NULL);
}

// Waits for bytes of the new protocol.
static void expect(Client *client, const char *wanted)
{
    while (client->in.length < strlen(wanted)) {
        assert_true(client_read(client));
        client_turn(client);
    }
    assert_int_equal(client->in.length, strlen(wanted));
    assert_memory_equal(client->in.data, wanted, client->in.length);
    strbuf_clear(&client->in);
}

TEST(bytes_behind_the_request_belong_to_the_new_protocol)
{
    Desk desk;
    Client client;
    begin(&desk);
    client_ask(&client, &desk, ASK "first");
    AUTO_ANSWER answer = {0};
    client_answer(&client, &answer);
    assert_int_equal(answer.status, 101);
    assert_string_equal(answer_header(&answer, "Upgrade"), "echo");
    assert_string_equal(answer_header(&answer, "Connection"), "Upgrade");
    assert_null(answer_header(&answer, "Content-Length"));
    expect(&client, "first");
    client_send(&client, "second");
    expect(&client, "second");
    client_send(&client, "GET /echo HTTP/1.1\r\n\r\nq");
    expect(&client, "GET /echo HTTP/1.1\r\n\r\nq");
    client_end(&client);
    LOOP_UNTIL(&desk.loop, closed);
    assert_int_equal(desk.handled, 1);
    assert_int_equal(desk.gone, 0);
    desk_end(&desk);
}

TEST(later_and_the_server_does_not_wait_for_it)
{
    Desk desk;
    Client client;
    begin(&desk);
    client_ask(&client, &desk, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    client_send(&client, "early");
    LOOP_UNTIL(&desk.loop, desk.kept_count);
    given = http_upgrade(desk.kept[0], "echo", &echo, &desk);
    assert_non_null(given);
    assert_int_equal(http_server_connections(desk.server), 0);
    assert_int_equal(desk.received.length, 0); // from the loop, never from inside
    assert_status(&client, 101);
    expect(&client, "early");
    http_server_stop(desk.server, 0, desk_stopped, &desk);
    LOOP_UNTIL(&desk.loop, desk.stopped);
    client_send(&client, "still");
    expect(&client, "still");
    client_close(&client);
    LOOP_UNTIL(&desk.loop, closed);
    desk_end(&desk);
}

TEST(after_a_body)
{
    Desk desk;
    Client client;
    begin(&desk);
    client_ask(&client, &desk,
               "POST /collect HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbodybehind");
    assert_status(&client, 101);
    expect(&client, "behind");
    client_close(&client);
    LOOP_UNTIL(&desk.loop, closed);
    client_ask(&client, &desk,
               "POST /collect HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
               "4\r\nbody\r\n0\r\n\r\nbehind");
    assert_status(&client, 101);
    expect(&client, "behind");
    client_close(&client);
    LOOP_UNTIL(&desk.loop, closed == 2);
    desk_end(&desk);
}

TEST(client_has_gone)
{
    Desk desk;
    Client client;
    begin(&desk);
    client_ask(&client, &desk, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    LOOP_UNTIL(&desk.loop, desk.kept_count);
    client_reset(&client);
    LOOP_UNTIL(&desk.loop, desk.gone);
    assert_null(http_upgrade(desk.kept[0], "echo", &echo, &desk));
    assert_int_equal(closed, 0);
    desk_end(&desk);
}

TEST(an_answer_has_begun)
{
    Desk desk;
    Client client;
    begin(&desk);
    client_ask(&client, &desk, "GET /begun HTTP/1.1\r\nHost: h\r\n\r\n");
    AUTO_ANSWER answer = {0};
    client_answer(&client, &answer);
    assert_int_equal(answer.status, 0); // cut
    client_close(&client);
    desk_end(&desk);
}

TEST(requests_that_do_not_ask_for_it)
{
    static const char *const requests[] = {
        "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: h\r\nUpgrade: echo\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echoes\r\n\r\n",
        "GET /echo HTTP/1.0\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
        ("POST /echo HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n"
         "Content-Length: 1\r\n\r\n"), // in parentheses: two lines, one element
    };
    Desk desk;
    begin(&desk);
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        Client client;
        client_ask(&client, &desk, requests[i]);
        assert_answer(&client, 400, "no");
        client_close(&client);
    }
    assert_null(given);
    desk_end(&desk);
}
