#include "base/test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/stream.h"

typedef struct Door {
    uv_loop_t loop;
    Listener *listener;
    int count, flags, status;
    bool close_after_one;
    char peer[64];
} Door;

static void on_accepted(int fd, const char *peer, void *argument)
{
    Door *door = argument;
    door->count++;
    door->flags = fcntl(fd, F_GETFD);
    door->status = fcntl(fd, F_GETFL);
    snprintf(door->peer, sizeof(door->peer), "%s", peer);
    close(fd);
    if (door->close_after_one)
        listener_close(TAKE(door->listener));
}

static bool door_begin(Door *door, const char *address)
{
    *door = (Door){0};
    uv_loop_init(&door->loop);
    door->listener = listener_new(&door->loop, address, 0, on_accepted, door, NULL);
    return door->listener != NULL;
}

static void door_end(Door *door)
{
    listener_close(door->listener);
    uv_run(&door->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&door->loop), 0);
}

static void knock(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
}

TEST(descriptors_come_ready_for_use)
{
    Door door;
    assert_true(door_begin(&door, "127.0.0.1"));
    assert_true(listener_port(door.listener) > 0);
    knock(listener_port(door.listener));
    knock(listener_port(door.listener));
    LOOP_UNTIL(&door.loop, door.count == 2);
    assert_string_equal(door.peer, "127.0.0.1");
    assert_true(door.flags & FD_CLOEXEC);
    assert_true(door.status & O_NONBLOCK);
    door_end(&door);
}

TEST(any_address_of_both_families)
{
    Door door;
    if (!door_begin(&door, "::")) {
        uv_loop_close(&door.loop);
        skip(); // a machine without IPv6
    }
    knock(listener_port(door.listener));
    LOOP_UNTIL(&door.loop, door.count == 1);
    assert_string_equal(door.peer, "127.0.0.1"); // not "::ffff:127.0.0.1"
    door_end(&door);
}

TEST(port_in_use_is_explained)
{
    Door door;
    AUTO_FAIL why = {0}, name = {0};
    assert_true(door_begin(&door, "127.0.0.1"));
    assert_null(listener_new(&door.loop, "127.0.0.1", listener_port(door.listener), on_accepted,
                             &door, &why));
    assert_int_equal(why.code, FAIL_UNAVAILABLE);
    assert_string_equal(why.detail, "Address already in use");
    assert_non_null(why.hint);
    assert_null(listener_new(&door.loop, "localhost", 0, on_accepted, &door, &name));
    assert_int_equal(name.code, FAIL_INVALID);
    door_end(&door);
}

TEST(close_from_inside)
{
    Door door;
    assert_true(door_begin(&door, "127.0.0.1"));
    door.close_after_one = true;
    knock(listener_port(door.listener));
    knock(listener_port(door.listener));
    uv_run(&door.loop, UV_RUN_DEFAULT);
    assert_int_equal(door.count, 1);
    door_end(&door);
}

TEST(out_of_descriptors_is_survived)
{
    Door door;
    struct rlimit before, few;
    assert_true(door_begin(&door, "127.0.0.1"));
    knock(listener_port(door.listener));
    AUTO_CLOSE int next = dup(0);
    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = (rlim_t)next + 1;
    setrlimit(RLIMIT_NOFILE, &few);
    for (int i = 0; i < 3; i++)
        test_turn(&door.loop);
    assert_int_equal(door.count, 0);
    setrlimit(RLIMIT_NOFILE, &before);
    LOOP_UNTIL(&door.loop, door.count == 1);
    door_end(&door);
}

TEST(socket_file_has_its_mode_and_goes)
{
    Door door;
    struct stat info;
    AUTO_FREE char *directory = test_directory();
    AUTO_FREE char *path = memory_format("%s/socket", directory);
    assert_true(door_begin(&door, "127.0.0.1"));
    Listener *first = listener_new_path(&door.loop, path, 0600, on_accepted, &door, NULL);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    // A program that was killed leaves its socket; the next one takes the place.
    Listener *second = listener_new_path(&door.loop, path, 0660, on_accepted, &door, NULL);
    assert_non_null(second);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0660);
    listener_close(first);
    listener_close(second);
    door_end(&door);
    assert_false(file_exists(path));
    assert_int_equal(directory_remove(directory), 0);
}

TEST(other_files_are_left_alone)
{
    Door door;
    AUTO_FAIL why = {0}, missing = {0}, too_long = {0};
    AUTO_FREE char *directory = test_directory();
    AUTO_FREE char *path = memory_format("%s/file", directory);
    AUTO_FREE char *none = memory_format("%s/none/socket", directory);
    AUTO_FREE char *long_path = test_repeat("/long", 100);
    assert_true(door_begin(&door, "127.0.0.1"));
    assert_int_equal(file_write_atomic(path, "precious", 8, 0600), 0);
    assert_null(listener_new_path(&door.loop, path, 0600, on_accepted, &door, &why));
    assert_string_equal(why.detail, "Address already in use");
    assert_true(file_exists(path));
    assert_null(listener_new_path(&door.loop, none, 0600, on_accepted, &door, &missing));
    assert_string_equal(missing.detail, "No such file or directory");
    assert_null(listener_new_path(&door.loop, long_path, 0600, on_accepted, &door, &too_long));
    assert_int_equal(too_long.code, FAIL_INVALID);
    listener_close(NULL);
    door_end(&door);
    assert_int_equal(directory_remove(directory), 0);
}
