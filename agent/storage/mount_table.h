// What is mounted where.
#pragma once

#include <stdbool.h>

// True when the kernel's table (text of /proc/self/mountinfo) has a mount at exactly `target`.
bool mount_table_has(const char *table, const char *target);
// Asks the kernel; a path is not followed and nothing on the mount is touched.
bool mount_is_target(const char *target);
