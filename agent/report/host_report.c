// Host.getStats: loads from /proc, sampled every five seconds.
#include "agent/report/host_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <time.h>

#include "agent/network/host_network.h"
#include "agent/report/proc.h"
#include "agent/rpc/verbs.h"
#include "agent/storage/storage.h"
#include "agent/vm/vms.h"
#include "base/clock.h"

enum { SAMPLE_MS = 5000 };

typedef struct LoadSample {
    int64_t taken_ms; // monotonic, 0: none yet
    ProcCpu cpus[PROC_CPUS_MAX];
    int count;
    int64_t own_user_us, own_system_us; // of this process
} LoadSample;

struct HostReport {
    Agent *agent;
    uv_timer_t timer;
    uv_mutex_t lock; // guards the samples
    LoadSample now, before;
};

static int64_t microseconds(struct timeval time)
{
    return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

static void report_sample(uv_timer_t *timer)
{
    HostReport *report = timer->data;
    struct rusage own = {0};
    getrusage(RUSAGE_SELF, &own);
    uv_mutex_lock(&report->lock);
    report->before = report->now;
    report->now.count = proc_cpus(report->now.cpus);
    report->now.own_user_us = microseconds(own.ru_utime);
    report->now.own_system_us = microseconds(own.ru_stime);
    report->now.taken_ms = clock_monotonic_ms();
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

static void write_shares(JsonWriter *writer, const ProcCpu *now, const ProcCpu *before)
{
    uint64_t total = now->total - before->total;
    double idle = before->total ? share(now->idle, before->idle, total) : 100;
    json_add_format(writer, "cpuUser", "%.2f", share(now->user, before->user, total));
    json_add_format(writer, "cpuSys", "%.2f", share(now->system, before->system, total));
    json_add_format(writer, "cpuIdle", "%.2f", idle);
}

static const ProcCpu *sample_find(const LoadSample *sample, int number)
{
    static const ProcCpu none = {0};
    for (int i = 0; i < sample->count; i++)
        if (sample->cpus[i].number == number)
            return &sample->cpus[i];
    return &none;
}

static void write_each_cpu(JsonWriter *writer, const LoadSample *now, const LoadSample *before)
{
    char key[16];
    json_key(writer, "cpuStatistics");
    json_open(writer, '{');
    for (int i = 1; i < now->count; i++) {
        snprintf(key, sizeof(key), "%d", now->cpus[i].number);
        json_key(writer, key);
        json_open(writer, '{');
        write_shares(writer, &now->cpus[i], sample_find(before, now->cpus[i].number));
        json_add_integer(writer, "nodeIndex", 0);
        json_close(writer, '}');
    }
    json_close(writer, '}');
}

static void write_cpu(JsonWriter *writer, HostReport *report)
{
    uv_mutex_lock(&report->lock);
    const LoadSample *now = &report->now, *before = &report->before;
    double ms = before->taken_ms ? (double)(now->taken_ms - before->taken_ms) : 0;
    double user = ms > 0 ? (double)(now->own_user_us - before->own_user_us) / ms / 10 : 0;
    double system = ms > 0 ? (double)(now->own_system_us - before->own_system_us) / ms / 10 : 0;
    write_shares(writer, sample_find(now, -1), sample_find(before, -1));
    write_each_cpu(writer, now, before);
    uv_mutex_unlock(&report->lock);
    json_add_format(writer, "cpuUserVdsmd", "%.2f", user); // percent of one CPU
    json_add_format(writer, "cpuSysVdsmd", "%.2f", system);
    json_add_format(writer, "cpuLoad", "%.2f", proc_load());
}

static void write_nodes(JsonWriter *writer, int64_t available_kib, int64_t used_percent)
{
    json_key(writer, "numaNodeMemFree");
    json_open(writer, '{');
    json_key(writer, "0");
    json_open(writer, '{');
    json_add_format(writer, "memFree", "%lld", (long long)available_kib / 1024);
    json_add_integer(writer, "memPercent", used_percent);
    json_key(writer, "hugepages");
    json_open(writer, '{');
    json_close(writer, '}');
    json_close(writer, '}');
    json_close(writer, '}');
}

static void write_memory(JsonWriter *writer)
{
    int64_t total = proc_memory("MemTotal"), available = proc_memory("MemAvailable");
    int64_t used_percent = total ? 100 - 100 * available / total : 0;
    json_add_integer(writer, "memFree", available / 1024);
    json_add_format(writer, "memCommitted", "%lld", (long long)(total - available) / 1024);
    json_add_integer(writer, "memAvailable", available / 1024);
    json_add_format(writer, "memUsed", "%lld", (long long)used_percent);
    write_nodes(writer, available, used_percent);
    json_add_integer(writer, "memShared", proc_ksm("pages_sharing") * 4 / 1024);
    json_add_integer(writer, "swapTotal", proc_memory("SwapTotal") / 1024);
    json_add_integer(writer, "swapFree", proc_memory("SwapFree") / 1024);
    json_add_bool(writer, "ksmState", proc_ksm("run") == 1);
    json_add_integer(writer, "ksmPages", proc_ksm("pages_to_scan"));
    json_add_bool(writer, "ksmMergeAcrossNodes", proc_ksm("merge_across_nodes") == 1);
    json_add_integer(writer, "ksmCpu", 0);
    json_add_format(writer, "anonHugePages", "%lld",
                    (long long)proc_memory("AnonHugePages") / 1024);
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

// The manager never runs as a guest of its own hosts.
static void write_engine_host(JsonWriter *writer)
{
    json_key(writer, "haStats");
    json_open(writer, '{');
    json_add_bool(writer, "configured", false);
    json_add_bool(writer, "active", false);
    json_add_integer(writer, "score", 0);
    json_add_bool(writer, "globalMaintenance", false);
    json_add_bool(writer, "localMaintenance", false);
    json_close(writer, '}');
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
    json_add_string(&writer, "netConfigDirty", "False");
    json_add_string(&writer, "momStatus", "inactive");
    write_engine_host(&writer);
    host_network_write_stats(&writer);
    storage_add_domain_stats(agent->storage, &writer);
    json_close(&writer, '}');
    call_reply(call, &json);
}
