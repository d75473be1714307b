#include "cli/output/progress.h"

#include "base/test.h"

static void assert_progress(int64_t done, int64_t total, int64_t moved, int64_t elapsed_ms,
                            const char *wanted)
{
    AUTO_STRBUF text = {0};
    progress_format(&text, done, total, moved, elapsed_ms);
    assert_string_equal(text.data, wanted);
}

TEST(bytes_rate_and_rest)
{
    assert_progress(1LL << 30, 4LL << 30, 1LL << 30, 10000, " 25%  1G of 4G  102M/s  31s left");
    assert_progress(4LL << 30, 4LL << 30, 4LL << 30, 40000, "100%  4G of 4G  102M/s");
}

TEST(what_was_there_before_does_not_count_for_the_rate)
{
    assert_progress(3LL << 30, 4LL << 30, 1LL << 30, 10000, " 75%  3G of 4G  102M/s  11s left");
}

TEST(no_rate_yet)
{
    assert_progress(0, 100, 0, 0, "  0%  0 of 100");
    assert_progress(0, 0, 0, 5, "100%  0 of 0");
}
