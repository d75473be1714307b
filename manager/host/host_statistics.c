// What a host's own report says, as statistics.
#include <stddef.h>
#include <string.h>

#include "manager/inventory/state.h"
#include "manager/rest/statistics.h"

typedef struct HostFigures {
    double memory_total, memory_used, memory_free, memory_shared;
    double swap_total, swap_free, swap_used;
    double ksm, user, system, idle, load, boot;
} HostFigures;

#define ROW(name, text, unit, type, member)                                                     \
    {                                                                                           \
        name, text, API_STATISTIC_KIND_GAUGE, API_STATISTIC_UNIT_##unit, API_VALUE_TYPE_##type, \
            offsetof(HostFigures, member)                                                       \
    }

static const StatisticRow host_rows[] = {
    ROW("memory.total", "Total memory", BYTES, INTEGER, memory_total),
    ROW("memory.used", "Used memory", BYTES, INTEGER, memory_used),
    ROW("memory.free", "Free memory", BYTES, INTEGER, memory_free),
    ROW("memory.shared", "Shared memory", BYTES, INTEGER, memory_shared),
    ROW("swap.total", "Total swap", BYTES, INTEGER, swap_total),
    ROW("swap.free", "Free swap", BYTES, INTEGER, swap_free),
    ROW("swap.used", "Used swap", BYTES, INTEGER, swap_used),
    ROW("ksm.cpu.current", "CPU time spent on merging memory pages", PERCENT, DECIMAL, ksm),
    ROW("cpu.current.user", "CPU time of programs", PERCENT, DECIMAL, user),
    ROW("cpu.current.system", "CPU time of the kernel", PERCENT, DECIMAL, system),
    ROW("cpu.current.idle", "CPU time with nothing to do", PERCENT, DECIMAL, idle),
    ROW("cpu.load.avg.5m", "CPU load, average of five minutes", PERCENT, DECIMAL, load),
    ROW("boot.time", "When the host was started, seconds since 1970", NONE, INTEGER, boot),
};
#undef ROW

static HostFigures figures_of(const HostState *state)
{
    return (HostFigures){
        .memory_total = (double)state->memory_total,
        .memory_used = (double)(state->memory_total - state->memory_free),
        .memory_free = (double)state->memory_free,
        .memory_shared = (double)state->memory_shared,
        .swap_total = (double)state->swap_total,
        .swap_free = (double)state->swap_free,
        .swap_used = (double)(state->swap_total - state->swap_free),
        .user = state->cpu_user,
        .system = state->cpu_system,
        .idle = state->cpu_idle,
        .load = state->cpu_load,
        .boot = (double)(state->boot_time_ms / 1000),
    };
}

int host_statistics(Request *request, Items *items)
{
    Entity *host = request_entity(request, 0, KIND_HOST);
    if (!host)
        return fail_to_errno(request->why.code);
    HostFigures figures = figures_of(host_state(host));
    statistics_add(request, items, host_rows, COUNT_OF(host_rows), &figures, host->id);
    return 0;
}

// The report knows interfaces by name; the API by an id made from it.
int host_nic_statistics(Request *request, Items *items)
{
    Entity *host = request_entity(request, 0, KIND_HOST);
    const char *id = request_id(request, 1);
    if (!host)
        return fail_to_errno(request->why.code);
    const HostState *state = host_state(host);
    const ApiHost *hardware = state->hardware ? state->hardware->object : NULL;
    for (uint32_t i = 0; hardware && i < hardware->nics.count; i++) {
        const ApiHostNic *nic = hardware->nics.items[i];
        if (strcmp(nic->id, id))
            continue;
        statistics_add_nic(request, items, nic_rates_find(state->nics, state->nic_count, nic->name),
                           id);
        return 0;
    }
    return fail_set(&request->why, FAIL_NOT_FOUND, "Host %s has no network interface %s.",
                    entity_name(host), id);
}
