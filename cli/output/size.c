#include "cli/output/size.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/memory.h"

static const char units[] = "KMGTPE";

// Bytes of one unit; 0 when the text is no unit. "", "B", "G", "GiB" are units; "GB" is not: it
// means 1000^3 to some people.
static double unit_parse(const char *text)
{
    if (!*text || !strcasecmp(text, "B"))
        return 1;
    const char *unit = strchr(units, *text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text);
    if (!unit || (text[1] && strcasecmp(text + 1, "iB")))
        return 0;
    return (double)(1LL << (10 * (unit - units + 1)));
}

bool size_parse(const char *text, int64_t *ret_bytes)
{
    size_t digits = strspn(text, "0123456789");
    if (!digits)
        return false;
    char *end;
    errno = 0;
    long long whole = strtoll(text, &end, 10);
    double fraction = 0;
    if (*end == '.') {
        size_t decimals = strspn(end + 1, "0123456789");
        if (!decimals || decimals > 9)
            return false;
        fraction = strtod(end, NULL); // ".5"
        end += 1 + decimals;
    }
    double unit = unit_parse(end);
    if (errno || unit == 0 || (double)whole * unit + fraction * unit >= 9.2e18)
        return false;
    *ret_bytes = whole * (int64_t)unit + (int64_t)llround(fraction * unit);
    return true;
}

char *size_format(int64_t bytes, char text[SIZE_TEXT])
{
    int unit = -1;
    double value = (double)bytes;
    while (fabs(value) >= 1023.95 && units[unit + 1]) {
        value /= 1024;
        unit++;
    }
    char letter[2] = {unit < 0 ? 0 : units[unit], 0};
    bool whole = fabs(value) >= 100 || fabs(value - round(value)) < 0.05;
    snprintf(text, SIZE_TEXT, whole ? "%.0f%s" : "%.1f%s", value, letter);
    return text;
}

bool duration_parse(const char *text, int64_t *ret_seconds)
{
    static const struct {
        const char *unit;
        int64_t seconds;
    } rows[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    if (!strspn(text, "0123456789"))
        return false;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    for (size_t i = 0; !errno && number <= INT32_MAX && i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].unit, end)) {
            *ret_seconds = number * rows[i].seconds;
            return true;
        }
    return false;
}

char *duration_format(int64_t seconds, char text[TIME_TEXT])
{
    long long left = seconds < 0 ? 0 : seconds;
    if (left >= 86400)
        snprintf(text, TIME_TEXT, "%lldd %lldh", left / 86400, left % 86400 / 3600);
    else if (left >= 3600)
        snprintf(text, TIME_TEXT, "%lldh %lldm", left / 3600, left % 3600 / 60);
    else if (left >= 60)
        snprintf(text, TIME_TEXT, "%lldm %llds", left / 60, left % 60);
    else
        snprintf(text, TIME_TEXT, "%llds", left);
    return text;
}

char *time_format(int64_t wall_ms, char text[TIME_TEXT])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    if (!localtime_r(&seconds, &parts) || !strftime(text, TIME_TEXT, "%Y-%m-%d %H:%M:%S", &parts))
        *text = 0;
    return text;
}
