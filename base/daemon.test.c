#include "base/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/test.h"

typedef struct Seen {
    bool ended;
    int code;
} Seen;

static void note_ended(int exit_code, void *argument)
{
    Seen *seen = argument;
    assert_false(seen->ended);
    *seen = (Seen){true, exit_code};
}

static void loop_done(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

TEST(output_goes_to_the_log_and_the_code_is_told)
{
    static const char *const argv[] = {"sh", "-c", "echo out; echo err >&2; exit 3", NULL};
    AUTO_FREE char *directory = test_directory();
    AUTO_FREE char *log = memory_format("%s/log", directory);
    AUTO_FREE char *text = NULL;
    DaemonOptions options = {.argv = argv, .log = log};
    Seen seen = {0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    assert_non_null(daemon_start(&loop, &options, note_ended, &seen, NULL));
    LOOP_UNTIL(&loop, seen.ended);
    assert_int_equal(seen.code, 3);
    assert_int_equal(file_read(log, 100, &text, NULL), 0);
    assert_string_equal(text, "out\nerr\n");
    loop_done(&loop);
    directory_remove(directory);
}

TEST(a_missing_program_is_told)
{
    static const char *const argv[] = {"/no/such/program", NULL};
    DaemonOptions options = {.argv = argv};
    AUTO_FAIL why = {0};
    Seen seen = {0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    assert_null(daemon_start(&loop, &options, note_ended, &seen, &why));
    assert_non_null(strstr(why.message, "/no/such/program"));
    loop_done(&loop);
    assert_false(seen.ended);
}

TEST(it_is_killed_when_asked)
{
    static const char *const argv[] = {"sleep", "1000", NULL};
    DaemonOptions options = {.argv = argv};
    Seen seen = {0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    Daemon *daemon = daemon_start(&loop, &options, note_ended, &seen, NULL);
    assert_int_equal(getsid(daemon_pid(daemon)), daemon_pid(daemon));
    daemon_kill(daemon, SIGTERM);
    LOOP_UNTIL(&loop, seen.ended);
    assert_int_equal(seen.code, -1);
    loop_done(&loop);
}

typedef struct Wanted {
    const char *argument;
    pid_t pid;
} Wanted;

static bool look_for(pid_t pid, int argc, const char *const argv[], void *argument)
{
    Wanted *wanted = argument;
    if (argc == 2 && !strcmp(argv[1], wanted->argument))
        wanted->pid = pid;
    return !wanted->pid;
}

// A forgotten one lives on, is found by its arguments, and can be adopted by another loop.
TEST(one_of_an_earlier_life_is_found_and_adopted)
{
    AUTO_FREE char *unique = memory_format("%d.%ld", 1000 + getpid() % 1000, (long)getpid());
    const char *const argv[] = {"sleep", unique, NULL};
    DaemonOptions options = {.argv = argv};
    Wanted wanted = {.argument = unique};
    Seen first = {0}, second = {0};
    uv_loop_t loop, other;
    uv_loop_init(&loop);
    Daemon *daemon = daemon_start(&loop, &options, note_ended, &first, NULL);
    pid_t pid = daemon_pid(daemon);
    daemon_forget(daemon);
    loop_done(&loop);
    // Right after the fork it still has our own arguments.
    for (int tries = 0; !wanted.pid && tries < 500; tries++) {
        process_each(look_for, &wanted);
        usleep(10000);
    }
    assert_int_equal(wanted.pid, pid);
    uv_loop_init(&other);
    daemon = daemon_adopt(&other, pid, note_ended, &second);
    assert_non_null(daemon);
    daemon_kill(daemon, SIGKILL);
    LOOP_UNTIL(&other, second.ended);
    loop_done(&other);
    assert_false(first.ended);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_null(daemon_adopt(&other, pid, note_ended, &second));
}

TEST(descriptors_are_not_inherited)
{
    static const char *const argv[] = {"ls", "/proc/self/fd", NULL};
    AUTO_FREE char *directory = test_directory();
    AUTO_FREE char *log = memory_format("%s/log", directory);
    AUTO_FREE char *text = NULL;
    DaemonOptions options = {.argv = argv, .log = log};
    Seen seen = {0};
    uv_loop_t loop;
    int leak = fcntl(open("/dev/null", O_RDONLY | O_CLOEXEC), F_DUPFD, 50);
    uv_loop_init(&loop);
    assert_non_null(daemon_start(&loop, &options, note_ended, &seen, NULL));
    LOOP_UNTIL(&loop, seen.ended);
    assert_int_equal(file_read(log, 100, &text, NULL), 0);
    assert_string_equal(text, "0\n1\n2\n3\n"); // 3 is the directory it lists
    loop_done(&loop);
    close(leak);
    directory_remove(directory);
}
