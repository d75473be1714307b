// What hosts tell of VMs: states, statistics, guests.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "manager/disk/disk.h"
#include "manager/fleet/reports.h"
#include "manager/operations/operation.h"
#include "manager/vm/vm_end.h"

static const struct {
    const char *text;
    ApiVmStatus status;
} status_rows[] = {
    {"WaitForLaunch", API_VM_STATUS_WAIT_FOR_LAUNCH},
    {"Powering up", API_VM_STATUS_POWERING_UP},
    {"Up", API_VM_STATUS_UP},
    {"Paused", API_VM_STATUS_PAUSED},
    {"Powering down", API_VM_STATUS_POWERING_DOWN},
    {"RebootInProgress", API_VM_STATUS_REBOOT_IN_PROGRESS},
    {"Migration Source", API_VM_STATUS_MIGRATING},
    {"Migration Destination", API_VM_STATUS_MIGRATING},
    {"Saving State", API_VM_STATUS_SAVING_STATE},
    {"Restoring state", API_VM_STATUS_RESTORING_STATE},
    {"Down", API_VM_STATUS_DOWN},
};

static ApiVmStatus status_of(const char *text)
{
    for (size_t i = 0; text && i < COUNT_OF(status_rows); i++)
        if (!strcmp(status_rows[i].text, text))
            return status_rows[i].status;
    return API_VM_STATUS_UNKNOWN;
}

static void set_text(char **text, const char *value)
{
    if (*text == value || (*text && value && !strcmp(*text, value)))
        return;
    free(*text);
    *text = memory_string(value);
}

// ---- displays, guest, rates

static void take_displays(VmState *state, const Json *list)
{
    if (!list || list->kind != JSON_ARRAY)
        return;
    state->spice_port = state->spice_tls_port = state->vnc_port = 0;
    JSON_EACH(list, display) {
        const char *type = json_get_string(display, "type");
        int port = (int)json_get_integer(display, "port", -1);
        int tls = (int)json_get_integer(display, "tlsPort", -1);
        if (type && !strcmp(type, "spice")) {
            state->spice_port = port > 0 ? port : 0;
            state->spice_tls_port = tls > 0 ? tls : 0;
        } else if (type && !strcmp(type, "vnc"))
            state->vnc_port = port > 0 ? port : 0;
        set_text(&state->display_address, json_get_string(display, "ipAddress"));
    }
}

static char **take_addresses(const Json *inet, const Json *inet6, int *ret_count)
{
    int count = 0;
    size_t room = (inet ? inet->count : 0) + (inet6 ? inet6->count : 0);
    char **list = NEW_ARRAY(char *, room);
    JSON_EACH(inet, address)
        if (json_string(address))
            list[count++] = memory_string(json_string(address));
    JSON_EACH(inet6, address)
        if (json_string(address))
            list[count++] = memory_string(json_string(address));
    *ret_count = count;
    return list;
}

static char *json_copy(const Json *value)
{
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    if (!value)
        return NULL;
    json_put(&writer, value);
    return strbuf_take(&text);
}

static void take_guest(VmState *state, const Json *vm)
{
    const Json *nics = json_get(vm, "netIfaces"), *os = json_get(vm, "guestOsInfo");
    const Json *zone = json_get(vm, "guestTimezone");
    const char *name = json_get_string(vm, "guestFQDN");
    if ((!name || !*name) && !nics)
        return; // the agent has not spoken yet; what was known stays
    vm_state_forget_guest(state);
    set_text(&state->fqdn, json_get_string(vm, "guestFQDN"));
    set_text(&state->guest_ip, json_get_string(vm, "guestIPs"));
    set_text(&state->sessions, json_get_string(vm, "username"));
    set_text(&state->os_family, json_get_string(os, "type"));
    set_text(&state->os_distribution, json_get_string(os, "distribution"));
    set_text(&state->os_version, json_get_string(os, "version"));
    set_text(&state->os_kernel, json_get_string(os, "kernel"));
    set_text(&state->os_codename, json_get_string(os, "codename"));
    set_text(&state->os_architecture, json_get_string(os, "arch"));
    set_text(&state->time_zone, json_get_string(zone, "zone"));
    state->time_zone_offset = (int)json_get_integer(zone, "offset", 0);
    state->guest_nics = NEW_ARRAY(GuestNic, nics ? nics->count : 0);
    JSON_EACH(nics, one) {
        GuestNic *nic = &state->guest_nics[state->guest_nic_count++];
        nic->name = memory_string(json_get_string(one, "name"));
        nic->mac = memory_string(json_get_string(one, "hw"));
        nic->addresses =
            take_addresses(json_get(one, "inet"), json_get(one, "inet6"), &nic->address_count);
    }
    state->disk_mapping = json_copy(json_get(vm, "diskMapping"));
    state->disk_usage = json_copy(json_get(vm, "disksUsage"));
    state->agent_seen = true;
    state->agent_seen_ms = clock_monotonic_ms();
}

static void take_nics(VmState *state, const Json *network)
{
    if (!network)
        return;
    int count = 0;
    NicRates *fresh = NEW_ARRAY(NicRates, network->count);
    JSON_EACH(network, one) {
        NicRates *nic = &fresh[count++];
        nic->name = memory_string(one->key);
        nic->mac = memory_string(json_get_string(one, "macAddr"));
        nic->received = (uint64_t)json_get_integer(one, "rx", 0);
        nic->sent = (uint64_t)json_get_integer(one, "tx", 0);
        nic->receive_rate = json_get_decimal(one, "rxRate", 0);
        nic->send_rate = json_get_decimal(one, "txRate", 0);
        nic->speed = json_get_integer(one, "speed", 1000) * 1000000;
        nic->up = true;
    }
    nic_rates_free(state->nics, state->nic_count);
    state->nics = fresh;
    state->nic_count = count;
}

static void take_disks(Manager *manager, VmState *state, const Json *disks)
{
    if (!disks)
        return;
    for (int i = 0; i < state->disk_count; i++)
        free(state->disks[i].disk);
    free(state->disks);
    state->disks = NEW_ARRAY(VmDiskStats, disks->count);
    state->disk_count = 0;
    JSON_EACH(disks, one) {
        const char *image = json_get_string(one, "imageID");
        if (!image || !*image)
            continue;
        disk_observe_size(manager, image, json_get_integer(one, "truesize", 0));
        state->disks[state->disk_count++] = (VmDiskStats){
            .disk = memory_string(image),
            .read_rate = json_get_decimal(one, "readRate", 0),
            .write_rate = json_get_decimal(one, "writeRate", 0),
            .read_latency = json_get_decimal(one, "readLatency", 0) / 1e9,
            .write_latency = json_get_decimal(one, "writeLatency", 0) / 1e9,
            .flush_latency = json_get_decimal(one, "flushLatency", 0) / 1e9,
            .read_ops = json_get_decimal(one, "readOps", 0),
            .write_ops = json_get_decimal(one, "writeOps", 0),
            .actual_size = json_get_integer(one, "truesize", 0),
            .apparent_size = json_get_integer(one, "apparentsize", 0),
        };
    }
}

static void take_rates(Manager *manager, const Entity *entity, const Json *vm)
{
    VmState *state = vm_state(entity);
    const Json *memory = json_get(vm, "memoryStats"), *balloon = json_get(vm, "balloonInfo");
    if (!json_get(vm, "cpuUser"))
        return;
    state->cpu_guest = json_get_decimal(vm, "cpuUser", 0);
    state->cpu_hypervisor = json_get_decimal(vm, "cpuSys", 0);
    state->cpu_total = round((state->cpu_guest + state->cpu_hypervisor) * 100) / 100;
    state->memory_percent = json_get_decimal(vm, "memUsage", 0);
    state->memory_free = json_get_integer(memory, "mem_free", 0) * 1024;
    state->memory_cached = json_get_integer(memory, "mem_cached", 0) * 1024;
    state->memory_buffered = json_get_integer(memory, "mem_buffers", 0) * 1024;
    int64_t installed = json_get_integer(balloon, "balloon_cur", 0) * 1024;
    state->memory_installed = installed ? installed : ENTITY_OBJECT(entity, Vm)->memory.value;
    state->memory_used = (int64_t)((double)state->memory_installed * state->memory_percent / 100);
    take_nics(state, json_get(vm, "network"));
    take_disks(manager, state, json_get(vm, "disks"));
    state->stats_ms = clock_monotonic_ms();
}

// ---- status

static const char *pause_text(const char *code)
{
    static const struct {
        const char *code, *text;
    } rows[] = {{"ENOSPC", "enospc"},
                {"EIO", "eio"},
                {"EPERM", "eperm"},
                {"EOTHER", "eother"},
                {"NOERR", "noerr"}};
    for (size_t i = 0; code && i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].code, code))
            return rows[i].text;
    return NULL;
}

static EventCode pause_event(const char *code)
{
    static const struct {
        const char *code;
        EventCode event;
    } rows[] = {{"ENOSPC", EVENT_VM_PAUSED_ENOSPC},
                {"EIO", EVENT_VM_PAUSED_EIO},
                {"EPERM", EVENT_VM_PAUSED_EPERM},
                {"NOERR", EVENT_VM_PAUSED}};
    for (size_t i = 0; code && i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].code, code))
            return rows[i].event;
    return EVENT_VM_PAUSED_ERROR;
}

// The disk in trouble: the alias of its device is "ua-" and its id.
static const Entity *paused_disk(const Manager *manager, const Json *vm)
{
    const char *alias = json_get_string(json_get(vm, "ioerror"), "alias");
    return alias && !strncmp(alias, "ua-", 3)
               ? inventory_get(manager->inventory, KIND_DISK, alias + 3)
               : NULL;
}

static void write_paused(Manager *manager, Entity *entity, const Json *vm)
{
    EventFacts facts = {.vm = entity, .host = vm_state(entity)->host};
    DiskPlace place;
    AUTO_FREE char *detail = NULL;
    facts.disk = paused_disk(manager, vm);
    if (facts.disk && disk_place(manager, facts.disk->id, &place)) {
        facts.storage_domain =
            inventory_get(manager->inventory, KIND_STORAGE_DOMAIN, place.storage_domain);
        detail = memory_format("It is disk %s on storage domain %s.",
                               place.disk->alias ? place.disk->alias : place.image,
                               entity_name(facts.storage_domain));
        facts.detail = detail;
    }
    event_write(manager, NULL, pause_event(json_get_string(vm, "pauseCode")), &facts);
}

static bool runs(ApiVmStatus status)
{
    return status == API_VM_STATUS_UP || status == API_VM_STATUS_POWERING_UP;
}

// `by_error`: its storage had paused it.
static void status_changed(Manager *manager, Entity *entity, ApiVmStatus before, bool by_error,
                           const Json *vm)
{
    const VmState *state = vm_state(entity);
    EventFacts facts = {.vm = entity, .host = state->host};
    bool busy = operation_holding(manager, entity->id) != NULL;
    bool known = before != API_VM_STATUS_UNSET && before != API_VM_STATUS_UNKNOWN;
    if (state->status == API_VM_STATUS_PAUSED && known)
        write_paused(manager, entity, vm);
    else if (state->status == API_VM_STATUS_NOT_RESPONDING && known)
        event_write(manager, NULL, EVENT_VM_NOT_RESPONDING, &facts);
    else if (before == API_VM_STATUS_NOT_RESPONDING) {
        facts.detail = api_enum_name(&api_enum_vm_status, state->status);
        event_write(manager, NULL, EVENT_VM_STATUS_RESTORED, &facts);
    } else if (before == API_VM_STATUS_PAUSED && by_error && runs(state->status))
        event_write(manager, NULL, EVENT_VM_RECOVERED_FROM_PAUSE_ERROR, &facts);
    else if (state->status == API_VM_STATUS_UP && before == API_VM_STATUS_POWERING_DOWN)
        event_write(manager, NULL, EVENT_VM_POWER_DOWN_FAILED, &facts);
    else if (state->status == API_VM_STATUS_UP && before == API_VM_STATUS_POWERING_UP && !busy)
        event_write(manager, NULL, EVENT_USER_RUN_VM, &facts);
}

// Whether the report may speak for this VM: not when it runs, by a newer word, on another host.
static bool report_counts(const VmState *state, const Entity *host, ApiVmStatus status)
{
    if (!state->host || state->host == host)
        return true;
    return status != API_VM_STATUS_DOWN; // the place it came from forgets it last
}

// Where a VM runs outlives a restart of the manager.
static void remember_place(Manager *manager, Entity *entity, const Entity *host)
{
    const ApiHost *known = ENTITY_OBJECT(entity, Vm)->host;
    if (known && !strcmp(known->id, host->id))
        return;
    Change *change = change_new(manager, NULL);
    ApiDocument *draft = change_edit(change, entity);
    ApiHost *place = ARENA_NEW(&draft->arena, ApiHost);
    place->id = arena_string(&draft->arena, host->id);
    ((ApiVm *)draft->object)->host = place;
    change_commit(change, NULL, NULL);
}

static void take_status(Manager *manager, Entity *host, Entity *entity, const Json *vm)
{
    VmState *state = vm_state(entity);
    ApiVmStatus before = state->status, now = status_of(json_get_string(vm, "status"));
    if (!report_counts(state, host, now))
        return;
    if (now == API_VM_STATUS_DOWN) {
        vm_ended(manager, entity, host, vm);
        operation_wake(manager, entity->id);
        return;
    }
    bool by_error = state->status_detail && strcmp(state->status_detail, "noerr");
    const char *monitor = json_get_string(vm, "monitorResponse");
    if (monitor && *monitor == '-' && now == API_VM_STATUS_UP)
        now = API_VM_STATUS_NOT_RESPONDING;
    vm_state_set_host(entity, host);
    remember_place(manager, entity, host);
    state->status = now;
    set_text(&state->status_detail,
             now == API_VM_STATUS_PAUSED ? pause_text(json_get_string(vm, "pauseCode")) : NULL);
    int64_t elapsed = json_get_integer(vm, "elapsedTime", -1);
    if (elapsed >= 0) {
        state->elapsed_s = elapsed;
        if (!state->start_ms)
            state->start_ms = clock_wall_ms() - elapsed * 1000;
    }
    const char *hash = json_get_string(vm, "hash");
    if (hash && (!state->hash || strcmp(hash, state->hash)))
        state->xml_is_old = true; // devices have changed
    set_text(&state->hash, hash);
    take_displays(state, json_get(vm, "displayInfo"));
    if (before == now)
        return;
    status_changed(manager, entity, before, by_error, vm);
    operation_wake(manager, entity->id);
}

// The definitions of VMs whose devices are not what we last saw, in one call.
static void ask_changed_xml(Manager *manager, Entity *host)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    int count = 0;
    json_open(&writer, '{');
    json_key(&writer, "vmList");
    json_open(&writer, '[');
    LIST_EACH(&host_state(host)->vms, VmState, on_host, state) {
        if (!state->xml_is_old && state->xml)
            continue;
        state->xml_is_old = false;
        json_put_string(&writer, state->entity->id);
        count++;
    }
    json_close(&writer, ']');
    json_close(&writer, '}');
    if (count)
        fleet_ask_xml(manager, host, &params);
    strbuf_done(&params);
}

void report_vm_event(Manager *manager, Entity *host, const char *id, const Json *vm, int64_t time)
{
    Entity *entity = inventory_get(manager->inventory, KIND_VM, id);
    if (!entity)
        return;
    VmState *state = vm_state(entity);
    if (time && state->host == host && time < state->notify_time)
        return; // an older word than we have
    state->notify_time = time ? time : state->notify_time;
    take_status(manager, host, entity, vm);
    if (state->host != host)
        return;
    take_guest(state, vm);
    ask_changed_xml(manager, host);
}

static void report_missing(Manager *manager, Entity *host, const Map *seen)
{
    LIST_EACH(&host_state(host)->vms, VmState, on_host, state) {
        Entity *entity = state->entity;
        if (map_get(seen, entity->id) || operation_holding(manager, entity->id))
            continue; // seen, or just being started or ended
        vm_vanished(manager, entity, host);
    }
}

void report_vm_stats(Manager *manager, Entity *host, const Json *list)
{
    Map seen = {0};
    JSON_EACH(list, vm) {
        const char *id = json_get_string(vm, "vmId");
        Entity *entity = id ? inventory_get(manager->inventory, KIND_VM, id) : NULL;
        if (!entity)
            continue;
        map_put(&seen, id, entity);
        take_status(manager, host, entity, vm);
        if (vm_state(entity)->host == host) {
            take_guest(vm_state(entity), vm);
            take_rates(manager, entity, vm);
        }
    }
    report_missing(manager, host, &seen);
    map_done(&seen);
    ask_changed_xml(manager, host);
}

void report_vm_xml(Manager *manager, const Json *map)
{
    JSON_EACH(map, one) {
        Entity *entity = inventory_get(manager->inventory, KIND_VM, one->key);
        if (entity && json_string(one))
            set_text(&vm_state(entity)->xml, json_string(one));
    }
}

void report_vm_xml_lost(Entity *host)
{
    LIST_EACH(&host_state(host)->vms, VmState, on_host, state)
        state->xml_is_old = true;
}

void report_host_lost(Manager *manager, Entity *host)
{
    LIST_EACH(&host_state(host)->vms, VmState, on_host, state) {
        if (state->status == API_VM_STATUS_UNKNOWN)
            continue;
        state->status = API_VM_STATUS_UNKNOWN;
        event_write(manager, NULL, EVENT_VM_SET_TO_UNKNOWN_STATUS,
                    &(EventFacts){.vm = state->entity, .host = host});
    }
}
