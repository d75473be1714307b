#include "base/test.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/program.h"

typedef struct Settings {
    char *log_level;
    int count;
} Settings;

static const OptionRow rows[] = {
    {"log_level", OPTION_STRING, offsetof(Settings, log_level), "info", 4, 7, "A level."},
    {"count", OPTION_INTEGER, offsetof(Settings, count), "3", 0, 100, "A number."},
};
static const size_t row_count = COUNT_OF(rows);

static const PageRow commands[] = {{"[--set NAME=VALUE]", "Run."}, {0}};

static const ProgramPage page = {
    .name = "program",
    .title = "a program",
    .about = "It is one.",
    .commands = commands,
    .config = "/nowhere/program.conf",
    .options = rows,
    .option_count = &row_count,
};

enum { WENT_ON = 100, ARGUMENTS_MAX = 200 };

// What the program ends with when it is called so; WENT_ON + count when it goes on. The caller
// frees what it printed.
static int call(const char **arguments, char **ret_printed)
{
    AUTO_FREE char *directory = test_directory();
    AUTO_FREE char *path = memory_format("%s/printed", directory);
    char *argv[ARGUMENTS_MAX] = {(char *)"program"};
    int argc = 1, status;
    for (; arguments[argc - 1]; argc++)
        argv[argc] = (char *)arguments[argc - 1];
    fflush(NULL);
    pid_t pid = fork();
    if (!pid) {
        Settings settings = {0};
        int fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        optind = 0;
        program_configure(&page, &settings, argc, argv);
        _exit(WENT_ON + settings.count + (log_enabled(LOG_LEVEL_DEBUG) ? 100 : 0));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(file_read(path, 1024 * 1024, ret_printed, NULL), 0);
    assert_int_equal(directory_remove(directory), 0);
    return WEXITSTATUS(status);
}

#define CALL(printed, ...) call((const char *[]){__VA_ARGS__, NULL}, printed)

TEST(defaults_and_sets_in_their_order)
{
    AUTO_FREE char *none = NULL, *some = NULL;
    assert_int_equal(call((const char *[]){NULL}, &none), WENT_ON + 3);
    assert_string_equal(none, "");
    assert_int_equal(CALL(&some, "--set", "count=5", "-s", "count=7"), WENT_ON + 7);
}

TEST(every_one_of_many_sets_counts)
{
    AUTO_FREE char *printed = NULL;
    const char *arguments[ARGUMENTS_MAX] = {0};
    for (int i = 0; i < 160; i += 2) {
        arguments[i] = "--set";
        arguments[i + 1] = i < 158 ? "count=1" : "count=9";
    }
    assert_int_equal(call(arguments, &printed), WENT_ON + 9);
}

TEST(log_level_is_set)
{
    AUTO_FREE char *good = NULL, *bad = NULL;
    assert_int_equal(CALL(&good, "--set", "log_level=debug"), WENT_ON + 3 + 100);
    assert_int_equal(CALL(&bad, "--set", "log_level=loud"), 2);
    assert_string_equal(bad, "program: log_level: \"loud\" is no level.\n");
}

TEST(named_file_must_be_there)
{
    AUTO_FREE char *printed = NULL;
    assert_int_equal(CALL(&printed, "--config", "/nowhere/other.conf"), 2);
    assert_non_null(strstr(printed, "/nowhere/other.conf"));
}

TEST(check_judges_and_ends)
{
    AUTO_FREE char *good = NULL, *bad = NULL;
    assert_int_equal(CALL(&good, "--check-config"), 0);
    assert_string_equal(good, "The configuration is good.\n");
    assert_int_equal(CALL(&bad, "--check-config", "--set", "count=many"), 2);
}

TEST(questions_are_answered)
{
    AUTO_FREE char *version = NULL, *sample = NULL, *help = NULL;
    assert_int_equal(CALL(&version, "--version"), 0);
    assert_string_equal(version, "program " VIREO_VERSION "\n");
    assert_int_equal(CALL(&sample, "--sample-config"), 0);
    assert_non_null(strstr(sample, "count = 3"));
    assert_int_equal(CALL(&help, "--help"), 0);
    assert_non_null(strstr(help, "[--set NAME=VALUE]"));
}

TEST(what_is_not_understood_is_refused)
{
    AUTO_FREE char *option = NULL, *word = NULL;
    assert_int_equal(CALL(&option, "--loud"), 2);
    assert_int_equal(CALL(&word, "start"), 2);
    assert_non_null(strstr(word, "\"start\" is not understood"));
}
