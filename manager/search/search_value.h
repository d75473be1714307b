// Values as people write them, for fields that are no text. Pure: the time is an argument, the
// time zone is the process's.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// From the first to behind the last millisecond of what was said: a day, a minute, a second.
// today, yesterday, a day of the week (the last one, not today), 2024-01-31, 31.1.2024, 1/31/2024
// (month first, as oVirt reads it, unless only the other way is a date), Jan 31, 2024, 31 January
// 2024; with a time behind it: 14:30, 14:30:05, 2:30 PM; ISO 8601 with zone.
bool search_date_parse(const char *text, int64_t now_ms, int64_t *ret_from, int64_t *ret_until);
// "5" (days), "5.12:30", "12:30", "12:30:15", "90s", "30m", "12h", "5d" in seconds.
bool search_span_parse(const char *text, double *ret_seconds);
bool search_number_parse(const char *text, double *ret);
// A number, with a unit (KB, KiB, K, ... TB: all powers of 1024) in bytes and *ret_unit true.
bool search_size_parse(const char *text, double *ret, bool *ret_unit);
