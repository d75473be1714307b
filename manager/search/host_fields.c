// Fields of hosts and their networks.
#include <string.h>

#include "manager/search/search_fields.h"

static const ApiHost *host_of(const Subject *subject)
{
    return subject->object;
}

static HostState *state_of(const Subject *subject)
{
    return host_state(subject->entity);
}

// What the host says of itself; NULL before it was asked.
static const ApiHost *hardware_of(const Subject *subject)
{
    const ApiDocument *hardware = state_of(subject)->hardware;
    return hardware ? hardware->object : NULL;
}

static void add_percent(const Subject *subject, FieldValues *ret, double percent)
{
    if (state_of(subject)->stats_ms)
        values_add_number(ret, (double)(int64_t)(percent + 0.5));
}

void get_host_status(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_choice(ret, (int)state_of(subject)->status);
}

void get_host_cluster(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_name(ret, scope_entity(scope, KIND_CLUSTER, host_of(subject)->cluster));
}

void get_host_data_center(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_name(ret, scope_cluster_data_center(scope, host_of(subject)->cluster));
}

void get_host_cpu_usage(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    add_percent(subject, ret, state_of(subject)->cpu_user + state_of(subject)->cpu_system);
}

void get_host_mem_usage(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const HostState *state = state_of(subject);
    if (state->memory_total > 0)
        add_percent(subject, ret,
                    100.0 * (double)(state->memory_total - state->memory_free) /
                        (double)state->memory_total);
}

// Of the interface that is nearest to its limit.
void get_host_network_usage(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const HostState *state = state_of(subject);
    double most = 0;
    for (int i = 0; i < state->nic_count; i++) {
        const NicRates *nic = &state->nics[i];
        double rate = nic->receive_rate > nic->send_rate ? nic->receive_rate : nic->send_rate;
        double percent = nic->speed > 0 ? 100 * rate * 8 / (double)nic->speed : 0;
        most = percent > most ? percent : most;
    }
    add_percent(subject, ret, most);
}

void get_host_load(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    if (state_of(subject)->stats_ms)
        values_add_number(ret, state_of(subject)->cpu_load);
}

void get_host_version(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiHost *hardware = hardware_of(subject);
    values_add_version(ret, hardware ? hardware->version : NULL);
}

static const ApiCpu *cpu_of(const Subject *subject)
{
    const ApiHost *hardware = hardware_of(subject);
    return hardware ? hardware->cpu : NULL;
}

void get_host_cpus(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiCpu *cpu = cpu_of(subject);
    if (!cpu || !cpu->topology)
        return;
    int64_t sockets = cpu->topology->sockets.set ? cpu->topology->sockets.value : 1;
    values_add_number(ret, (double)(sockets * cpu->topology->cores.value));
}

void get_host_memory(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    if (state_of(subject)->memory_total)
        values_add_number(ret, (double)state_of(subject)->memory_total);
}

void get_host_cpu_speed(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiCpu *cpu = cpu_of(subject);
    if (cpu && cpu->speed.set)
        values_add_number(ret, cpu->speed.value);
}

void get_host_cpu_model(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiCpu *cpu = cpu_of(subject);
    values_add_text(ret, cpu ? cpu->name : NULL);
}

void get_host_architecture(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiCpu *cpu = cpu_of(subject);
    const Entity *cluster = scope_entity(scope, KIND_CLUSTER, host_of(subject)->cluster);
    if (!cpu || !cpu->architecture)
        cpu = cluster ? ENTITY_OBJECT(cluster, Cluster)->cpu : NULL;
    if (cpu)
        values_add_choice(ret, (int)cpu->architecture);
}

static void add_vm_count(const Subject *subject, FieldValues *ret, ApiVmStatus first,
                         ApiVmStatus second)
{
    int count = 0;
    LIST_EACH(&state_of(subject)->vms, VmState, on_host, vm)
        count += vm->status == first || vm->status == second;
    values_add_number(ret, count);
}

void get_host_active_vms(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    add_vm_count(subject, ret, API_VM_STATUS_UP, API_VM_STATUS_POWERING_UP);
}

void get_host_migrating_vms(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    add_vm_count(subject, ret, API_VM_STATUS_MIGRATING, API_VM_STATUS_MIGRATING);
}

void get_host_committed_mem(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    int64_t bytes = 0;
    LIST_EACH(&state_of(subject)->vms, VmState, on_host, vm)
        bytes += ENTITY_OBJECT(vm->entity, Vm)->memory.value;
    values_add_number(ret, (double)bytes);
}

void get_host_tag(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiHost *host = host_of(subject);
    values_add_tags(ret, scope, host->tags.items, host->tags.count);
}

void get_host_type(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiHost *hardware = hardware_of(subject);
    ApiHostType type = hardware && hardware->type ? hardware->type : host_of(subject)->type;
    values_add_choice(ret, (int)(type ? type : API_HOST_TYPE_RHEL));
}

// Nothing watches for updates yet, and no host is told to be bad from outside: as host_view().
void get_host_update_available(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_boolean(ret, false);
}

void get_host_external_status(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_choice(ret, API_EXTERNAL_STATUS_OK);
}

void get_host_ha_score(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    if (host_of(subject)->hosted_engine)
        values_add_integer(ret, host_of(subject)->hosted_engine->score);
}

void get_host_hw_id(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiHost *hardware = hardware_of(subject);
    if (hardware && hardware->hardware_information)
        values_add_text(ret, hardware->hardware_information->uuid);
}

// ---- interfaces: subjects are those of the host's report

void get_host_nic_mac(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiHostNic *nic = subject->object;
    values_add_text(ret, nic->mac ? nic->mac->address : NULL);
}

// Bridges are named after their network.
void get_host_nic_network_name(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiHostNic *nic = subject->object;
    if (nic->bridged == API_TRUE)
        values_add_text(ret, nic->name);
}
