#include "base/stream_test.h"

TEST(plain_talk)
{
    Pair pair;
    pair_begin(&pair);
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

TEST(plain_backpressure)
{
    Pair pair;
    pair_begin(&pair);
    send_much(&pair);
}

TEST(plain_writes_what_the_socket_takes)
{
    Pair pair;
    pair_begin(&pair);
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

TEST(plain_input_is_bounded)
{
    Pair pair;
    pair_begin(&pair);
    hold_back(&pair);
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

TEST(certificates_are_given_back)
{
    drop_certificates();
}
