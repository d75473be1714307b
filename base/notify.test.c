#include "base/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/notify.h"
#include "base/strbuf.h"

typedef struct Watch {
    uv_loop_t loop;
    uv_timer_t end;
    Notify notify;
} Watch;

static void watch_end(uv_timer_t *timer)
{
    Watch *watch = timer->data;
    notify_stop(&watch->notify);
    notify_stop(&watch->notify); // again does nothing
    uv_close((uv_handle_t *)timer, NULL);
}

// Runs a loop for a moment, as a daemon does.
static void watch_run(int milliseconds)
{
    Watch watch = {0};
    uv_loop_init(&watch.loop);
    uv_timer_init(&watch.loop, &watch.end);
    watch.end.data = &watch;
    notify_start(&watch.notify, &watch.loop);
    uv_timer_start(&watch.end, watch_end, (uint64_t)milliseconds, 0);
    uv_run(&watch.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&watch.loop), 0);
}

static char *heard(int fd)
{
    AUTO_STRBUF all = {0};
    char piece[256];
    for (ssize_t got; (got = recv(fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0;) {
        strbuf_add(&all, piece, (size_t)got);
        strbuf_addc(&all, '\n');
    }
    return strbuf_take(&all);
}

TEST(service_manager_is_told)
{
    AUTO_FREE char *directory = test_directory();
    AUTO_FREE char *pid = memory_format("%d", (int)getpid());
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", directory);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    setenv("WATCHDOG_USEC", "30000", 1);
    setenv("WATCHDOG_PID", pid, 1);
    watch_run(100);
    AUTO_FREE char *text = heard(fd);
    assert_memory_equal(text, "READY=1\n", 8);
    const char *first = strstr(text, "WATCHDOG=1\n");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "WATCHDOG=1\n"));
    assert_string_equal(text + strlen(text) - 11, "STOPPING=1\n");
    unsetenv("WATCHDOG_USEC");
    watch_run(1);
    AUTO_FREE char *quiet = heard(fd);
    assert_string_equal(quiet, "READY=1\nSTOPPING=1\n");
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(directory_remove(directory), 0);
}

TEST(nobody_is_told_when_nobody_asked)
{
    unsetenv("NOTIFY_SOCKET");
    watch_run(1);
}
