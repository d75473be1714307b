#include "agent/vm/vm_stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/guest/guest_agent.h"
#include "agent/rpc/verbs.h"
#include "agent/vm/hypervisor.h"
#include "base/clock.h"
#include "base/log.h"

enum { SAMPLE_MIN_MS = 2000, DEVICES_MAX = 64 };

typedef struct NicSample {
    char name[24];
    uint64_t received, sent, receive_errors, send_errors, receive_dropped, send_dropped;
    double receive_rate, send_rate;
} NicSample;

typedef struct DiskSample {
    char name[24];
    uint64_t read_bytes, written_bytes, reads, writes, read_ns, write_ns, flushes, flush_ns;
    uint64_t allocation, capacity, physical;
    double read_rate, write_rate, read_ops, write_ops, read_latency, write_latency, flush_latency;
} DiskSample;

struct VmRates {
    int64_t taken_ms; // monotonic
    uint64_t cpu_ns, user_ns, system_ns;
    double cpu_user, cpu_system; // percent of one CPU
    bool with_rates;             // there was a sample before
    uint64_t swap_in, swap_out, major_faults, minor_faults;
    uint64_t balloon, balloon_max, unused, available, usable, disk_caches, rss;
    int vcpus;
    NicSample nics[DEVICES_MAX];
    DiskSample disks[DEVICES_MAX];
    int nic_count, disk_count;
};

void vm_rates_free(VmRates *rates)
{
    free(rates);
}

// ---- reading libvirt's typed parameters

static uint64_t stat_number(const virDomainStatsRecord *record, const char *name)
{
    for (int i = 0; i < record->nparams; i++) {
        const virTypedParameter *parameter = &record->params[i];
        if (strcmp(parameter->field, name))
            continue;
        switch (parameter->type) {
        case VIR_TYPED_PARAM_INT: return (uint64_t)parameter->value.i;
        case VIR_TYPED_PARAM_UINT: return parameter->value.ui;
        case VIR_TYPED_PARAM_LLONG: return (uint64_t)parameter->value.l;
        case VIR_TYPED_PARAM_ULLONG: return parameter->value.ul;
        default: return 0;
        }
    }
    return 0;
}

static uint64_t stat_indexed(const virDomainStatsRecord *record, const char *group, int index,
                             const char *name)
{
    char field[64];
    snprintf(field, sizeof(field), "%s.%d.%s", group, index, name);
    return stat_number(record, field);
}

static void stat_name(const virDomainStatsRecord *record, const char *group, int index,
                      char name[24])
{
    char field[64];
    snprintf(field, sizeof(field), "%s.%d.name", group, index);
    for (int i = 0; i < record->nparams; i++)
        if (!strcmp(record->params[i].field, field) &&
            record->params[i].type == VIR_TYPED_PARAM_STRING)
            snprintf(name, 24, "%s", record->params[i].value.s);
}

static double rate(uint64_t now, uint64_t before, double seconds)
{
    return now >= before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

static double latency(uint64_t ns, uint64_t ns_before, uint64_t count, uint64_t count_before)
{
    return count > count_before && ns >= ns_before
               ? (double)(ns - ns_before) / (double)(count - count_before)
               : 0;
}

static void sample_nic(const virDomainStatsRecord *record, int index, NicSample *nic,
                       const VmRates *before, double seconds)
{
    stat_name(record, "net", index, nic->name);
    nic->received = stat_indexed(record, "net", index, "rx.bytes");
    nic->sent = stat_indexed(record, "net", index, "tx.bytes");
    nic->receive_errors = stat_indexed(record, "net", index, "rx.errs");
    nic->send_errors = stat_indexed(record, "net", index, "tx.errs");
    nic->receive_dropped = stat_indexed(record, "net", index, "rx.drop");
    nic->send_dropped = stat_indexed(record, "net", index, "tx.drop");
    for (int i = 0; before && i < before->nic_count; i++)
        if (!strcmp(before->nics[i].name, nic->name)) {
            nic->receive_rate = rate(nic->received, before->nics[i].received, seconds);
            nic->send_rate = rate(nic->sent, before->nics[i].sent, seconds);
        }
}

static void sample_disk_rates(DiskSample *disk, const DiskSample *before, double seconds)
{
    disk->read_rate = rate(disk->read_bytes, before->read_bytes, seconds);
    disk->write_rate = rate(disk->written_bytes, before->written_bytes, seconds);
    disk->read_ops = rate(disk->reads, before->reads, seconds);
    disk->write_ops = rate(disk->writes, before->writes, seconds);
    disk->read_latency = latency(disk->read_ns, before->read_ns, disk->reads, before->reads);
    disk->write_latency = latency(disk->write_ns, before->write_ns, disk->writes, before->writes);
    disk->flush_latency = latency(disk->flush_ns, before->flush_ns, disk->flushes, before->flushes);
}

static void sample_disk(const virDomainStatsRecord *record, int index, DiskSample *disk,
                        const VmRates *before, double seconds)
{
    stat_name(record, "block", index, disk->name);
    disk->read_bytes = stat_indexed(record, "block", index, "rd.bytes");
    disk->written_bytes = stat_indexed(record, "block", index, "wr.bytes");
    disk->reads = stat_indexed(record, "block", index, "rd.reqs");
    disk->writes = stat_indexed(record, "block", index, "wr.reqs");
    disk->read_ns = stat_indexed(record, "block", index, "rd.times");
    disk->write_ns = stat_indexed(record, "block", index, "wr.times");
    disk->flushes = stat_indexed(record, "block", index, "fl.reqs");
    disk->flush_ns = stat_indexed(record, "block", index, "fl.times");
    disk->allocation = stat_indexed(record, "block", index, "allocation");
    disk->capacity = stat_indexed(record, "block", index, "capacity");
    disk->physical = stat_indexed(record, "block", index, "physical");
    for (int i = 0; before && i < before->disk_count; i++) {
        if (strcmp(before->disks[i].name, disk->name))
            continue;
        if (disk->physical || disk->capacity)
            sample_disk_rates(disk, &before->disks[i], seconds);
        else // QEMU was busy and left them out
            *disk = before->disks[i];
    }
}

static void sample_cpu(const virDomainStatsRecord *record, VmRates *now, const VmRates *before,
                       double seconds)
{
    now->cpu_ns = stat_number(record, "cpu.time");
    now->user_ns = stat_number(record, "cpu.user");
    now->system_ns = stat_number(record, "cpu.system");
    now->vcpus = (int)stat_number(record, "vcpu.current");
    if (!before)
        return;
    // libvirt's "user" and "system" are of the QEMU process; time is all of it.
    double total = rate(now->cpu_ns, before->cpu_ns, seconds) / 1e7;
    now->cpu_system = rate(now->system_ns, before->system_ns, seconds) / 1e7;
    now->cpu_user = total > now->cpu_system ? total - now->cpu_system : 0;
}

// A command waits for QEMU's answer, or its monitor is broken.
static bool monitor_is_silent(virDomainPtr domain, int seconds)
{
    virDomainControlInfo info;
    if (virDomainGetControlInfo(domain, &info, 0))
        return false;
    if (info.state == VIR_DOMAIN_CONTROL_ERROR)
        return info.details == VIR_DOMAIN_CONTROL_ERROR_REASON_MONITOR;
    return info.state == VIR_DOMAIN_CONTROL_OCCUPIED &&
           info.stateTime > (unsigned long long)seconds * 1000;
}

static VmRates *sample_domain(const virDomainStatsRecord *record, const VmRates *before)
{
    VmRates *now = NEW(VmRates);
    now->taken_ms = clock_monotonic_ms();
    double seconds = before ? (double)(now->taken_ms - before->taken_ms) / 1000 : 0;
    sample_cpu(record, now, before, seconds);
    now->balloon = stat_number(record, "balloon.current");
    now->balloon_max = stat_number(record, "balloon.maximum");
    now->unused = stat_number(record, "balloon.unused");
    now->available = stat_number(record, "balloon.available");
    now->usable = stat_number(record, "balloon.usable");
    now->disk_caches = stat_number(record, "balloon.disk_caches");
    now->rss = stat_number(record, "balloon.rss");
    now->swap_in = stat_number(record, "balloon.swap_in");
    now->swap_out = stat_number(record, "balloon.swap_out");
    now->major_faults = stat_number(record, "balloon.major_fault");
    now->minor_faults = stat_number(record, "balloon.minor_fault");
    now->with_rates = before != NULL;
    now->nic_count = (int)stat_number(record, "net.count");
    now->disk_count = (int)stat_number(record, "block.count");
    if (now->nic_count > DEVICES_MAX)
        now->nic_count = DEVICES_MAX;
    if (now->disk_count > DEVICES_MAX)
        now->disk_count = DEVICES_MAX;
    for (int i = 0; i < now->nic_count; i++)
        sample_nic(record, i, &now->nics[i], before, seconds);
    for (int i = 0; i < now->disk_count; i++)
        sample_disk(record, i, &now->disks[i], before, seconds);
    return now;
}

static void sample_take(Vms *vms, const virDomainStatsRecord *record)
{
    char id[VIR_UUID_STRING_BUFLEN];
    virDomainGetUUIDString(record->dom, id);
    Vm *vm = vms_get(vms, id);
    if (!vm)
        return;
    bool silent = monitor_is_silent(record->dom, vms_agent(vms)->config.monitor_seconds);
    vms_lock(vms);
    bool changed = vm->monitor_silent != silent;
    vm->monitor_silent = silent;
    VmRates *before = vm->rates;
    if (!before || clock_monotonic_ms() - before->taken_ms >= SAMPLE_MIN_MS) {
        vm->rates = sample_domain(record, before);
        vm_rates_free(before);
    }
    vms_unlock(vms);
    if (changed) {
        log_warn("vm.monitor", LOG_ID("vm", vm->id), "The QEMU of %s %s.", vm->name,
                 silent ? "does not answer" : "answers again");
        vm_announce(vm);
    }
    vm_unref(vm);
}

void vms_sample(Vms *vms)
{
    virDomainStatsRecordPtr *records = NULL;
    Hypervisor *hypervisor = vms_agent(vms)->hypervisor;
    virConnectPtr connection = hypervisor_take(hypervisor, NULL);
    if (!connection)
        return;
    unsigned wanted = VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_CPU_TOTAL |
                      VIR_DOMAIN_STATS_BALLOON | VIR_DOMAIN_STATS_VCPU |
                      VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_BLOCK;
    // NOWAIT: a guest whose monitor is busy or stuck is left out instead of holding up the others.
    int count = virConnectGetAllDomainStats(connection, wanted, &records,
                                            VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE |
                                                VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
    for (int i = 0; i < count; i++)
        sample_take(vms, records[i]);
    if (count >= 0)
        virDomainStatsRecordListFree(records);
    hypervisor_give(hypervisor, connection);
}

// ---- writing

static void write_nic(JsonWriter *writer, const NicSample *nic, const char *mac)
{
    json_key(writer, nic->name);
    json_open(writer, '{');
    json_add_string(writer, "name", nic->name);
    json_add_string(writer, "macAddr", mac ? mac : "");
    json_add_string(writer, "state", "unknown");
    json_add_string(writer, "speed", "1000");
    json_add_format(writer, "rx", "%llu", (unsigned long long)nic->received);
    json_add_format(writer, "tx", "%llu", (unsigned long long)nic->sent);
    json_add_format(writer, "rxRate", "%.1f", nic->receive_rate);
    json_add_format(writer, "txRate", "%.1f", nic->send_rate);
    json_add_format(writer, "rxErrors", "%llu", (unsigned long long)nic->receive_errors);
    json_add_format(writer, "txErrors", "%llu", (unsigned long long)nic->send_errors);
    json_add_format(writer, "rxDropped", "%llu", (unsigned long long)nic->receive_dropped);
    json_add_format(writer, "txDropped", "%llu", (unsigned long long)nic->send_dropped);
    json_add_decimal(writer, "sampleTime", (double)clock_monotonic_ms() / 1000);
    json_close(writer, '}');
}

static const char *live_text(const Xml *root, const char *element, const char *child,
                             const char *attribute, const char *value, const char *wanted,
                             const char *wanted_attribute)
{
    XML_EACH(xml_child(root, "devices"), device) {
        const char *own = xml_attribute(xml_child(device, child), attribute);
        if (strcmp(device->name, element) || !own || strcmp(own, value))
            continue;
        const Xml *found = xml_child(device, wanted);
        return found && wanted_attribute ? xml_attribute(found, wanted_attribute)
               : found                   ? found->text
                                         : NULL;
    }
    return NULL;
}

static void write_disk(JsonWriter *writer, const DiskSample *disk, const char *image)
{
    json_key(writer, disk->name);
    json_open(writer, '{');
    json_add_string(writer, "imageID", image ? image : "");
    // What QEMU calls actual size: "allocation" is the end of what was written.
    json_add_format(writer, "truesize", "%llu", (unsigned long long)disk->physical);
    json_add_format(writer, "apparentsize", "%llu",
                    (unsigned long long)(disk->physical ? disk->physical : disk->capacity));
    json_add_format(writer, "readRate", "%.1f", disk->read_rate);
    json_add_format(writer, "writeRate", "%.1f", disk->write_rate);
    json_add_format(writer, "readOps", "%llu", (unsigned long long)disk->reads);
    json_add_format(writer, "writeOps", "%llu", (unsigned long long)disk->writes);
    json_add_format(writer, "readBytes", "%llu", (unsigned long long)disk->read_bytes);
    json_add_format(writer, "writtenBytes", "%llu", (unsigned long long)disk->written_bytes);
    json_add_format(writer, "readLatency", "%.0f", disk->read_latency);
    json_add_format(writer, "writeLatency", "%.0f", disk->write_latency);
    json_add_format(writer, "flushLatency", "%.0f", disk->flush_latency);
    json_close(writer, '}');
}

static void write_balloon(JsonWriter *writer, const VmRates *rates)
{
    json_key(writer, "balloonInfo");
    json_open(writer, '{');
    json_add_format(writer, "balloon_max", "%llu", (unsigned long long)rates->balloon_max);
    json_add_string(writer, "balloon_min", "0");
    json_add_format(writer, "balloon_cur", "%llu", (unsigned long long)rates->balloon);
    json_add_format(writer, "balloon_target", "%llu", (unsigned long long)rates->balloon);
    json_close(writer, '}');
}

// Percent of the guest's memory in use, by the guest's own account when its driver tells.
static int memory_percent(const VmRates *rates)
{
    uint64_t total = rates->available ? rates->available : rates->balloon_max;
    uint64_t free_kib = rates->usable ? rates->usable : rates->unused;
    return rates->available && total ? (int)(100 - 100 * free_kib / total) : 0;
}

// Only what the guest's balloon driver tells.
static void write_memory(JsonWriter *writer, const VmRates *rates)
{
    const struct {
        const char *key;
        uint64_t value;
    } rows[] = {
        {"mem_total", rates->available},
        {"mem_free", rates->usable},
        {"mem_unused", rates->unused},
        {"mem_cached", rates->disk_caches},
        {"mem_buffers", 0},
        {"swap_in", rates->swap_in},
        {"swap_out", rates->swap_out},
        {"majflt", rates->major_faults},
        {"minflt", rates->minor_faults},
        {"pageflt", rates->major_faults + rates->minor_faults},
    };
    json_add_format(writer, "memUsage", "%d", memory_percent(rates));
    if (!rates->available)
        return;
    json_key(writer, "memoryStats");
    json_open(writer, '{');
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        json_add_format(writer, rows[i].key, "%llu", (unsigned long long)rows[i].value);
    json_close(writer, '}');
}

static void write_rates(JsonWriter *writer, const Vm *vm)
{
    AUTO_ARENA arena = {0};
    const VmRates *rates = vm->rates;
    Xml *root =
        vm->live_xml ? xml_parse(&arena, vm->live_xml, strlen(vm->live_xml), NULL, NULL) : NULL;
    json_add_format(writer, "cpuUser", "%.2f", rates->cpu_user);
    json_add_format(writer, "cpuSys", "%.2f", rates->cpu_system);
    json_add_bool(writer, "cpuActual", rates->with_rates);
    json_add_format(writer, "vcpuCount", "%d", rates->vcpus);
    write_memory(writer, rates);
    write_balloon(writer, rates);
    json_key(writer, "network");
    json_open(writer, '{');
    for (int i = 0; i < rates->nic_count; i++)
        write_nic(
            writer, &rates->nics[i],
            live_text(root, "interface", "target", "dev", rates->nics[i].name, "mac", "address"));
    json_close(writer, '}');
    json_key(writer, "disks");
    json_open(writer, '{');
    for (int i = 0; i < rates->disk_count; i++)
        write_disk(writer, &rates->disks[i],
                   live_text(root, "disk", "target", "dev", rates->disks[i].name, "serial", NULL));
    json_close(writer, '}');
}

void vm_write_stats(JsonWriter *writer, Vm *vm)
{
    vms_lock(vm->vms);
    json_open(writer, '{');
    vm_write_status(writer, vm);
    vm_write_status_time(writer);
    if (vm->status != VM_DOWN) {
        json_add_string(writer, "vmType", "kvm");
        if (vm->status != VM_PAUSED || !vm->pause_code)
            json_add_string(writer, "pauseCode", "NOERR");
        json_add_string(writer, "vmName", vm->name);
        json_add_string(writer, "acpiEnable", "true");
        json_add_string(writer, "kvmEnable",
                        hypervisor_accelerator(vms_agent(vm->vms)->hypervisor) == ACCELERATOR_KVM
                            ? "true"
                            : "false");
        if (vm->rates)
            write_rates(writer, vm);
        if (vm->watchdog_action) {
            json_key(writer, "watchdogEvent");
            json_open(writer, '{');
            json_add_integer(writer, "time", vm->watchdog_time);
            json_add_string(writer, "action", vm->watchdog_action);
            json_close(writer, '}');
        }
        vm_write_guest(writer, vm);
    }
    json_close(writer, '}');
    vms_unlock(vm->vms);
}

// ---- verbs

void host_get_all_vm_stats(Call *call)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    Vms *vms = call_agent(call)->vms;
    size_t count;
    vms_sample(vms);
    AUTO_FREE Vm **all = vms_all(vms, &count);
    json_open(&writer, '[');
    for (size_t i = 0; i < count; i++) {
        vm_write_stats(&writer, all[i]);
        vm_unref(all[i]);
    }
    json_close(&writer, ']');
    call_reply(call, &json);
}

void vm_get_stats(Call *call)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    Vm *vm = call_vm(call);
    if (!vm)
        return;
    vms_sample(vm->vms);
    json_open(&writer, '[');
    vm_write_stats(&writer, vm);
    json_close(&writer, ']');
    call_reply(call, &json);
    vm_unref(vm);
}
