#include "base/stream_test.h"

#include <stdio.h>
#include <sys/un.h>

#include "base/file.h"

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
