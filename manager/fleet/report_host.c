// Hosts' own words: capabilities, hardware, statistics.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "manager/events/event_log.h"
#include "manager/fleet/reports.h"
#include "proto/vdsm.h"

static ApiVersion *version_of(Arena *arena, const char *text)
{
    int part[4] = {0};
    ApiVersion *version = ARENA_NEW(arena, ApiVersion);
    if (!text)
        return NULL;
    sscanf(text, "%d.%d.%d.%d", &part[0], &part[1], &part[2], &part[3]);
    version->major = API_INT(part[0]);
    version->minor = API_INT(part[1]);
    version->build = API_INT(part[2]);
    version->revision = API_INT(part[3]);
    version->full_version = arena_string(arena, text);
    return version;
}

static ApiCpu *cpu_of(Arena *arena, const Json *caps)
{
    ApiCpu *cpu = ARENA_NEW(arena, ApiCpu);
    int64_t sockets = json_get_integer(caps, "cpuSockets", 1);
    int64_t cores = json_get_integer(caps, "cpuCores", 1);
    int64_t threads = json_get_integer(caps, "cpuThreads", cores);
    sockets = sockets > 0 ? sockets : 1;
    cores = cores >= sockets ? cores : sockets;
    cpu->topology = ARENA_NEW(arena, ApiCpuTopology);
    cpu->topology->sockets = API_INT(sockets);
    cpu->topology->cores = API_INT(cores / sockets);
    cpu->topology->threads = API_INT(threads >= cores ? threads / cores : 1);
    cpu->name = arena_string(arena, json_get_string(caps, "cpuModel"));
    cpu->speed = API_REAL(json_get_decimal(caps, "cpuSpeed", 0));
    cpu->architecture = API_ARCHITECTURE_X86_64;
    return cpu;
}

static ApiOperatingSystem *os_of(Arena *arena, const Json *caps)
{
    const Json *system = json_get(caps, "operatingSystem");
    const char *pretty = json_get_string(system, "pretty_name");
    ApiOperatingSystem *os = ARENA_NEW(arena, ApiOperatingSystem);
    os->type = arena_string(arena, json_get_string(system, "name"));
    os->version = ARENA_NEW(arena, ApiVersion);
    os->version->full_version = arena_string(arena, pretty);
    os->custom_kernel_cmdline = "";
    os->reported_kernel_cmdline = arena_string(arena, json_get_string(caps, "kernelArgs"));
    return os;
}

static const char *package_version(const Json *caps, const char *name)
{
    return json_get_string(json_get(json_get(caps, "packages2"), name), "version");
}

static void nic_address(Arena *arena, ApiHostNic *nic, const Json *from)
{
    const char *address = json_get_string(from, "addr");
    if (!address || !*address)
        return;
    nic->ip = ARENA_NEW(arena, ApiIp);
    nic->ip->address = arena_string(arena, address);
    nic->ip->netmask = arena_string(arena, json_get_string(from, "netmask"));
    nic->ip->gateway = arena_string(arena, json_get_string(from, "gateway"));
    nic->ip->version = API_IP_VERSION_V4;
    nic->boot_protocol =
        json_get_bool(from, "dhcpv4", false) ? API_BOOT_PROTOCOL_DHCP : API_BOOT_PROTOCOL_STATIC;
}

static void nics_add(const Entity *host, ApiDocument *document, const Json *group, bool bridged)
{
    ApiHost *object = document->object;
    Arena *arena = &document->arena;
    JSON_EACH(group, one) {
        char id[UUID_SIZE];
        AUTO_FREE char *space = memory_format("nic:%s", host->id);
        ApiHostNic *nic = ARENA_NEW(arena, ApiHostNic);
        const char *mac = json_get_string(one, "hwaddr");
        nic->id = arena_string(arena, uuid_from_name(space, one->key, id));
        nic->name = arena_string(arena, one->key);
        nic->mtu = API_INT(json_get_integer(one, "mtu", 1500));
        nic->bridged = API_BOOL(bridged);
        nic->status = API_NIC_STATUS_UP;
        nic->speed = API_INT(json_get_integer(one, "speed", 0) * 1000000);
        if (mac) {
            nic->mac = ARENA_NEW(arena, ApiMac);
            nic->mac->address = arena_string(arena, mac);
        }
        nic_address(arena, nic, one);
        api_list_add(arena, &object->nics, nic);
    }
}

void report_capabilities(Manager *manager, Entity *host, const Json *caps)
{
    HostState *state = host_state(host);
    ApiDocument *document = api_document_new(&api_type_host);
    ApiHost *object = document->object;
    Arena *arena = &document->arena;
    (void)manager;
    state->memory_total = json_get_integer(caps, "memSize", 0) * 1048576;
    object->memory = API_INT(state->memory_total);
    object->cpu = cpu_of(arena, caps);
    object->os = os_of(arena, caps);
    object->version = version_of(arena, json_get_string(caps, "software_version"));
    object->libvirt_version = version_of(arena, package_version(caps, "libvirt"));
    object->type = API_HOST_TYPE_RHEL;
    nics_add(host, document, json_get(caps, "nics"), false);
    nics_add(host, document, json_get(caps, "bridges"), true);
    if (state->hardware)
        object->hardware_information =
            api_clone(arena, &api_type_hardware_information,
                      ((ApiHost *)state->hardware->object)->hardware_information
                          ? ((ApiHost *)state->hardware->object)->hardware_information
                          : ARENA_NEW(arena, ApiHardwareInformation));
    api_document_unref(state->hardware);
    state->hardware = document;
    state->accelerated = json_get_bool(caps, "kvmEnabled", false);
    const char *reason = json_get_string(caps, "vireoAcceleratorReason");
    free(state->accelerator_reason);
    state->accelerator_reason = memory_string(reason ? reason : "Its CPU or firmware lacks it.");
    free(state->boot_id);
    state->boot_id = memory_string(json_get_string(caps, "boot_uuid"));
    state->capable = true;
}

void report_hardware(Entity *host, const Json *hardware)
{
    HostState *state = host_state(host);
    if (!state->hardware)
        return;
    Arena *arena = &state->hardware->arena;
    ApiHardwareInformation *info = ARENA_NEW(arena, ApiHardwareInformation);
    info->manufacturer = arena_string(arena, json_get_string(hardware, "systemManufacturer"));
    info->product_name = arena_string(arena, json_get_string(hardware, "systemProductName"));
    info->version = arena_string(arena, json_get_string(hardware, "systemVersion"));
    info->serial_number = arena_string(arena, json_get_string(hardware, "systemSerialNumber"));
    info->family = arena_string(arena, json_get_string(hardware, "systemFamily"));
    info->uuid = arena_string(arena, json_get_string(hardware, "systemUUID"));
    ((ApiHost *)state->hardware->object)->hardware_information = info;
}

// ---- statistics

static const NicRates *rates_before(const NicRates *list, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(list[i].name, name))
            return &list[i];
    return NULL;
}

static void host_nics(HostState *state, const Json *network, double seconds)
{
    int count = 0;
    NicRates *fresh = NEW_ARRAY(NicRates, network ? network->count : 0);
    JSON_EACH(network, one) {
        NicRates *nic = &fresh[count++];
        const NicRates *before = rates_before(state->nics, state->nic_count, one->key);
        const char *status = json_get_string(one, "state");
        nic->name = memory_string(one->key);
        nic->mac = memory_string(json_get_string(one, "macAddr"));
        nic->received = (uint64_t)json_get_integer(one, "rx", 0);
        nic->sent = (uint64_t)json_get_integer(one, "tx", 0);
        nic->speed = json_get_integer(one, "speed", 0) * 1000000;
        nic->up = status && !strcmp(status, "up");
        if (before && seconds > 0 && nic->received >= before->received &&
            nic->sent >= before->sent) {
            nic->receive_rate = (double)(nic->received - before->received) / seconds;
            nic->send_rate = (double)(nic->sent - before->sent) / seconds;
        }
    }
    nic_rates_free(state->nics, state->nic_count);
    state->nics = fresh;
    state->nic_count = count;
}

static void domain_report(Manager *manager, Entity *host, const char *id, const Json *report)
{
    Entity *domain = inventory_get(manager->inventory, KIND_STORAGE_DOMAIN, id);
    if (!domain)
        return;
    StorageDomainState *state = storage_domain_state(domain);
    int code = (int)json_get_integer(report, "code", 0);
    bool worse = code && !state->code;
    state->code = code;
    state->delay = json_get_decimal(report, "delay", 0);
    state->seen_ms = clock_monotonic_ms();
    if (!worse)
        return;
    AUTO_FREE char *detail = memory_format(
        "Its monitor says: %s (%d). Look whether the storage is mounted and answers on the host.",
        vdsm_error_text(code), code);
    event_write(manager, NULL, EVENT_STORAGE_DOMAIN_ERROR,
                &(EventFacts){.host = host, .storage_domain = domain, .detail = detail});
}

void report_host_stats(Manager *manager, Entity *host, const Json *stats)
{
    HostState *state = host_state(host);
    int64_t now = clock_monotonic_ms();
    double seconds = state->stats_ms ? (double)(now - state->stats_ms) / 1000 : 0;
    state->cpu_user = json_get_decimal(stats, "cpuUser", 0);
    state->cpu_system = json_get_decimal(stats, "cpuSys", 0);
    state->cpu_idle = json_get_decimal(stats, "cpuIdle", 100);
    state->cpu_load = json_get_decimal(stats, "cpuLoad", 0);
    state->memory_free = json_get_integer(stats, "memFree", 0) * 1048576;
    state->memory_shared = json_get_integer(stats, "memShared", 0) * 1048576;
    state->swap_total = json_get_integer(stats, "swapTotal", 0) * 1048576;
    state->swap_free = json_get_integer(stats, "swapFree", 0) * 1048576;
    state->vm_count = (int)json_get_integer(stats, "vmCount", 0);
    state->vm_active = (int)json_get_integer(stats, "vmActive", 0);
    state->boot_time_ms = json_get_integer(stats, "bootTime", 0) * 1000;
    host_nics(state, json_get(stats, "network"), seconds);
    JSON_EACH(json_get(stats, "storageDomains"), one)
        domain_report(manager, host, one->key, one);
    state->stats_ms = now;
}
