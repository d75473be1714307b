// Figures of the running system from /proc and /sys. Any thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct ProcCpu {
    int number;                         // -1: all together
    uint64_t user, system, idle, total; // clock ticks since boot
} ProcCpu;

enum { PROC_CPUS_MAX = 1025 };

// All together first, then those that are online. Returns how many.
int proc_cpus(ProcCpu list[PROC_CPUS_MAX]);
double proc_load(void);                // average of one minute
int64_t proc_memory(const char *name); // KiB out of /proc/meminfo, 0 when missing
int64_t proc_ksm(const char *name);    // a file of /sys/kernel/mm/ksm, 0 when missing
int64_t proc_boot_time(void);          // seconds since 1970
char *proc_boot_id(void);              // the caller frees
// First line of a file without its end, "" when it can't be read; the caller frees.
char *proc_line(const char *path);
