#include "base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/spawn.h"

typedef struct Seen {
    int calls, exit_code, signal, start_error;
    bool timed_out, good;
    StrBuf output, errors;
    Fail why;
} Seen;

static void note(const SpawnResult *result, void *argument)
{
    Seen *seen = argument;
    seen->calls++;
    seen->exit_code = result->exit_code;
    seen->signal = result->signal;
    seen->start_error = result->start_error;
    seen->timed_out = result->timed_out;
    strbuf_add(&seen->output, result->output, result->output_length);
    strbuf_adds(&seen->errors, result->errors);
    seen->good = spawn_succeeded(result, "program", &seen->why);
}

static void seen_done(Seen *seen)
{
    strbuf_done(&seen->output);
    strbuf_done(&seen->errors);
    fail_done(&seen->why);
}

#define AUTO_SEEN __attribute__((cleanup(seen_done))) Seen

// Runs one program to its end on a loop of its own; `kill` is sent at once unless 0.
static void run(Seen *seen, const char *const argv[], const char *input, int timeout_ms, int kill)
{
    uv_loop_t loop;
    uv_loop_init(&loop);
    Spawn *spawn = spawn_start(&loop, argv, input, timeout_ms, note, seen);
    assert_int_equal(seen->calls, 0); // never from inside the call
    if (kill)
        spawn_kill(spawn, kill);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(seen->calls, 1);
}

#define SHELL(text) ((const char *const[]){"sh", "-c", (text), NULL})

TEST(output_and_errors_are_collected)
{
    AUTO_SEEN seen = {0};
    run(&seen, SHELL("echo out; echo err >&2"), NULL, 0, 0);
    assert_true(seen.good);
    assert_string_equal(seen.output.data, "out\n");
    assert_string_equal(seen.errors.data, "err\n");
    assert_int_equal(seen.exit_code, 0);
}

TEST(arguments_meet_no_shell)
{
    AUTO_SEEN seen = {0};
    run(&seen, (const char *const[]){"printf", "%s|", "$HOME", "a b", "*", "", NULL}, NULL, 0, 0);
    assert_string_equal(seen.output.data, "$HOME|a b|*||");
}

TEST(input_goes_in)
{
    AUTO_SEEN seen = {0}, empty = {0}, none = {0};
    AUTO_FREE char *big = test_repeat("0123456789abcdef", 100000);
    run(&seen, (const char *const[]){"cat", NULL}, big, 0, 0);
    assert_int_equal(seen.output.length, strlen(big));
    assert_string_equal(seen.output.data, big);
    run(&empty, (const char *const[]){"cat", NULL}, "", 0, 0);
    assert_true(empty.good && !empty.output.length);
    run(&none, (const char *const[]){"cat", NULL}, NULL, 0, 0);
    assert_int_equal(none.output.length, 0);
}

TEST(input_that_nobody_reads)
{
    AUTO_SEEN seen = {0};
    AUTO_FREE char *big = test_repeat("x", 1 << 20);
    run(&seen, (const char *const[]){"true", NULL}, big, 0, 0);
    assert_true(seen.good);
}

TEST(failure_speaks_the_programs_words)
{
    AUTO_SEEN seen = {0}, quiet = {0};
    run(&seen, SHELL("echo first >&2; echo 'No such volume' >&2; echo >&2; exit 5"), NULL, 0, 0);
    assert_false(seen.good);
    assert_int_equal(seen.exit_code, 5);
    assert_string_equal(seen.why.message, "program failed with exit code 5");
    assert_string_equal(seen.why.detail, "No such volume");
    run(&quiet, SHELL("echo told on stdout; exit 1"), NULL, 0, 0);
    assert_string_equal(quiet.why.detail, "told on stdout");
}

TEST(remarks_below_the_reason_are_left_out)
{
    AUTO_SEEN seen = {0}, only = {0};
    run(&seen, SHELL("printf 'unknown type nfs.\n  \tsee dmesg\n\n' >&2; exit 32"), NULL, 0, 0);
    assert_string_equal(seen.why.detail, "unknown type nfs.");
    run(&only, SHELL("printf '  indented\n' >&2; exit 1"), NULL, 0, 0);
    assert_string_equal(only.why.detail, "  indented");
}

TEST(start_failure_comes_later)
{
    AUTO_SEEN seen = {0};
    run(&seen, (const char *const[]){"no-such-program-anywhere", NULL}, "input", 1000, 0);
    assert_int_equal(seen.start_error, -ENOENT);
    assert_int_equal(seen.exit_code, -1);
    assert_false(seen.good);
    assert_string_equal(seen.why.detail, "No such file or directory");
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    signals += number == SIGUSR1;
}

TEST(kill_of_what_never_started_hits_nobody)
{
    AUTO_SEEN seen = {0};
    signals = 0;
    signal(SIGUSR1, count_signal);
    run(&seen, (const char *const[]){"no-such-program-anywhere", NULL}, NULL, 0, SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
    assert_int_equal(signals, 0);
    assert_int_equal(seen.start_error, -ENOENT);
}

TEST(kill_ends_it)
{
    AUTO_SEEN seen = {0};
    run(&seen, (const char *const[]){"sleep", "1000", NULL}, NULL, 0, SIGTERM);
    assert_int_equal(seen.signal, SIGTERM);
    assert_int_equal(seen.exit_code, -1);
    assert_false(seen.good);
    assert_false(seen.timed_out);
    assert_string_equal(seen.why.message, "program was killed by signal 15");
}

TEST(timeout_kills)
{
    AUTO_SEEN seen = {0};
    run(&seen, SHELL("echo begun; exec sleep 1000"), NULL, 300, 0);
    assert_true(seen.timed_out);
    assert_int_equal(seen.why.code, FAIL_TIMED_OUT);
}

TEST(timeout_ends_descendants_that_hold_the_output)
{
    AUTO_SEEN seen = {0}, orphan = {0};
    run(&seen, SHELL("sleep 1000; true"), NULL, 300, 0); // the shell waits for its child
    assert_true(seen.timed_out);
    run(&orphan, SHELL("sleep 1000 & echo $!"), NULL, 300, 0); // the shell is gone at once
    assert_true(orphan.timed_out);
    assert_true(atoi(orphan.output.data) > 0);
    AUTO_FREE char *process = memory_format("/proc/%d/cmdline", atoi(orphan.output.data));
    for (bool alive = true; alive;) { // it dies; the test's alarm ends a wait for ever
        AUTO_FREE char *words = NULL;
        alive = !file_read(process, 4096, &words, NULL) && *words;
        usleep(1000);
    }
}

TEST(output_is_bounded)
{
    AUTO_SEEN seen = {0};
    run(&seen, SHELL("head -c 40000000 /dev/zero"), NULL, 0, 0);
    assert_true(seen.good);
    assert_int_equal(seen.output.length, SPAWN_OUTPUT_MAX);
}

TEST(environment_is_clean)
{
    AUTO_SEEN seen = {0};
    setenv("SECRET", "x", 1);
    run(&seen, (const char *const[]){"env", NULL}, NULL, 0, 0);
    unsetenv("SECRET");
    assert_null(strstr(seen.output.data, "SECRET"));
    assert_non_null(strstr(seen.output.data, "LC_ALL=C\n"));
    assert_non_null(strstr(seen.output.data, "PATH=/"));
}

TEST(descriptors_stay_here)
{
    AUTO_SEEN seen = {0};
    AUTO_CLOSE int careless = open("/dev/zero", O_RDONLY); // no O_CLOEXEC, as some library may do
    assert_true(careless > 2);
    run(&seen, (const char *const[]){"ls", "-l", "/proc/self/fd/", NULL}, NULL, 0, 0);
    assert_non_null(strstr(seen.output.data, "pipe:") ?: strstr(seen.output.data, "socket:"));
    assert_null(strstr(seen.output.data, "/dev/zero"));
}

TEST(many_at_once)
{
    enum { COUNT = 30 };
    Seen seen[COUNT] = {0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    for (int i = 0; i < COUNT; i++) {
        char number[12];
        snprintf(number, sizeof(number), "%d", i);
        Spawn *spawn = spawn_start(&loop, (const char *const[]){"echo", number, NULL}, NULL, 0,
                                   note, &seen[i]);
        assert_true(spawn_pid(spawn) > 0);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(seen[i].calls, 1);
        assert_int_equal(atoi(seen[i].output.data), i);
        seen_done(&seen[i]);
    }
}

TEST(run_waits)
{
    AUTO_FAIL why = {0};
    AUTO_FREE char *output = NULL;
    assert_int_equal(spawn_run(SHELL("cat; echo two"), "one ", 0, &output, &why), 0);
    assert_string_equal(output, "one two\n");
    char *untouched = NULL;
    assert_int_equal(spawn_run(SHELL("echo x; exit 3"), NULL, 0, &untouched, &why), -EIO);
    assert_null(untouched);
    assert_string_equal(why.message, "sh failed with exit code 3");
    assert_int_equal(spawn_run(SHELL("exit 3"), NULL, 0, NULL, NULL), -EIO);
    assert_int_equal(spawn_run(SHELL("exec sleep 1000"), NULL, 200, NULL, NULL), -ETIMEDOUT);
}

static void gather(const char *data, size_t length, void *argument)
{
    strbuf_add(argument, data, length);
}

TEST(output_is_heard_as_it_comes)
{
    AUTO_SEEN seen = {0};
    AUTO_STRBUF heard = {0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    Spawn *spawn = spawn_start(&loop, SHELL("echo begin; exec sleep 1000"), NULL, 0, note, &seen);
    spawn_on_output(spawn, gather, &heard);
    LOOP_UNTIL(&loop, heard.length >= strlen("begin\n"));
    assert_int_equal(seen.calls, 0);
    spawn_kill(spawn, SIGKILL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_string_equal(heard.data, "begin\n");
    assert_string_equal(seen.output.data, "begin\n");
}
