// Where a VM may run, and where it should: a pure function over a snapshot. No I/O, no clock.
//
// Filters say no, with a reason; weights order who is left. The same result answers "why not
// there".
#pragma once

#include "base/memory.h"

typedef struct ScheduleHost {
    const char *id, *name, *cluster;
    bool up;
    const char *status;          // for the reason when it is not up
    int64_t memory_total;        // bytes
    int64_t memory_committed;    // guaranteed memory of what runs or starts there, with overhead
    int64_t memory_free;         // bytes the host says are available, -1 unknown
    int cpus;                    // logical
    int vcpus;                   // of the VMs that run there
    const char *const *networks; // names of bridges, NULL-terminated
} ScheduleHost;

typedef struct ScheduleVm {
    const char *cluster;
    int64_t memory, memory_guaranteed; // bytes
    int vcpus;
    const char *const *pinned;   // ids of the only hosts it may run on, NULL-terminated, or NULL
    const char *const *networks; // bridges it needs, NULL-terminated
    int overcommit_percent;      // of the cluster, 100 means none
} ScheduleVm;

typedef struct ScheduleVerdict {
    bool possible;
    char reason[200]; // when not possible: one sentence
    int64_t weight;   // lower is better
} ScheduleVerdict;

enum {
    SCHEDULE_VM_OVERHEAD_MIB = 65,   // QEMU itself
    SCHEDULE_HOST_RESERVE_MIB = 321, // the host's own
};

// Judges every host; `verdicts` has room for `count`. Returns the index of the best, -1 for none.
int schedule(const ScheduleVm *vm, const ScheduleHost *hosts, int count, ScheduleVerdict *verdicts);
