#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t clock_read_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    return clock_read_ms(CLOCK_REALTIME);
}

int64_t clock_monotonic_ms(void)
{
    return clock_read_ms(CLOCK_MONOTONIC);
}

// Days to civil date and back: proleptic Gregorian, without the C library's zone and locale locks
// (a list of 10,000 VMs formats tens of thousands of dates).
static void clock_civil(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned doe = (unsigned)(days - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)((int64_t)yoe + era * 400 + (*month <= 2));
}

static int64_t clock_days(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    unsigned yoe = (unsigned)(y - era * 400);
    unsigned doy =
        (153 * (unsigned)(month > 2 ? month - 3 : month + 9) + 2) / 5 + (unsigned)day - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + (int64_t)doe - 719468;
}

static char *clock_put(char *at, unsigned number, int digits)
{
    for (int i = digits - 1; i >= 0; i--, number /= 10)
        at[i] = (char)('0' + number % 10);
    return at + digits;
}

char *clock_iso(int64_t wall_ms, char text[CLOCK_ISO_SIZE])
{
    static const int64_t first = -62167219200000, last = 253402300799999; // years 0 to 9999
    wall_ms = wall_ms < first ? first : wall_ms > last ? last : wall_ms;
    int64_t days = wall_ms / 86400000, rest = wall_ms % 86400000;
    if (rest < 0) {
        rest += 86400000;
        days--;
    }
    int year, month, day;
    clock_civil(days, &year, &month, &day);
    char *at = clock_put(text, (unsigned)year, 4);
    *at++ = '-';
    at = clock_put(at, (unsigned)month, 2);
    *at++ = '-';
    at = clock_put(at, (unsigned)day, 2);
    *at++ = 'T';
    at = clock_put(at, (unsigned)(rest / 3600000), 2);
    *at++ = ':';
    at = clock_put(at, (unsigned)(rest / 60000 % 60), 2);
    *at++ = ':';
    at = clock_put(at, (unsigned)(rest / 1000 % 60), 2);
    *at++ = '.';
    at = clock_put(at, (unsigned)(rest % 1000), 3);
    memcpy(at, "Z", 2);
    return text;
}

static bool clock_digits(const char **at, int digits, int *ret)
{
    int number = 0;
    for (int i = 0; i < digits; i++, (*at)++) {
        if (!isdigit((unsigned char)**at))
            return false;
        number = number * 10 + (**at - '0');
    }
    *ret = number;
    return true;
}

static bool clock_skip(const char **at, char wanted)
{
    if (**at != wanted)
        return false;
    (*at)++;
    return true;
}

static bool clock_fraction(const char **at, int *ret_ms)
{
    int scale = 100;
    *ret_ms = 0;
    if (!clock_skip(at, '.'))
        return true;
    const char *digits = *at;
    for (; isdigit((unsigned char)**at); (*at)++, scale /= 10)
        *ret_ms += (**at - '0') * scale;
    return *at != digits;
}

static bool clock_zone(const char **at, int *ret_minutes)
{
    int hours, minutes, sign = **at == '-' ? -1 : 1;
    *ret_minutes = 0;
    if (!strcmp(*at, "") || !strcmp(*at, "Z"))
        return true;
    if (**at != '+' && **at != '-')
        return false;
    (*at)++;
    if (!clock_digits(at, 2, &hours))
        return false;
    clock_skip(at, ':');
    if (!clock_digits(at, 2, &minutes) || **at || minutes > 59 || hours * 60 + minutes > 14 * 60)
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

static int clock_month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

bool clock_parse_iso(const char *text, int64_t *ret_wall_ms)
{
    int year, month, day, hour, minute, second, ms, zone;
    if (!clock_digits(&text, 4, &year) || !clock_skip(&text, '-') ||
        !clock_digits(&text, 2, &month) || !clock_skip(&text, '-') ||
        !clock_digits(&text, 2, &day) || !clock_skip(&text, 'T') ||
        !clock_digits(&text, 2, &hour) || !clock_skip(&text, ':') ||
        !clock_digits(&text, 2, &minute) || !clock_skip(&text, ':') ||
        !clock_digits(&text, 2, &second) || !clock_fraction(&text, &ms) ||
        !clock_zone(&text, &zone))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > clock_month_days(year, month) || hour > 24 ||
        minute > 59 || second > 60 || (hour == 24 && (minute || second || ms)))
        return false;
    int64_t seconds = clock_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    *ret_wall_ms = (seconds - (int64_t)zone * 60) * 1000 + ms;
    return true;
}
