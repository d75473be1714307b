#include "manager/search/search_value.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60 * SECOND_MS, YEAR_MIN = 1970, YEAR_MAX = 9999 };

// ---- numbers

bool search_number_parse(const char *text, double *ret)
{
    char *end;
    if (!isdigit((unsigned char)text[strspn(text, "+-.")]) || strpbrk(text, "xXpPnN"))
        return false;
    double number = strtod(text, &end);
    if (*end)
        return false;
    *ret = number;
    return true;
}

bool search_size_parse(const char *text, double *ret, bool *ret_unit)
{
    static const char letters[] = "KMGTP";
    char number[64];
    size_t length = strspn(text, "+-.0123456789");
    const char *unit = text + length + strspn(text + length, " ");
    if (!*unit) {
        *ret_unit = false;
        return search_number_parse(text, ret);
    }
    const char *letter = strchr(letters, toupper((unsigned char)*unit));
    bool plain = !strcasecmp(unit, "B");
    if ((!letter && !plain) || length >= sizeof(number) ||
        (letter && unit[1] && strcasecmp(unit + 1, "B") && strcasecmp(unit + 1, "iB")))
        return false;
    memcpy(number, text, length);
    number[length] = 0;
    if (!search_number_parse(number, ret))
        return false;
    for (long i = plain ? -1 : letter - letters; i >= 0; i--)
        *ret *= 1024;
    *ret_unit = true;
    return true;
}

// ---- pieces of text

static bool take_number(const char **at, int *ret, int *ret_digits)
{
    int digits = 0, number = 0;
    for (; isdigit((unsigned char)(*at)[digits]) && digits < 6; digits++)
        number = number * 10 + (*at)[digits] - '0';
    *at += digits;
    *ret = number;
    *ret_digits = digits;
    return digits > 0 && digits < 6;
}

static bool take_character(const char **at, char character)
{
    if (**at != character)
        return false;
    ++*at;
    return true;
}

static void take_gap(const char **at)
{
    *at += strspn(*at, " ,");
}

// Number of the name that begins here, in full or its first three letters; -1 when it is none.
static int take_name(const char **at, const char *const *names, int count)
{
    size_t length = 0;
    while (isalpha((unsigned char)(*at)[length]))
        length++;
    for (int i = 0; i < count; i++) {
        size_t whole = strlen(names[i]);
        if ((length != whole && length != 3) || strncasecmp(*at, names[i], length))
            continue;
        *at += length;
        return i;
    }
    return -1;
}

// ---- time spans

bool search_span_parse(const char *text, double *ret_seconds)
{
    static const char units[] = "smhd";
    static const int unit_seconds[] = {1, 60, 3600, 86400};
    int first, digits, days = 0, minutes = 0, seconds = 0;
    const char *at = text;
    if (!take_number(&at, &first, &digits))
        return false;
    const char *unit = *at ? strchr(units, tolower((unsigned char)*at)) : units + 3;
    if (unit && (!*at || !at[1])) {
        *ret_seconds = (double)first * unit_seconds[unit - units];
        return true;
    }
    if (take_character(&at, '.')) {
        days = first;
        if (!take_number(&at, &first, &digits))
            return false;
    }
    if (!take_character(&at, ':') || !take_number(&at, &minutes, &digits) ||
        (take_character(&at, ':') && !take_number(&at, &seconds, &digits)) || *at || minutes > 59 ||
        seconds > 59)
        return false;
    *ret_seconds = days * 86400.0 + first * 3600.0 + minutes * 60.0 + seconds;
    return true;
}

// ---- dates

static const char *const weekdays[] = {"sunday",   "monday", "tuesday", "wednesday",
                                       "thursday", "friday", "saturday"};
static const char *const months[] = {"january",   "february", "march",    "april",
                                     "may",       "june",     "july",     "august",
                                     "september", "october",  "november", "december"};

static bool date_set(struct tm *date, int year, int digits, int month, int day)
{
    date->tm_year = (digits <= 2 ? year + 2000 : year) - 1900;
    date->tm_mon = month - 1;
    date->tm_mday = day;
    return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

// 2024-01-31, 31.1.2024, 1/31/2024, 31/1/2024; 31 January 2024
static bool take_numeric_date(const char **at, struct tm *date)
{
    int numbers[3], digits[3];
    if (!take_number(at, &numbers[0], &digits[0]))
        return false;
    if (**at == ' ') {
        take_gap(at);
        int month = take_name(at, months, COUNT_OF(months));
        take_gap(at);
        return month >= 0 && take_number(at, &numbers[2], &digits[2]) &&
               date_set(date, numbers[2], digits[2], month + 1, numbers[0]);
    }
    char separator = **at;
    if (!separator || !strchr("-./", separator))
        return false;
    for (int i = 1; i < 3; i++)
        if (!take_character(at, separator) || !take_number(at, &numbers[i], &digits[i]))
            return false;
    if (digits[0] == 4)
        return date_set(date, numbers[0], 4, numbers[1], numbers[2]);
    bool day_first = separator == '.' || numbers[0] > 12;
    return date_set(date, numbers[2], digits[2], numbers[!!day_first], numbers[!day_first]);
}

// Jan 31, 2024; Wednesday, January 31, 2024
static bool take_written_date(const char **at, struct tm *date)
{
    int day, year, digits, month;
    take_name(at, weekdays, COUNT_OF(weekdays));
    take_gap(at);
    month = take_name(at, months, COUNT_OF(months));
    take_gap(at);
    if (month < 0 || !take_number(at, &day, &digits))
        return false;
    take_gap(at);
    return take_number(at, &year, &digits) && date_set(date, year, digits, month + 1, day);
}

// 14:30, 14:30:05, 14:30:05.123, 2:30 PM. Returns how long what it names lasts, 0 when it is wrong.
static int64_t take_time(const char **at, struct tm *date)
{
    static const char *const halves[] = {"am", "pm"};
    int digits, ignored, half = -1;
    int64_t length = MINUTE_MS;
    if (!take_number(at, &date->tm_hour, &digits) || !take_character(at, ':') ||
        !take_number(at, &date->tm_min, &digits))
        return 0;
    if (take_character(at, ':')) {
        length = SECOND_MS;
        if (!take_number(at, &date->tm_sec, &digits) ||
            (take_character(at, '.') && !take_number(at, &ignored, &digits)))
            return 0;
    }
    take_gap(at);
    for (int i = 0; i < 2 && half < 0; i++)
        if (!strncasecmp(*at, halves[i], 2))
            half = i;
    if (half >= 0) {
        *at += 2;
        if (date->tm_hour < 1 || date->tm_hour > 12)
            return 0;
        date->tm_hour = date->tm_hour % 12 + half * 12;
    }
    return date->tm_hour < 24 && date->tm_min < 60 && date->tm_sec < 60 ? length : 0;
}

static bool local_ms(struct tm *date, int64_t *ret)
{
    struct tm copy = *date;
    copy.tm_isdst = -1;
    time_t seconds = mktime(&copy);
    *ret = (int64_t)seconds * 1000;
    return copy.tm_year == date->tm_year && copy.tm_mon == date->tm_mon &&
           copy.tm_mday == date->tm_mday;
}

// The day so many days before now; hours and less are zero.
static struct tm day_before(int64_t now_ms, int days)
{
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm date;
    localtime_r(&seconds, &date);
    date.tm_mday -= days;
    date.tm_hour = 12; // clear of changes to summer time
    date.tm_min = date.tm_sec = 0;
    date.tm_isdst = -1;
    mktime(&date);
    date.tm_hour = 0;
    return date;
}

static bool take_relative_day(const char *text, int64_t now_ms, struct tm *date)
{
    static const char *const days[] = {"today", "yesterday"};
    for (int i = 0; i < 2; i++)
        if (!strcasecmp(text, days[i])) {
            *date = day_before(now_ms, i);
            return true;
        }
    const char *at = text;
    int weekday = take_name(&at, weekdays, COUNT_OF(weekdays));
    if (weekday < 0 || *at)
        return false;
    int today = day_before(now_ms, 0).tm_wday;
    *date = day_before(now_ms, (today - weekday + 6) % 7 + 1);
    return true;
}

static bool has_zone(const char *text)
{
    const char *time = strchr(text, 'T');
    return time && strpbrk(time, "Z+-");
}

bool search_date_parse(const char *text, int64_t now_ms, int64_t *ret_from, int64_t *ret_until)
{
    struct tm date = {0};
    int64_t from, until, length = 0;
    const char *at = text + strspn(text, " ");
    if (has_zone(at) && clock_parse_iso(at, &from)) {
        *ret_from = from;
        *ret_until = from + (strchr(at, '.') ? 1 : SECOND_MS);
        return true;
    }
    if (!take_relative_day(at, now_ms, &date)) {
        if (!(isdigit((unsigned char)*at) ? take_numeric_date(&at, &date)
                                          : take_written_date(&at, &date)) ||
            date.tm_year < YEAR_MIN - 1900 || date.tm_year > YEAR_MAX - 1900)
            return false;
        if (!take_character(&at, 'T'))
            take_gap(&at);
        if (*at && (!(length = take_time(&at, &date)) || *at))
            return false;
    }
    if (!local_ms(&date, &from))
        return false;
    struct tm next = date;
    next.tm_mday++;
    if (length)
        until = from + length;
    else
        local_ms(&next, &until);
    *ret_from = from;
    *ret_until = until;
    return true;
}
