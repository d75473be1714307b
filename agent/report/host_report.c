// Host.getStats: loads from /proc, sampled every five seconds.
#include "agent/report/host_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "agent/network/host_network.h"
#include "agent/report/proc.h"
#include "agent/rpc/verbs.h"
#include "agent/storage/storage.h"
#include "agent/vm/vms.h"
#include "base/clock.h"

enum { SAMPLE_MS = 5000 };

struct HostReport {
    Agent *agent;
    uv_timer_t timer;
    uv_mutex_t lock; // guards the samples
    ProcCpu cpu, cpu_before;
};

static void report_sample(uv_timer_t *timer)
{
    HostReport *report = timer->data;
    ProcCpu now;
    if (!proc_cpu(&now))
        return;
    uv_mutex_lock(&report->lock);
    report->cpu_before = report->cpu;
    report->cpu = now;
    uv_mutex_unlock(&report->lock);
}

HostReport *host_report_new(Agent *agent)
{
    HostReport *report = NEW(HostReport);
    report->agent = agent;
    uv_mutex_init(&report->lock);
    uv_timer_init(agent->loop, &report->timer);
    report->timer.data = report;
    uv_timer_start(&report->timer, report_sample, 0, SAMPLE_MS);
    return report;
}

void host_report_stop(HostReport *report)
{
    uv_close((uv_handle_t *)&report->timer, NULL);
}

static double share(uint64_t now, uint64_t before, uint64_t total)
{
    return total && now >= before ? 100.0 * (double)(now - before) / (double)total : 0;
}

static void write_cpu(JsonWriter *writer, HostReport *report)
{
    uv_mutex_lock(&report->lock);
    ProcCpu now = report->cpu, before = report->cpu_before;
    uv_mutex_unlock(&report->lock);
    uint64_t total = now.total - before.total;
    double idle = before.total ? share(now.idle, before.idle, total) : 100;
    json_add_format(writer, "cpuUser", "%.2f", share(now.user, before.user, total));
    json_add_format(writer, "cpuSys", "%.2f", share(now.system, before.system, total));
    json_add_format(writer, "cpuIdle", "%.2f", idle);
    json_add_format(writer, "cpuLoad", "%.2f", proc_load());
}

static void write_memory(JsonWriter *writer)
{
    int64_t total = proc_memory("MemTotal"), available = proc_memory("MemAvailable");
    json_add_format(writer, "memFree", "%lld", (long long)available / 1024);
    json_add_format(writer, "memCommitted", "%lld", (long long)(total - available) / 1024);
    json_add_integer(writer, "memAvailable", available / 1024);
    json_add_integer(writer, "memUsed", total ? 100 - 100 * available / total : 0);
    json_add_integer(writer, "memShared", proc_ksm("pages_sharing") * 4 / 1024);
    json_add_integer(writer, "swapTotal", proc_memory("SwapTotal") / 1024);
    json_add_integer(writer, "swapFree", proc_memory("SwapFree") / 1024);
    json_add_bool(writer, "ksmState", proc_ksm("run") == 1);
    json_add_integer(writer, "ksmPages", proc_ksm("pages_to_scan"));
    json_add_bool(writer, "ksmMergeAcrossNodes", proc_ksm("merge_across_nodes") == 1);
    json_add_integer(writer, "ksmCpu", 0);
    json_add_format(writer, "anonHugePages", "%lld", (long long)proc_memory("AnonHugePages") / 1024);
    json_add_string(writer, "thpState", "always");
}

static void write_vms(JsonWriter *writer, Agent *agent)
{
    size_t count;
    int active = 0, running = 0;
    AUTO_FREE Vm **all = vms_all(agent->vms, &count);
    for (size_t i = 0; i < count; i++) {
        active += all[i]->status != VM_DOWN;
        running += all[i]->status == VM_UP || all[i]->status == VM_POWERING_UP;
        vm_unref(all[i]);
    }
    json_add_integer(writer, "vmCount", active);
    json_add_integer(writer, "vmActive", running);
    json_add_integer(writer, "vmMigrating", 0);
    json_add_integer(writer, "incomingVmMigrations", 0);
    json_add_integer(writer, "outgoingVmMigrations", 0);
}

static void write_disk_space(JsonWriter *writer, const Agent *agent)
{
    const char *paths[] = {"/tmp", "/var/log", agent->config.state_directory};
    json_key(writer, "diskStats");
    json_open(writer, '{');
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct statvfs space;
        if (statvfs(paths[i], &space))
            continue;
        json_key(writer, paths[i]);
        json_open(writer, '{');
        json_add_format(writer, "free", "%llu",
                        (unsigned long long)space.f_bavail * space.f_frsize / 1048576);
        json_close(writer, '}');
    }
    json_close(writer, '}');
}

static void write_time(JsonWriter *writer)
{
    char text[40];
    time_t now = time(NULL);
    struct tm broken;
    gmtime_r(&now, &broken);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S GMT", &broken);
    json_add_string(writer, "dateTime", text);
    json_add_format(writer, "bootTime", "%lld", (long long)proc_boot_time());
    json_add_format(writer, "elapsedTime", "%lld", (long long)clock_monotonic_ms() / 1000);
}

void host_get_stats(Call *call)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    Agent *agent = call_agent(call);
    json_open(&writer, '{');
    write_cpu(&writer, agent->report);
    write_memory(&writer);
    write_vms(&writer, agent);
    write_disk_space(&writer, agent);
    write_time(&writer);
    json_add_bool(&writer, "netConfigDirty", false);
    json_add_string(&writer, "momStatus", "inactive");
    json_key(&writer, "network");
    host_network_write_stats(&writer);
    storage_add_domain_stats(agent->storage, &writer);
    json_close(&writer, '}');
    call_reply(call, &json);
}
