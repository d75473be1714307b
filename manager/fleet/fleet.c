#include "manager/fleet/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "manager/fleet/reports.h"
#include "manager/operations/operation.h"
#include "manager/storage/pool.h"
#include "proto/vdsm.h"

enum { TICK_MS = 1000, CAPABILITIES_RETRY_MS = 2000, CAPABILITIES_EVERY_MS = 300000 };

// One per host, beside its state.
typedef struct Monitor {
    Fleet *fleet;
    Entity *host; // a reference
    List node;
    bool asking;              // a call of the current step is under way
    bool capable, pool_ready; // steps of coming up that are done with this connection
    int64_t next_stats_ms, next_vms_ms, next_capabilities_ms, retry_ms;
    int64_t recovering_ms; // since when its agent serves no verb, 0: it does
    uint64_t turn;         // grows with every connection: answers of older ones are dropped
} Monitor;

struct Fleet {
    Manager *manager;
    List monitors;
    Map by_host; // id -> Monitor
    uv_timer_t tick;
    bool stopping;
};

typedef struct MonitorCall {
    Fleet *fleet;
    char host[UUID_SIZE];
    uint64_t turn;
} MonitorCall;

// ---- helpers

Entity *cluster_data_center(const Manager *manager, const char *cluster)
{
    Entity *entity = inventory_get(manager->inventory, KIND_CLUSTER, cluster);
    const ApiCluster *object = entity ? ENTITY_OBJECT(entity, Cluster) : NULL;
    return object && object->data_center
               ? inventory_get(manager->inventory, KIND_DATA_CENTER, object->data_center->id)
               : NULL;
}

Entity *host_data_center(const Manager *manager, const Entity *host)
{
    const ApiHost *object = ENTITY_OBJECT(host, Host);
    return object->cluster ? cluster_data_center(manager, object->cluster->id) : NULL;
}

static bool host_usable(const Entity *host)
{
    const HostState *state = host_state(host);
    return state->status == API_HOST_STATUS_UP && host_link_is_open(state->link);
}

Entity *fleet_host_of_data_center(Manager *manager, const Entity *data_center)
{
    Entity *spm = data_center_state(data_center)->spm;
    if (spm && host_usable(spm))
        return spm;
    INVENTORY_EACH(manager->inventory, KIND_HOST, host)
        if (host_usable(host) && host_data_center(manager, host) == data_center)
            return host;
    return NULL;
}

bool fleet_host_returns(const Entity *host)
{
    ApiHostStatus status = host_state(host)->status;
    return host_state(host)->link &&
           (status == API_HOST_STATUS_CONNECTING || status == API_HOST_STATUS_INITIALIZING ||
            status == API_HOST_STATUS_UNASSIGNED);
}

bool fleet_hosts_return(Manager *manager, const Entity *data_center)
{
    INVENTORY_EACH(manager->inventory, KIND_HOST, host)
        if (host_data_center(manager, host) == data_center && fleet_host_returns(host))
            return true;
    return false;
}

void fleet_explain_no_host(Manager *manager, const Entity *data_center, Fail *why)
{
    AUTO_STRBUF text = {0};
    INVENTORY_EACH(manager->inventory, KIND_HOST, host) {
        const HostState *state = host_state(host);
        if (host_data_center(manager, host) != data_center)
            continue;
        strbuf_addf(&text, "%shost %s is %s", text.length ? ", " : "", entity_name(host),
                    api_enum_name(&api_enum_host_status, state->status));
        if (state->status_reason)
            strbuf_addf(&text, " (%s)", state->status_reason);
    }
    fail_detail(why, "%s", text.length ? text.data : "the data center has no hosts");
    fail_hint(why, "Bring a host of data center %s up", entity_name(data_center));
}

Entity *fleet_storage_manager(Manager *manager, const Entity *data_center, Fail *why)
{
    Entity *spm = data_center_state(data_center)->spm;
    if (spm && host_usable(spm))
        return spm;
    fail_set(why, FAIL_NO_HOST, "No host manages the storage of data center %s right now.",
             entity_name(data_center));
    fleet_explain_no_host(manager, data_center, why);
    return NULL;
}

// ---- status

static void host_set_status(Manager *manager, Entity *host, ApiHostStatus status,
                            const char *reason)
{
    HostState *state = host_state(host);
    bool changed = state->status != status;
    (void)manager;
    free(state->status_reason);
    state->status_reason = memory_string(reason);
    state->status = status;
    if (changed)
        log_info("host.status", LOG_ID("host", host->id), "Host %s is %s%s%s", entity_name(host),
                 api_enum_name(&api_enum_host_status, status), reason ? ": " : ".",
                 reason ? reason : "");
}

static bool host_wanted_up(const Entity *host)
{
    return ENTITY_OBJECT(host, Host)->wanted != API_HOST_STATUS_MAINTENANCE;
}

// ---- asking

static MonitorCall *monitor_call_new(Monitor *monitor)
{
    MonitorCall *call = NEW(MonitorCall);
    call->fleet = monitor->fleet;
    call->turn = monitor->turn;
    memcpy(call->host, monitor->host->id, UUID_SIZE);
    return call;
}

// The monitor, unless it has gone or its connection was replaced. Frees the call.
static Monitor *monitor_call_end(MonitorCall *call)
{
    Monitor *monitor = map_get(&call->fleet->by_host, call->host);
    bool current = monitor && monitor->turn == call->turn && !call->fleet->stopping;
    free(call);
    return current ? monitor : NULL;
}

static void monitor_ask(Monitor *monitor, const char *method, HostReply reply)
{
    StrBuf params = {0};
    host_call_entity(monitor->fleet->manager, monitor->host, method, &params, HOST_CALL_MS, reply,
                     monitor_call_new(monitor));
}

// Reached, but without its VMs: its agent has just begun, or its libvirt does not answer.
static void monitor_recovering(Monitor *monitor, const Fail *why)
{
    Manager *manager = monitor->fleet->manager;
    ApiHostStatus before = host_state(monitor->host)->status;
    int64_t now = clock_monotonic_ms();
    EventFacts facts = {.host = monitor->host, .detail = why->detail};
    if (!monitor->recovering_ms)
        monitor->recovering_ms = now;
    monitor->capable = monitor->pool_ready = false;
    monitor->retry_ms = now + CAPABILITIES_RETRY_MS;
    if (now - monitor->recovering_ms < (int64_t)manager->config.host_recovery_seconds * 1000) {
        if (before == API_HOST_STATUS_UP)
            event_write(manager, NULL, EVENT_VDS_INITIALIZING, &facts);
        if (before != API_HOST_STATUS_NON_OPERATIONAL)
            host_set_status(manager, monitor->host, API_HOST_STATUS_INITIALIZING, why->detail);
        return;
    }
    host_set_status(manager, monitor->host, API_HOST_STATUS_NON_OPERATIONAL, why->detail);
    if (before != API_HOST_STATUS_NON_OPERATIONAL)
        event_write(manager, NULL, EVENT_VDS_RECOVER_FAILED, &facts);
}

static bool monitor_refused(Monitor *monitor, const Fail *why, int code)
{
    if (code == VDSM_RECOVERY_IN_PROGRESS)
        monitor_recovering(monitor, why);
    else if (!fail_is_set(why))
        monitor->recovering_ms = 0;
    return fail_is_set(why);
}

static void got_host_stats(const Json *result, const Fail *why, int code, void *argument)
{
    Monitor *monitor = monitor_call_end(argument);
    if (monitor && !monitor_refused(monitor, why, code))
        report_host_stats(monitor->fleet->manager, monitor->host, result);
}

static void got_vm_stats(const Json *result, const Fail *why, int code, void *argument)
{
    Monitor *monitor = monitor_call_end(argument);
    if (monitor && !monitor_refused(monitor, why, code))
        report_vm_stats(monitor->fleet->manager, monitor->host, result);
}

static void got_vm_xml(const Json *result, const Fail *why, int code, void *argument)
{
    Monitor *monitor = monitor_call_end(argument);
    (void)code;
    if (!monitor)
        return;
    if (fail_is_set(why))
        report_vm_xml_lost(monitor->host);
    else
        report_vm_xml(monitor->fleet->manager, result);
}

static void monitor_poll(Monitor *monitor, int64_t now)
{
    int64_t period = (int64_t)monitor->fleet->manager->config.host_poll_seconds * 1000;
    if (now >= monitor->next_vms_ms) {
        monitor->next_vms_ms = now + period;
        monitor_ask(monitor, "Host.getAllVmStats", got_vm_stats);
    }
    if (now >= monitor->next_stats_ms) {
        monitor->next_stats_ms = now + period;
        monitor_ask(monitor, "Host.getStats", got_host_stats);
    }
}

// ---- coming up: capabilities, then storage, then up

static void got_hardware(const Json *result, const Fail *why, int code, void *argument)
{
    Monitor *monitor = monitor_call_end(argument);
    (void)code;
    if (monitor && !fail_is_set(why))
        report_hardware(monitor->host, result);
}

static void fleet_tick_soon(Fleet *fleet);

static void got_capabilities(const Json *result, const Fail *why, int code, void *argument)
{
    Monitor *monitor = monitor_call_end(argument);
    if (!monitor)
        return;
    Manager *manager = monitor->fleet->manager;
    monitor->asking = false;
    monitor->retry_ms = clock_monotonic_ms() + CAPABILITIES_RETRY_MS;
    if (monitor_refused(monitor, why, code))
        return;
    monitor->retry_ms = 0;
    report_capabilities(manager, monitor->host, result);
    monitor->capable = true;
    monitor->next_capabilities_ms = clock_monotonic_ms() + CAPABILITIES_EVERY_MS;
    fleet_tick_soon(monitor->fleet);
}

static void monitor_came_up(Monitor *monitor)
{
    Manager *manager = monitor->fleet->manager;
    HostState *state = host_state(monitor->host);
    EventFacts facts = {.host = monitor->host};
    if (state->status == API_HOST_STATUS_UP)
        return;
    host_set_status(manager, monitor->host, API_HOST_STATUS_UP, NULL);
    event_write(manager, NULL, EVENT_VDS_DETECTED, &facts);
    if (!state->accelerated) {
        facts.detail = state->accelerator_reason;
        event_write(manager, NULL, EVENT_VDS_RUN_IN_NO_KVM_MODE, &facts);
    }
    monitor->next_stats_ms = monitor->next_vms_ms = 0;
    fleet_tick_soon(monitor->fleet);
}

static void pool_connected(const Fail *why, void *argument)
{
    Monitor *monitor = monitor_call_end(argument);
    if (!monitor)
        return;
    Manager *manager = monitor->fleet->manager;
    monitor->asking = false;
    if (fail_is_set(why)) {
        AUTO_FREE char *text = fail_text(why);
        ApiHostStatus before = host_state(monitor->host)->status;
        monitor->retry_ms = clock_monotonic_ms() + 10000;
        host_set_status(manager, monitor->host, API_HOST_STATUS_NON_OPERATIONAL, text);
        if (before != API_HOST_STATUS_NON_OPERATIONAL)
            event_write(manager, NULL, EVENT_VDS_SET_NONOPERATIONAL,
                        &(EventFacts){.host = monitor->host, .detail = text});
        return;
    }
    monitor->pool_ready = true;
    monitor_came_up(monitor);
}

static void monitor_come_up(Monitor *monitor, int64_t now)
{
    Manager *manager = monitor->fleet->manager;
    if (monitor->asking || now < monitor->retry_ms)
        return;
    monitor->asking = true;
    if (!monitor->capable) {
        monitor_ask(monitor, "Host.getCapabilities", got_capabilities);
        monitor_ask(monitor, "Host.getHardwareInfo", got_hardware);
        return;
    }
    if (host_state(monitor->host)->status != API_HOST_STATUS_NON_OPERATIONAL)
        host_set_status(manager, monitor->host, API_HOST_STATUS_INITIALIZING, NULL);
    pool_connect_host(manager, monitor->host, pool_connected, monitor_call_new(monitor));
}

// ---- going to maintenance

static void pool_disconnected(const Fail *why, void *argument)
{
    Monitor *monitor = monitor_call_end(argument);
    if (!monitor)
        return;
    Manager *manager = monitor->fleet->manager;
    monitor->asking = false;
    if (fail_is_set(why)) {
        AUTO_FREE char *text = fail_text(why);
        monitor->retry_ms = clock_monotonic_ms() + 5000;
        host_set_status(manager, monitor->host, API_HOST_STATUS_PREPARING_FOR_MAINTENANCE, text);
        return;
    }
    monitor->pool_ready = false;
    host_set_status(manager, monitor->host, API_HOST_STATUS_MAINTENANCE, NULL);
    event_write(manager, NULL, EVENT_VDS_MAINTENANCE, &(EventFacts){.host = monitor->host});
}

static void monitor_go_down(Monitor *monitor, int64_t now)
{
    Manager *manager = monitor->fleet->manager;
    HostState *state = host_state(monitor->host);
    if (state->status == API_HOST_STATUS_MAINTENANCE || monitor->asking || now < monitor->retry_ms)
        return;
    if (!list_empty(&state->vms)) {
        host_set_status(manager, monitor->host, API_HOST_STATUS_PREPARING_FOR_MAINTENANCE,
                        "VMs are still running on it");
        return;
    }
    host_set_status(manager, monitor->host, API_HOST_STATUS_PREPARING_FOR_MAINTENANCE, NULL);
    monitor->asking = true;
    pool_disconnect_host(manager, monitor->host, pool_disconnected, monitor_call_new(monitor));
}

// ---- silence

static void monitor_check_silence(Monitor *monitor, int64_t now)
{
    Manager *manager = monitor->fleet->manager;
    HostState *state = host_state(monitor->host);
    const char *name = entity_name(monitor->host);
    int64_t silent = state->silent_since_ms ? now - state->silent_since_ms : 0;
    if (!silent || silent < (int64_t)manager->config.host_grace_seconds * 1000 ||
        state->status == API_HOST_STATUS_NON_RESPONSIVE)
        return;
    if (state->status == API_HOST_STATUS_MAINTENANCE)
        return; // it may be switched off
    AUTO_FREE char *detail =
        memory_format("It has not answered for %lld s.", (long long)silent / 1000);
    log_warn("host.lost", LOG_ID("host", monitor->host->id), "Host %s is non-responsive.", name);
    host_set_status(manager, monitor->host, API_HOST_STATUS_NON_RESPONSIVE, detail);
    event_write(manager, NULL, EVENT_VDS_FAILURE,
                &(EventFacts){.host = monitor->host, .detail = detail});
    report_host_lost(manager, monitor->host);
}

static void monitor_tick(Monitor *monitor)
{
    int64_t now = clock_monotonic_ms();
    HostState *state = host_state(monitor->host);
    if (!host_link_is_open(state->link)) {
        monitor_check_silence(monitor, now);
        return;
    }
    if (!monitor->capable || now >= monitor->next_capabilities_ms) {
        monitor->capable = monitor->capable && now < monitor->next_capabilities_ms;
        monitor_come_up(monitor, now);
    } else if (host_wanted_up(monitor->host)) {
        if (!monitor->pool_ready)
            monitor_come_up(monitor, now);
    } else
        monitor_go_down(monitor, now);
    if (monitor->capable || state->status == API_HOST_STATUS_UP)
        monitor_poll(monitor, now);
}

static void fleet_tick(uv_timer_t *timer)
{
    Fleet *fleet = timer->data;
    LIST_EACH(&fleet->monitors, Monitor, node, monitor)
        monitor_tick(monitor);
    pools_tick(fleet->manager);
}

// What has just been heard lets the next thing happen: not only at the next turn.
static void fleet_tick_soon(Fleet *fleet)
{
    if (!fleet->stopping)
        uv_timer_start(&fleet->tick, fleet_tick, 0, TICK_MS);
}

// ---- connections

static void host_opened(HostLink *link, Entity *host)
{
    HostState *state = host_state(host);
    Fleet *fleet = state->fleet;
    (void)link;
    state->silent_since_ms = 0;
    Monitor *monitor = fleet ? map_get(&fleet->by_host, host->id) : NULL;
    if (!monitor)
        return;
    monitor->turn++;
    report_vm_xml_lost(host); // an answer may have gone with the last connection
    monitor->asking = monitor->capable = monitor->pool_ready = false;
    monitor->retry_ms = monitor->next_vms_ms = monitor->next_stats_ms = 0;
    monitor_tick(monitor);
}

static void host_closed(HostLink *link, Entity *host, const Fail *why)
{
    (void)link;
    HostState *state = host_state(host);
    Fleet *fleet = host_state(host)->fleet;
    if (!fleet)
        return;
    Manager *manager = fleet->manager;
    if (!state->silent_since_ms)
        state->silent_since_ms = clock_monotonic_ms();
    AUTO_FREE char *text = fail_text(why);
    bool was_up = state->status == API_HOST_STATUS_UP ||
                  state->status == API_HOST_STATUS_INITIALIZING ||
                  state->status == API_HOST_STATUS_NON_OPERATIONAL;
    if (was_up) {
        host_set_status(manager, host, API_HOST_STATUS_CONNECTING, text);
        event_write(manager, NULL, EVENT_VDS_HOST_NOT_RESPONDING_CONNECTING,
                    &(EventFacts){.host = host, .detail = text});
    } else if (!state->status_reason || state->status == API_HOST_STATUS_UNASSIGNED ||
               state->status == API_HOST_STATUS_INSTALLING) {
        free(state->status_reason);
        state->status_reason = memory_string(text);
    }
    pool_host_lost(manager, host);
}

static void host_event(HostLink *link, Entity *host, const char *method, const Json *params)
{
    Fleet *fleet = host_state(host)->fleet;
    (void)link;
    if (!fleet || !params || params->kind != JSON_OBJECT)
        return;
    int64_t time = json_get_integer(params, "notify_time", 0);
    if (strstr(method, "|VM_status|"))
        JSON_EACH(params, member)
            if (member->kind == JSON_OBJECT)
                report_vm_event(fleet->manager, host, member->key, member, time);
}

static const HostLinkHandlers fleet_handlers = {
    .opened = host_opened,
    .closed = host_closed,
    .event = host_event,
};

// ---- monitors

static void monitor_start(Fleet *fleet, Entity *host)
{
    HostState *state = host_state(host);
    Monitor *monitor = NEW(Monitor);
    monitor->fleet = fleet;
    monitor->host = entity_ref(host);
    list_append(&fleet->monitors, &monitor->node);
    map_put(&fleet->by_host, monitor->host->id, monitor);
    state->fleet = fleet;
    if (!state->status)
        state->status = !host_wanted_up(host) ? API_HOST_STATUS_MAINTENANCE
                        : ENTITY_OBJECT(host, Host)->enrolled == API_TRUE
                            ? API_HOST_STATUS_UNASSIGNED
                            : API_HOST_STATUS_INSTALLING;
    state->silent_since_ms = clock_monotonic_ms();
    if (ENTITY_OBJECT(host, Host)->enrolled == API_TRUE)
        state->link = host_link_new(fleet->manager, host, &fleet_handlers);
}

static void monitor_stop(Fleet *fleet, Monitor *monitor)
{
    HostState *state = host_state(monitor->host);
    host_link_close(TAKE(state->link));
    state->fleet = NULL;
    list_remove(&monitor->node);
    map_remove(&fleet->by_host, monitor->host->id);
    entity_unref(monitor->host);
    free(monitor);
}

Fleet *fleet_new(Manager *manager)
{
    Fleet *fleet = NEW(Fleet);
    fleet->manager = manager;
    list_init(&fleet->monitors);
    uv_timer_init(manager->loop, &fleet->tick);
    fleet->tick.data = fleet;
    return fleet;
}

// A VM is where it was, until its host says what has become of it.
static void vms_take_places(Manager *manager)
{
    INVENTORY_EACH(manager->inventory, KIND_VM, vm) {
        const ApiHost *place = ENTITY_OBJECT(vm, Vm)->host;
        Entity *host = place ? inventory_get(manager->inventory, KIND_HOST, place->id) : NULL;
        if (!host)
            continue;
        vm_state_set_host(vm, host);
        vm_state(vm)->status = API_VM_STATUS_UNKNOWN;
    }
}

void fleet_start(Fleet *fleet)
{
    vms_take_places(fleet->manager);
    INVENTORY_EACH(fleet->manager->inventory, KIND_HOST, host)
        monitor_start(fleet, host);
    uv_timer_start(&fleet->tick, fleet_tick, 0, TICK_MS);
}

static void fleet_closed(uv_handle_t *handle)
{
    Fleet *fleet = handle->data;
    map_done(&fleet->by_host);
    free(fleet);
}

void fleet_stop(Fleet *fleet)
{
    if (!fleet)
        return;
    fleet->stopping = true;
    LIST_EACH(&fleet->monitors, Monitor, node, monitor)
        monitor_stop(fleet, monitor);
    uv_close((uv_handle_t *)&fleet->tick, fleet_closed);
}

void fleet_host_changed(Manager *manager, Entity *host)
{
    Fleet *fleet = manager->fleet;
    Monitor *monitor = map_get(&fleet->by_host, host->id);
    if (!monitor) {
        monitor_start(fleet, host);
        return;
    }
    HostState *state = host_state(host);
    const ApiHost *object = ENTITY_OBJECT(host, Host);
    if (object->enrolled == API_TRUE && !state->link)
        state->link = host_link_new(manager, host, &fleet_handlers);
    monitor->retry_ms = 0;
    if (host_wanted_up(host) && state->status == API_HOST_STATUS_MAINTENANCE)
        host_set_status(manager, host, API_HOST_STATUS_UNASSIGNED, NULL);
    if (!host_wanted_up(host) && state->status != API_HOST_STATUS_MAINTENANCE &&
        !host_link_is_open(state->link) && list_empty(&state->vms))
        host_set_status(manager, host, API_HOST_STATUS_MAINTENANCE, NULL);
    monitor_tick(monitor);
}

void fleet_host_removed(Manager *manager, Entity *host)
{
    Monitor *monitor = map_get(&manager->fleet->by_host, host->id);
    pool_host_lost(manager, host);
    if (monitor)
        monitor_stop(manager->fleet, monitor);
}

void fleet_refresh(Manager *manager, Entity *host)
{
    Monitor *monitor = host ? map_get(&manager->fleet->by_host, host->id) : NULL;
    if (monitor)
        monitor->next_vms_ms = monitor->next_stats_ms = 0;
}

void fleet_ask_xml(Manager *manager, Entity *host, StrBuf *params)
{
    Monitor *monitor = map_get(&manager->fleet->by_host, host->id);
    if (monitor)
        host_call_entity(manager, host, "Host.dumpxmls", params, HOST_CALL_MS, got_vm_xml,
                         monitor_call_new(monitor));
}

void fleet_recheck(Manager *manager, Entity *host)
{
    Monitor *monitor = map_get(&manager->fleet->by_host, host->id);
    if (monitor)
        monitor->next_capabilities_ms = 0;
}
