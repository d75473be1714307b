// Time. Wall time is milliseconds since 1970 UTC and goes to users and stores; monotonic time is
// milliseconds since some start and is for deadlines.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { CLOCK_ISO_SIZE = 40 };

int64_t clock_wall_ms(void);
int64_t clock_monotonic_ms(void);

// "2026-11-22T03:09:00.123Z" into the caller's buffer, which is returned. Moments before the year 0
// or behind 9999 become the first or the last of these.
char *clock_iso(int64_t wall_ms, char text[CLOCK_ISO_SIZE]);
// Accepts what xs:dateTime allows: fraction and zone are optional (none means UTC).
bool clock_parse_iso(const char *text, int64_t *ret_wall_ms);
