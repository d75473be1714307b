// Sizes and times as people write and read them. Units are powers of 1024.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { SIZE_TEXT = 32, TIME_TEXT = 64 };

// "10G", "512M", "1.5T", "10GiB", "4096" (bytes). False when it is none, or beyond 2^63.
bool size_parse(const char *text, int64_t *ret_bytes);
// "10G", "1.5G", "0": at most four digits, into the caller's buffer, which is returned.
char *size_format(int64_t bytes, char text[SIZE_TEXT]);
// Seconds as "90", or with a unit: "90s", "15m", "2h", "1d".
bool duration_parse(const char *text, int64_t *ret_seconds);
// "3d 4h", "15m 2s", "8s".
char *duration_format(int64_t seconds, char text[TIME_TEXT]);
// "2026-11-22 03:09:00" in the user's time zone.
char *time_format(int64_t wall_ms, char text[TIME_TEXT]);
