#include "base/test.h"

#include <string.h>

#include "base/clock.h"

static int64_t parse(const char *text)
{
    int64_t ms = INT64_MIN;
    return clock_parse_iso(text, &ms) ? ms : INT64_MIN;
}

TEST(iso_of_known_moments)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {1795316940123, "2026-11-22T03:09:00.123Z"},
        {4107542400000, "2100-03-01T00:00:00.000Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {-62167219200000, "0000-01-01T00:00:00.000Z"},
    };
    char text[CLOCK_ISO_SIZE];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_ptr_equal(clock_iso(rows[i].ms, text), text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(parse(rows[i].text), rows[i].ms);
    }
}

TEST(iso_of_any_number_is_safe)
{
    char text[CLOCK_ISO_SIZE];
    assert_string_equal(clock_iso(INT64_MAX, text), "9999-12-31T23:59:59.999Z");
    assert_string_equal(clock_iso(INT64_MIN, text), "0000-01-01T00:00:00.000Z");
    assert_string_equal(clock_iso(253402300800000, text), "9999-12-31T23:59:59.999Z");
    assert_string_equal(clock_iso(4123534320000000000, text), "9999-12-31T23:59:59.999Z");
}

TEST(each_day_of_four_centuries_comes_back)
{
    char text[CLOCK_ISO_SIZE];
    for (int64_t day = -146097; day <= 146097; day++)
        assert_int_equal(parse(clock_iso(day * 86400000, text)), day * 86400000);
}

TEST(fractions_and_zones)
{
    assert_int_equal(parse("1970-01-01T00:00:01"), 1000);
    assert_int_equal(parse("1970-01-01T00:00:01.5"), 1500);
    assert_int_equal(parse("1970-01-01T00:00:01.0209999999999999"), 1020);
    assert_int_equal(parse("1970-01-01T01:30:00+01:30"), 0);
    assert_int_equal(parse("1969-12-31T19:00:00.25-05:00"), 250);
    assert_int_equal(parse("1970-01-01T01:00:00+0100"), 0);
    assert_int_equal(parse("1970-01-01T14:00:00+14:00"), 0);
    assert_int_equal(parse("1970-01-01T24:00:00Z"), 86400000);
}

TEST(malformed_times_are_refused)
{
    static const char *const bad[] = {
        "",
        "1970",
        "1970-01-01",
        "1970-01-01 00:00:00",
        "1970-1-01T00:00:00",
        "1970-00-01T00:00:00",
        "1970-13-01T00:00:00",
        "1970-01-00T00:00:00",
        "1970-01-32T00:00:00",
        "1970-02-29T00:00:00",
        "2000-02-30T00:00:00",
        "1900-02-29T00:00:00",
        "2026-11-31T00:00:00",
        "1970-01-01T25:00:00",
        "1970-01-01T24:00:01",
        "1970-01-01T24:01:00",
        "1970-01-01T00:60:00",
        "1970-01-01T00:00:61",
        "1970-01-01T00:00:00.",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00Zx",
        "1970-01-01T00:00:00Z+01:00",
        "1970-01-01T00:00:00+1:00",
        "1970-01-01T00:00:00+01:60",
        "1970-01-01T00:00:00+14:01",
        "1970-01-01T00:00:00+15:00",
        "1970-01-01T00:00:00 ",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (parse(bad[i]) != INT64_MIN)
            fail_msg("accepted: %s", bad[i]);
}

TEST(failure_leaves_the_result_alone)
{
    int64_t ms = 77;
    assert_false(clock_parse_iso("1970-01-01T00:00:00Q", &ms));
    assert_int_equal(ms, 77);
}

TEST(clocks_run)
{
    assert_true(clock_wall_ms() > 1700000000000);
    int64_t before = clock_monotonic_ms();
    assert_true(clock_monotonic_ms() >= before);
}
