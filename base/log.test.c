#include "base/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

// What `speak` writes to stderr.
static char *heard(void (*speak)(void))
{
    int ends[2], saved = dup(STDERR_FILENO);
    char text[4096];
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    speak();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    ssize_t length = read(ends[0], text, sizeof(text));
    close(ends[0]);
    return memory_bytes(text, length > 0 ? (size_t)length : 0);
}

static void speak_plainly(void)
{
    log_warn("host.silent", LOG_ID("host", "id-1"), "No answer from \"%s\".", "a\\b");
}

static void speak_badly(void)
{
    log_error("x", LOG_ID("vm", "a b=\"c\nlevel=error"), "one\ntwo\x1b[31m");
}

static void speak_quietly(void)
{
    log_debug("x", LOG_NONE, "not to be seen");
    log_info("y", LOG_NONE, "seen");
}

TEST(one_line_with_fields)
{
    log_init("test");
    AUTO_FREE char *line = heard(speak_plainly);
    assert_non_null(strstr(line, " level=warning program=test event=host.silent host=id-1 "
                                 "text=\"No answer from \\\"a\\\\b\\\".\"\n"));
    assert_int_equal(strncmp(line, "time=2", 6), 0);
}

TEST(nothing_breaks_out_of_its_line)
{
    AUTO_FREE char *line = heard(speak_badly);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_non_null(strstr(line, " vm=\"a b=\\\"c\\nlevel=error\" text=\"one\\ntwo[31m\""));
}

TEST(levels_are_filtered)
{
    AUTO_FREE char *lines = heard(speak_quietly);
    assert_null(strstr(lines, "not to be seen"));
    assert_non_null(strstr(lines, "event=y text=\"seen\""));
    log_set_level(LOG_LEVEL_ERROR);
    AUTO_FREE char *none = heard(speak_quietly);
    assert_string_equal(none, "");
    log_set_level(LOG_LEVEL_INFO);
}

TEST(levels_have_names)
{
    assert_int_equal(log_level_from_name("debug"), LOG_LEVEL_DEBUG);
    assert_int_equal(log_level_from_name("error"), LOG_LEVEL_ERROR);
    assert_int_equal(log_level_from_name("loud"), _LOG_LEVEL_INVALID);
}

static void speak_to_the_journal(void)
{
    struct stat info;
    char stream[64];
    assert_int_equal(fstat(STDERR_FILENO, &info), 0);
    snprintf(stream, sizeof(stream), "%lu:%lu", (unsigned long)info.st_dev,
             (unsigned long)info.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_init("test");
    log_warn("x", LOG_ID("host", "id-1"), "to the journal's own socket");
    unsetenv("JOURNAL_STREAM");
    log_init("test");
    log_warn("x", LOG_NONE, "to stderr");
}

TEST(journal_is_spoken_to_directly)
{
    AUTO_FREE char *lines = heard(speak_to_the_journal);
    assert_null(strstr(lines, "to the journal"));
    assert_non_null(strstr(lines, "to stderr"));
}

static void speak_with_errno(void)
{
    errno = ENOSPC;
    log_warn("x", LOG_NONE, "%m");
    assert_int_equal(errno, ENOSPC);
}

TEST(errno_survives)
{
    AUTO_FREE char *line = heard(speak_with_errno);
    assert_non_null(strstr(line, "No space left"));
}
