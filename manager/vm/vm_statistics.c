// What hosts and guests report of VMs, their interfaces and their disks, as statistics.
#include <stddef.h>
#include <string.h>

#include "manager/rest/statistics.h"

#define ROW(name, text, kind, unit, type, figures, member)                                       \
    {                                                                                            \
        name, text, API_STATISTIC_KIND_##kind, API_STATISTIC_UNIT_##unit, API_VALUE_TYPE_##type, \
            offsetof(figures, member)                                                            \
    }

// ---- VMs

typedef struct VmFigures {
    double memory_installed, memory_used, memory_free, memory_buffered, memory_cached,
        memory_unused;
    double cpu_guest, cpu_hypervisor, cpu_total, network, migration, elapsed;
} VmFigures;

#define VM_ROW(name, text, kind, unit, type, member) \
    ROW(name, text, kind, unit, type, VmFigures, member)

static const StatisticRow vm_rows[] = {
    VM_ROW("memory.installed", "Total memory configured", GAUGE, BYTES, INTEGER, memory_installed),
    VM_ROW("memory.used", "Memory used (agent)", GAUGE, BYTES, INTEGER, memory_used),
    VM_ROW("memory.free", "Memory free (agent)", GAUGE, BYTES, INTEGER, memory_free),
    VM_ROW("memory.buffered", "Memory buffered (agent)", GAUGE, BYTES, INTEGER, memory_buffered),
    VM_ROW("memory.cached", "Memory cached (agent)", GAUGE, BYTES, INTEGER, memory_cached),
    VM_ROW("memory.unused", "Memory not touched (agent)", GAUGE, BYTES, INTEGER, memory_unused),
    VM_ROW("cpu.current.guest", "CPU used by the guest", GAUGE, PERCENT, DECIMAL, cpu_guest),
    VM_ROW("cpu.current.hypervisor", "CPU used for the guest by its host", GAUGE, PERCENT, DECIMAL,
           cpu_hypervisor),
    VM_ROW("cpu.current.total", "CPU used in all", GAUGE, PERCENT, DECIMAL, cpu_total),
    VM_ROW("network.current.total", "Share of the network's capacity", GAUGE, PERCENT, DECIMAL,
           network),
    VM_ROW("migration.progress", "Progress of a migration", GAUGE, PERCENT, DECIMAL, migration),
    VM_ROW("elapsed.time", "Time since it was started", COUNTER, SECONDS, INTEGER, elapsed),
};

static const StatisticRow usage_row = {"disks.usage",
                                       "File systems of the guest (agent)",
                                       API_STATISTIC_KIND_GAUGE,
                                       API_STATISTIC_UNIT_NONE,
                                       API_VALUE_TYPE_STRING,
                                       0};

static VmFigures figures_of(const Entity *vm)
{
    const VmState *state = vm_state(vm);
    double installed = (double)(state->memory_installed ? state->memory_installed
                                                        : ENTITY_OBJECT(vm, Vm)->memory.value);
    return (VmFigures){
        .memory_installed = installed,
        .memory_used = (double)state->memory_used,
        .memory_free = (double)state->memory_free,
        .memory_buffered = (double)state->memory_buffered,
        .memory_cached = (double)state->memory_cached,
        .memory_unused = (double)state->memory_free,
        .cpu_guest = state->cpu_guest,
        .cpu_hypervisor = state->cpu_hypervisor,
        .cpu_total = state->cpu_total,
        .network = state->network_percent,
        .elapsed = (double)state->elapsed_s,
    };
}

int vm_statistics(Request *request, Items *items)
{
    Entity *vm = request_entity(request, 0, KIND_VM);
    if (!vm)
        return fail_to_errno(request->why.code);
    VmFigures figures = figures_of(vm);
    const char *usage = vm_state(vm)->disk_usage;
    statistics_add(request, items, vm_rows, COUNT_OF(vm_rows), &figures, vm->id);
    statistics_add_text(request, items, &usage_row, usage ? usage : "[]", vm->id);
    return 0;
}

// ---- network interfaces

static const ApiNic *nic_find(const ApiVm *vm, const char *id)
{
    for (uint32_t i = 0; i < vm->nics.count; i++)
        if (!strcmp(vm->nics.items[i]->id, id))
            return vm->nics.items[i];
    return NULL;
}

int vm_nic_statistics(Request *request, Items *items)
{
    Entity *vm = request_entity(request, 0, KIND_VM);
    const char *id = request_id(request, 1);
    if (!vm)
        return fail_to_errno(request->why.code);
    const ApiNic *nic = nic_find(ENTITY_OBJECT(vm, Vm), id);
    if (!nic)
        return fail_set(&request->why, FAIL_NOT_FOUND, "VM %s has no network interface %s.",
                        entity_name(vm), id);
    const VmState *state = vm_state(vm);
    const NicRates *rates = NULL;
    for (int i = 0; i < state->nic_count && nic->mac; i++)
        if (state->nics[i].mac && !strcmp(state->nics[i].mac, nic->mac->address))
            rates = &state->nics[i];
    statistics_add_nic(request, items, rates, id);
    return 0;
}

// ---- disks: told by the VM they are attached to

#define DISK_ROW(name, text, kind, unit, member) \
    ROW(name, text, kind, unit, DECIMAL, VmDiskStats, member)

static const StatisticRow disk_rows[] = {
    DISK_ROW("data.current.read", "Read data rate", GAUGE, BYTES_PER_SECOND, read_rate),
    DISK_ROW("data.current.write", "Write data rate", GAUGE, BYTES_PER_SECOND, write_rate),
    DISK_ROW("data.current.read_ops", "Read operations", COUNTER, NONE, read_ops),
    DISK_ROW("data.current.write_ops", "Write operations", COUNTER, NONE, write_ops),
    DISK_ROW("disk.read.latency", "Read latency", GAUGE, SECONDS, read_latency),
    DISK_ROW("disk.write.latency", "Write latency", GAUGE, SECONDS, write_latency),
    DISK_ROW("disk.flush.latency", "Flush latency", GAUGE, SECONDS, flush_latency),
};

static VmDiskStats stats_of(const Inventory *inventory, const char *disk)
{
    const Array *vms = inventory_disk_vms(inventory, disk);
    for (size_t i = 0; vms && i < vms->count; i++) {
        const VmState *state = vm_state(vms->items[i]);
        for (int k = 0; k < state->disk_count; k++)
            if (!strcmp(state->disks[k].disk, disk))
                return state->disks[k];
    }
    return (VmDiskStats){0};
}

int disk_statistics(Request *request, Items *items)
{
    Entity *disk = request_entity(request, 0, KIND_DISK);
    if (!disk)
        return fail_to_errno(request->why.code);
    VmDiskStats stats = stats_of(request->manager->inventory, disk->id);
    statistics_add(request, items, disk_rows, COUNT_OF(disk_rows), &stats, disk->id);
    return 0;
}
