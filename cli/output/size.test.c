#include "cli/output/size.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/test.h"

static void assert_size(const char *text, int64_t bytes)
{
    int64_t got = -1;
    if (!size_parse(text, &got))
        fail_msg("\"%s\" is refused", text);
    assert_int_equal(got, bytes);
}

TEST(sizes_are_powers_of_1024)
{
    assert_size("0", 0);
    assert_size("4096", 4096);
    assert_size("4096B", 4096);
    assert_size("512K", 512 << 10);
    assert_size("512M", 512 << 20);
    assert_size("10G", 10LL << 30);
    assert_size("10g", 10LL << 30);
    assert_size("10GiB", 10LL << 30);
    assert_size("2T", 2LL << 40);
    assert_size("1P", 1LL << 50);
    assert_size("7E", 7LL << 60);
    assert_size("9007199254740993", 9007199254740993LL); // more than a double holds
}

TEST(fractions_of_sizes)
{
    assert_size("1.5G", 3LL << 29);
    assert_size("0.5K", 512);
    assert_size("1.25M", 1310720);
}

TEST(what_is_no_size)
{
    static const char *const bad[] = {"",
                                      "G",
                                      "-1G",
                                      "1.G",
                                      ".5G",
                                      "10GB",
                                      "10Q",
                                      "1 G",
                                      "1G1",
                                      "8E",
                                      "99999999999999999999",
                                      "0x10",
                                      "1e3",
                                      "1.5.5G",
                                      "+1",
                                      "nan"};
    int64_t bytes;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (size_parse(bad[i], &bytes))
            fail_msg("\"%s\" is taken as %lld", bad[i], (long long)bytes);
}

TEST(sizes_for_people)
{
    static const struct {
        int64_t bytes;
        const char *text;
    } rows[] = {
        {0, "0"},
        {1, "1"},
        {1023, "1023"},
        {1024, "1K"},
        {1536, "1.5K"},
        {10LL << 30, "10G"},
        {1610612736, "1.5G"},
        {(10LL << 30) + 1, "10G"},
        {1048575, "1M"},
        {123 << 20, "123M"},
        {5LL << 40, "5T"},
        {INT64_MAX, "8E"},
    };
    char text[SIZE_TEXT];
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_string_equal(size_format(rows[i].bytes, text), rows[i].text);
}

TEST(what_people_see_can_be_typed)
{
    char text[SIZE_TEXT];
    int64_t bytes;
    for (int64_t size = 1; size < 1LL << 60; size *= 3) {
        assert_true(size_parse(size_format(size, text), &bytes));
        assert_true(bytes >= size - size / 20 && bytes <= size + size / 20 + 1);
    }
}

TEST(durations)
{
    int64_t seconds = -1;
    assert_true(duration_parse("90", &seconds));
    assert_int_equal(seconds, 90);
    assert_true(duration_parse("90s", &seconds));
    assert_int_equal(seconds, 90);
    assert_true(duration_parse("15m", &seconds));
    assert_int_equal(seconds, 900);
    assert_true(duration_parse("2h", &seconds));
    assert_int_equal(seconds, 7200);
    assert_true(duration_parse("1d", &seconds));
    assert_int_equal(seconds, 86400);
    assert_false(duration_parse("", &seconds));
    assert_false(duration_parse("m", &seconds));
    assert_false(duration_parse("-5", &seconds));
    assert_false(duration_parse("5 m", &seconds));
    assert_false(duration_parse("99999999999999999999", &seconds));
    assert_false(duration_parse("4294967296", &seconds));
}

TEST(durations_for_people)
{
    char text[TIME_TEXT];
    assert_string_equal(duration_format(8, text), "8s");
    assert_string_equal(duration_format(902, text), "15m 2s");
    assert_string_equal(duration_format(7265, text), "2h 1m");
    assert_string_equal(duration_format(273600, text), "3d 4h");
    assert_string_equal(duration_format(-5, text), "0s");
}

TEST(times_are_local)
{
    char text[TIME_TEXT];
    setenv("TZ", "UTC", 1);
    tzset();
    assert_string_equal(time_format(1795316940123, text), "2026-11-22 03:09:00");
    setenv("TZ", "Europe/Vienna", 1);
    tzset();
    assert_string_equal(time_format(1795316940123, text), "2026-11-22 04:09:00");
}
