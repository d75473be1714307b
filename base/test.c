#include "base/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strbuf.h"

enum { TEST_MAX = 200, TEST_ALARM_S = 240 };

static struct CMUnitTest tests[TEST_MAX];
static size_t test_count;

void test_add(const char *name, void (*function)(void **state))
{
    if (test_count == TEST_MAX)
        abort();
    tests[test_count++] = (struct CMUnitTest){.name = name, .test_func = function};
}

char *test_directory(void)
{
    const char *parent = getenv("TMPDIR");
    char *path = memory_format("%s/vireo-test-XXXXXX", parent ? parent : "/tmp");
    assert_non_null(mkdtemp(path));
    return path;
}

bool test_dies(void (*function)(void))
{
    pid_t child = fork();
    if (!child) {
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(nowhere, STDERR_FILENO);
        function();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return !WIFEXITED(status) || WEXITSTATUS(status);
}

char *test_repeat(const char *text, size_t count)
{
    AUTO_STRBUF whole = {0};
    while (count--)
        strbuf_adds(&whole, text);
    return strbuf_take(&whole);
}

void test_turn(uv_loop_t *loop)
{
    int timeout = uv_backend_timeout(loop);
    struct pollfd backend = {.fd = uv_backend_fd(loop), .events = POLLIN};
    uv_run(loop, UV_RUN_NOWAIT);
    poll(&backend, 1, timeout < 0 || timeout > 5 ? 5 : timeout);
}

int main(int argc, char *argv[])
{
    alarm(TEST_ALARM_S);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return _cmocka_run_group_tests(argv[0], tests, test_count, NULL, NULL);
}

void test_golden(const char *path, const char *text)
{
    const char *mode = getenv("VIREO_GOLDEN");
    AUTO_FREE char *expected = NULL;
    size_t length = 0;
    if (mode && !strcmp(mode, "update")) {
        assert_int_equal(file_write_atomic(path, text, strlen(text), 0644), 0);
        return;
    }
    if (file_read(path, 16 << 20, &expected, &length))
        fail_msg("%s is missing; VIREO_GOLDEN=update makes it.", path);
    if (strcmp(expected, text))
        fail_msg("%s differs. Expected:\n%s\nIt is:\n%s", path, expected, text);
}

static void golden_check(const char *folder, const char *name, const char *suffix,
                         TestAnswer *answer)
{
    AUTO_ARENA arena = {0};
    AUTO_FREE char *text = NULL;
    AUTO_STRBUF out = {0};
    size_t length = 0, offset = 0;
    const char *error = NULL;
    AUTO_FREE char *path = memory_format("%s/%s.json", folder, name);
    AUTO_FREE char *expected = memory_format("%s/%s%s", folder, name, suffix);
    assert_int_equal(file_read(path, 1 << 20, &text, &length), 0);
    const Json *question = json_parse(&arena, text, length, &error, &offset);
    if (!question)
        fail_msg("%s: %s at byte %zu", path, error, offset);
    answer(&out, question, &arena);
    test_golden(expected, out.data);
}

void test_golden_folder(const char *folder, const char *suffix, TestAnswer *answer)
{
    DIR *directory = opendir(folder);
    int count = 0;
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char *dot = strrchr(entry->d_name, '.');
        if (!dot || strcmp(dot, ".json"))
            continue;
        *dot = 0;
        golden_check(folder, entry->d_name, suffix, answer);
        count++;
    }
    closedir(directory);
    assert_true(count > 0);
}
