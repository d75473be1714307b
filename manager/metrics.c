#include "manager/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "manager/identity/identity.h"
#include "manager/inventory/state.h"
#include "manager/operations/operation.h"

typedef double MetricValue(const Manager *manager);

static double metric_hosts(const Manager *manager)
{
    return (double)inventory_count(manager->inventory, KIND_HOST);
}

static double metric_hosts_up(const Manager *manager)
{
    double count = 0;
    INVENTORY_EACH(manager->inventory, KIND_HOST, host)
    count += host_state(host)->status == API_HOST_STATUS_UP;
    return count;
}

static double metric_vms(const Manager *manager)
{
    return (double)inventory_count(manager->inventory, KIND_VM);
}

static double metric_vms_running(const Manager *manager)
{
    double count = 0;
    INVENTORY_EACH(manager->inventory, KIND_VM, vm)
    count += vm_state(vm)->host != NULL;
    return count;
}

static double metric_disks(const Manager *manager)
{
    return (double)inventory_count(manager->inventory, KIND_DISK);
}

static double metric_operations(const Manager *manager)
{
    return operations_running(manager->operations);
}

static double metric_changes(const Manager *manager)
{
    return (double)store_stats(manager->store).changes;
}

static double metric_commits(const Manager *manager)
{
    return (double)store_stats(manager->store).commits;
}

static double metric_connections(const Manager *manager)
{
    return http_server_connections(manager->http);
}

static double metric_events(const Manager *manager)
{
    return (double)event_log_count(manager->events);
}

static double metric_sessions(const Manager *manager)
{
    return (double)inventory_count(manager->inventory, KIND_SESSION);
}

static double metric_uptime(const Manager *manager)
{
    return (double)(clock_monotonic_ms() - manager->start_ms) / 1000;
}

static double metric_memory(const Manager *manager)
{
    unsigned long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    (void)manager;
    if (!file)
        return 0;
    if (fscanf(file, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return (double)resident * 4096;
}

// To add one: a row here.
static const struct {
    const char *name, *type, *text;
    MetricValue *value;
} metric_rows[] = {
    {"vireo_hosts", "gauge", "Hosts in the inventory.", metric_hosts},
    {"vireo_hosts_up", "gauge", "Hosts that are up.", metric_hosts_up},
    {"vireo_vms", "gauge", "Virtual machines in the inventory.", metric_vms},
    {"vireo_vms_running", "gauge", "Virtual machines that run on a host.", metric_vms_running},
    {"vireo_disks", "gauge", "Disks in the inventory.", metric_disks},
    {"vireo_operations_running", "gauge", "Operations under way.", metric_operations},
    {"vireo_events", "gauge", "Events kept in memory.", metric_events},
    {"vireo_sessions", "gauge", "Login tokens that exist.", metric_sessions},
    {"vireo_http_connections", "gauge", "Open client connections.", metric_connections},
    {"vireo_store_changes_total", "counter", "Changes given to the store.", metric_changes},
    {"vireo_store_commits_total", "counter", "Transactions of the store.", metric_commits},
    {"vireo_uptime_seconds", "counter", "Time since the manager's start.", metric_uptime},
    {"process_resident_memory_bytes", "gauge", "Resident memory.", metric_memory},
};

static void metrics_reply(Manager *manager, Http *http)
{
    AUTO_STRBUF text = {0};
    for (size_t i = 0; i < COUNT_OF(metric_rows); i++) {
        const char *name = metric_rows[i].name;
        strbuf_addf(&text, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, metric_rows[i].text,
                    name, metric_rows[i].type, name, metric_rows[i].value(manager));
    }
    http_compress(http);
    http_reply(http, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.length);
}

typedef struct MetricsRequest {
    Manager *manager;
    Http *http;
} MetricsRequest;

static void metrics_identified(const User *user, const Fail *why, void *argument)
{
    MetricsRequest *request = argument;
    static const char refusal[] = "Metrics need the login of an administrator.\n";
    if (!fail_is_set(why) && user->role && user->role->administrative)
        metrics_reply(request->manager, request->http);
    else {
        http_add_header(request->http, "WWW-Authenticate", "Basic realm=\"Vireo\"");
        http_reply(request->http, fail_is_set(why) ? 401 : 403, "text/plain", refusal,
                   sizeof(refusal) - 1);
    }
    free(request);
}

void metrics_handle(Manager *manager, Http *http, const char *rest)
{
    const char *peer = http_peer(http);
    (void)rest;
    if (!strcmp(peer, "127.0.0.1") || !strcmp(peer, "::1")) {
        metrics_reply(manager, http);
        return;
    }
    MetricsRequest *request = NEW(MetricsRequest);
    *request = (MetricsRequest){manager, http};
    identity_of_http(manager->identity, http, NULL, metrics_identified, request);
}
