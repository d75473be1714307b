#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "manager/search/search_value.h"

// ---- dates

static const char now_text[] = "2024-03-13T15:30:00Z"; // a Wednesday

static void use_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

static void assert_date(const char *text, const char *from, const char *until)
{
    int64_t now, expected_from, expected_until, found_from, found_until;
    assert_true(clock_parse_iso(now_text, &now));
    assert_true(clock_parse_iso(from, &expected_from));
    assert_true(clock_parse_iso(until, &expected_until));
    if (!search_date_parse(text, now, &found_from, &found_until))
        fail_msg("%s is no date", text);
    if (found_from != expected_from || found_until != expected_until) {
        char begin[CLOCK_ISO_SIZE], end[CLOCK_ISO_SIZE];
        fail_msg("%s is %s to %s", text, clock_iso(found_from, begin), clock_iso(found_until, end));
    }
}

#define DAY(text, day, next) assert_date(text, day "T00:00:00Z", next "T00:00:00Z")

TEST(days_are_named)
{
    use_zone("UTC");
    DAY("today", "2024-03-13", "2024-03-14");
    DAY("Yesterday", "2024-03-12", "2024-03-13");
    DAY("tuesday", "2024-03-12", "2024-03-13");
    DAY("MONDAY", "2024-03-11", "2024-03-12");
    DAY("thursday", "2024-03-07", "2024-03-08");
    DAY("wednesday", "2024-03-06", "2024-03-07"); // not today
    DAY("Sun", "2024-03-10", "2024-03-11");
}

TEST(dates_are_written_in_many_ways)
{
    use_zone("UTC");
    static const char *const ways[] = {
        "2024-01-31",
        "1/31/2024",
        "01/31/24",
        "31/1/2024",
        "31.1.2024",
        "31.01.24",
        "1-31-2024",
        "2024/1/31",
        "Jan 31, 2024",
        "January 31, 2024",
        "january 31 2024",
        "31 Jan 2024",
        "Wednesday, January 31, 2024",
        "Wed, Jan 31, 2024",
    };
    for (size_t i = 0; i < COUNT_OF(ways); i++)
        DAY(ways[i], "2024-01-31", "2024-02-01");
    DAY("2/3/2024", "2024-02-03", "2024-02-04"); // month first
    DAY("2.3.2024", "2024-03-02", "2024-03-03");
    DAY("29.2.2024", "2024-02-29", "2024-03-01");
}

TEST(times_narrow_dates)
{
    use_zone("UTC");
    assert_date("2024-01-31 14:30", "2024-01-31T14:30:00Z", "2024-01-31T14:31:00Z");
    assert_date("2024-01-31T14:30:05", "2024-01-31T14:30:05Z", "2024-01-31T14:30:06Z");
    assert_date("1/31/24 2:30 PM", "2024-01-31T14:30:00Z", "2024-01-31T14:31:00Z");
    assert_date("1/31/24 12:05 am", "2024-01-31T00:05:00Z", "2024-01-31T00:06:00Z");
    assert_date("Jan 31, 2024, 2:30:05 PM", "2024-01-31T14:30:05Z", "2024-01-31T14:30:06Z");
    assert_date("2024-01-31T14:30:05Z", "2024-01-31T14:30:05Z", "2024-01-31T14:30:06Z");
    assert_date("2024-01-31T14:30:05+02:00", "2024-01-31T12:30:05Z", "2024-01-31T12:30:06Z");
    assert_date("2024-01-31T14:30:05.250Z", "2024-01-31T14:30:05.250Z", "2024-01-31T14:30:05.251Z");
}

TEST(days_are_those_of_the_zone)
{
    use_zone("Europe/Berlin");
    assert_date("today", "2024-03-12T23:00:00Z", "2024-03-13T23:00:00Z");
    assert_date("2024-03-31", "2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z"); // 23 hours long
    assert_date("2024-10-27", "2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z"); // 25 hours long
    use_zone("UTC");
}

TEST(what_is_no_date_is_refused)
{
    static const char *const texts[] = {
        "",
        "tomorrow",
        "2024",
        "2024-01",
        "2024-13-01",
        "2024-02-30",
        "30.2.2024",
        "32/1/2024",
        "1/31",
        "Jan 2024",
        "Foo 31, 2024",
        "2024-01-31 25:00",
        "2024-01-31 14",
        "2024-01-31 14:60",
        "2024-01-31 13:00 PM",
        "2024-01-31x",
        "2024-01/31",
        "1969-12-31",
        "99999-01-01",
        "todayx",
        "weekday",
        "2024-01-31 14:30:61",
        "-1",
        "99999999999999999999-1-1",
    };
    use_zone("UTC");
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        int64_t from = 7, until = 8;
        if (search_date_parse(texts[i], 1700000000000, &from, &until))
            fail_msg("%s is a date", texts[i]);
        assert_int_equal(from, 7);
        assert_int_equal(until, 8);
    }
}

// ---- time spans

TEST(spans)
{
    static const struct {
        const char *text;
        double seconds;
    } rows[] = {
        {"5", 5 * 86400},
        {"90s", 90},
        {"30m", 1800},
        {"12H", 12 * 3600},
        {"2d", 2 * 86400},
        {"12:30", 45000},
        {"12:30:15", 45015},
        {"1.00:00", 86400},
        {"2.03:04:05", 2 * 86400 + 3 * 3600 + 245},
        {"0", 0},
    };
    static const char *const wrong[] = {"",    "x",       "5x", "1:60", "1:2:60",
                                        "1.2", "1:2:3:4", "-5", "5dd",  "9999999"};
    double seconds = 7;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(search_span_parse(rows[i].text, &seconds));
        assert_float_equal(seconds, rows[i].seconds, 0.001);
    }
    seconds = 7;
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_false(search_span_parse(wrong[i], &seconds));
    assert_float_equal(seconds, 7, 0);
}

// ---- numbers

TEST(numbers)
{
    static const struct {
        const char *text;
        double number;
    } rows[] = {{"0", 0},     {"42", 42},  {"-3", -3},   {"+3", 3},
                {"2.5", 2.5}, {".5", 0.5}, {"1e3", 1000}};
    static const char *const wrong[] = {"",    "x", "1x",  "0x10", "nan",
                                        "inf", "-", "1 2", "1,5",  "--1"};
    double number = 7;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(search_number_parse(rows[i].text, &number));
        assert_float_equal(number, rows[i].number, 0.0001);
    }
    number = 7;
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_false(search_number_parse(wrong[i], &number));
    assert_float_equal(number, 7, 0);
}

TEST(sizes_may_have_units)
{
    static const struct {
        const char *text;
        double bytes;
        bool unit;
    } rows[] = {{"10", 10, false},
                {"1KB", 1024, true},
                {"2 MiB", 2097152, true},
                {"1.5G", 1610612736, true},
                {"1tb", 1099511627776, true},
                {"7B", 7, true},
                {"1p", 1125899906842624, true}};
    static const char *const wrong[] = {"", "x", "1XB", "1KBB", "GB", "1 K x", "1.2.3K"};
    double bytes;
    bool unit;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(search_size_parse(rows[i].text, &bytes, &unit));
        assert_float_equal(bytes, rows[i].bytes, 0.5);
        assert_int_equal(unit, rows[i].unit);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_false(search_size_parse(wrong[i], &bytes, &unit));
}
