#include "scheduler/schedule.h"

#include <stdio.h>
#include <string.h>

#define MIB (INT64_C(1) << 20)

typedef bool Filter(const ScheduleVm *vm, const ScheduleHost *host, ScheduleVerdict *verdict);

static bool refuse(ScheduleVerdict *verdict, const char *text)
{
    snprintf(verdict->reason, sizeof(verdict->reason), "%s", text);
    return false;
}

static bool filter_cluster(const ScheduleVm *vm, const ScheduleHost *host, ScheduleVerdict *verdict)
{
    return !strcmp(vm->cluster, host->cluster) || refuse(verdict, "it belongs to another cluster");
}

static bool filter_status(const ScheduleVm *vm, const ScheduleHost *host, ScheduleVerdict *verdict)
{
    (void)vm;
    if (host->up)
        return true;
    snprintf(verdict->reason, sizeof(verdict->reason), "its status is %s", host->status);
    return false;
}

static bool filter_pinned(const ScheduleVm *vm, const ScheduleHost *host, ScheduleVerdict *verdict)
{
    if (!vm->pinned || !vm->pinned[0])
        return true;
    for (const char *const *id = vm->pinned; *id; id++)
        if (!strcmp(*id, host->id))
            return true;
    return refuse(verdict, "the VM is pinned to other hosts");
}

static bool filter_cpus(const ScheduleVm *vm, const ScheduleHost *host, ScheduleVerdict *verdict)
{
    if (vm->vcpus <= host->cpus)
        return true;
    snprintf(verdict->reason, sizeof(verdict->reason), "the VM has %d CPUs, the host %d", vm->vcpus,
             host->cpus);
    return false;
}

static bool filter_memory(const ScheduleVm *vm, const ScheduleHost *host, ScheduleVerdict *verdict)
{
    int percent = vm->overcommit_percent > 0 ? vm->overcommit_percent : 100;
    int64_t usable = host->memory_total * percent / 100 - SCHEDULE_HOST_RESERVE_MIB * MIB;
    int64_t need = vm->memory_guaranteed + SCHEDULE_VM_OVERHEAD_MIB * MIB;
    int64_t left = usable - host->memory_committed;
    if (need > left)
        snprintf(verdict->reason, sizeof(verdict->reason),
                 "the VM needs %lld MiB, %lld MiB are left to give away", (long long)(need / MIB),
                 (long long)((left > 0 ? left : 0) / MIB));
    else if (host->memory_free >= 0 && vm->memory_guaranteed > host->memory_free)
        snprintf(verdict->reason, sizeof(verdict->reason),
                 "the VM needs %lld MiB at once, %lld MiB are free",
                 (long long)(vm->memory_guaranteed / MIB), (long long)(host->memory_free / MIB));
    else
        return true;
    return false;
}

static bool filter_networks(const ScheduleVm *vm, const ScheduleHost *host,
                            ScheduleVerdict *verdict)
{
    for (const char *const *need = vm->networks; need && *need; need++) {
        const char *const *have = host->networks;
        while (have && *have && strcmp(*have, *need))
            have++;
        if (have && *have)
            continue;
        snprintf(verdict->reason, sizeof(verdict->reason), "it lacks the network %.64s", *need);
        return false;
    }
    return true;
}

// The cheap and general ones first: their reasons help most.
static Filter *const filters[] = {
    filter_cluster, filter_status, filter_pinned, filter_cpus, filter_networks, filter_memory,
};

// Per mille of memory and of CPUs that would be given away: the emptiest host wins.
static int64_t weigh(const ScheduleVm *vm, const ScheduleHost *host)
{
    int64_t memory = host->memory_total ? (host->memory_committed + vm->memory_guaranteed) * 1000 /
                                              host->memory_total
                                        : 1000;
    int64_t cpus = host->cpus ? (int64_t)(host->vcpus + vm->vcpus) * 1000 / host->cpus : 1000;
    return memory + 2 * cpus;
}

int schedule(const ScheduleVm *vm, const ScheduleHost *hosts, int count, ScheduleVerdict *verdicts)
{
    int best = -1;
    for (int i = 0; i < count; i++) {
        ScheduleVerdict *verdict = &verdicts[i];
        *verdict = (ScheduleVerdict){.possible = true};
        for (size_t f = 0; verdict->possible && f < COUNT_OF(filters); f++)
            verdict->possible = filters[f](vm, &hosts[i], verdict);
        if (!verdict->possible)
            continue;
        verdict->weight = weigh(vm, &hosts[i]);
        if (best < 0 || verdict->weight < verdicts[best].weight)
            best = i;
    }
    return best;
}
