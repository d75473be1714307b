// Fields of VMs, templates and instance types.
#include <string.h>

#include "base/clock.h"
#include "manager/search/search_fields.h"
#include "manager/vm/vm_view.h"

static const ApiVm *vm_of(const Subject *subject)
{
    return subject->object;
}

static const ApiTemplate *template_of(const Subject *subject)
{
    return subject->object;
}

static VmState *state_of(const Subject *subject)
{
    return vm_state(subject->entity);
}

// ---- what is seen of VMs

void get_vm_status(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_choice(ret, vm_status(scope->manager, subject->entity));
}

static void add_words(FieldValues *ret, const char *text)
{
    while (text && *(text += strspn(text, " ,"))) {
        size_t length = strcspn(text, " ,");
        values_add_text(ret, arena_bytes(ret->arena, text, length));
        text += length;
    }
}

void get_vm_ip(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const VmState *state = state_of(subject);
    for (int i = 0; i < state->guest_nic_count; i++)
        for (int k = 0; k < state->guest_nics[i].address_count; k++)
            values_add_text(ret, state->guest_nics[i].addresses[k]);
    if (!ret->count)
        add_words(ret, state->guest_ip);
}

void get_vm_on_host(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_name(ret, state_of(subject)->host);
}

void get_vm_fqdn(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_text(ret, state_of(subject)->fqdn);
}

void get_vm_uptime(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const VmState *state = state_of(subject);
    if (state->host && state->start_ms)
        values_add_number(ret, (double)(scope->now_ms - state->start_ms) / 1000);
}

static int64_t vcpus_of(const ApiCpu *cpu)
{
    const ApiCpuTopology *topology = cpu ? cpu->topology : NULL;
    if (!topology)
        return 1;
    return (topology->sockets.set ? topology->sockets.value : 1) *
           (topology->cores.set ? topology->cores.value : 1) *
           (topology->threads.set ? topology->threads.value : 1);
}

// Percent of what the VM has, in whole numbers as oVirt keeps them.
static void add_percent(FieldValues *ret, const VmState *state, double percent)
{
    if (state->host)
        values_add_number(ret, (double)(int64_t)(percent + 0.5));
}

void get_vm_cpu_usage(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const VmState *state = state_of(subject);
    add_percent(ret, state, state->cpu_total / (double)vcpus_of(vm_of(subject)->cpu));
}

void get_vm_mem_usage(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    add_percent(ret, state_of(subject), state_of(subject)->memory_percent);
}

void get_vm_network_usage(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    add_percent(ret, state_of(subject), state_of(subject)->network_percent);
}

void get_vm_apps(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_text(ret, state_of(subject)->applications);
}

void get_vm_loggedinuser(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_text(ret, state_of(subject)->sessions);
}

// As vm_view() shows it.
void get_vm_has_illegal_images(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_boolean(ret, false);
}

// ---- how VMs are configured

void get_vm_os(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiOperatingSystem *os = vm_of(subject)->os;
    values_add_text(ret, os ? os->type : NULL);
}

void get_vm_guaranteed_memory(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiMemoryPolicy *policy = vm_of(subject)->memory_policy;
    if (policy)
        values_add_integer(ret, policy->guaranteed);
}

void get_vm_cluster(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_name(ret, scope_entity(scope, KIND_CLUSTER, vm_of(subject)->cluster));
}

void get_vm_data_center(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_name(ret, scope_cluster_data_center(scope, vm_of(subject)->cluster));
}

void get_vm_pool(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiVmPool *pool = vm_of(subject)->vm_pool;
    values_add_text(ret, pool ? pool->name : NULL);
}

void get_vm_tag(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiVm *vm = vm_of(subject);
    values_add_tags(ret, scope, vm->tags.items, vm->tags.count);
}

static const ApiCluster *cluster_of(const SearchScope *scope, const void *link)
{
    const Entity *cluster = scope_entity(scope, KIND_CLUSTER, link);
    return cluster ? ENTITY_OBJECT(cluster, Cluster) : NULL;
}

// A VM's own architecture, or its cluster's.
static void add_architecture(const SearchScope *scope, const ApiCpu *cpu, const void *link,
                             FieldValues *ret)
{
    const ApiCluster *cluster = cluster_of(scope, link);
    if (cpu && cpu->architecture)
        values_add_choice(ret, (int)cpu->architecture);
    else if (cluster && cluster->cpu)
        values_add_choice(ret, (int)cluster->cpu->architecture);
}

void get_vm_architecture(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    add_architecture(scope, vm_of(subject)->cpu, vm_of(subject)->cluster, ret);
}

void get_vm_compatibility_level(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiCluster *cluster = cluster_of(scope, vm_of(subject)->cluster);
    if (vm_of(subject)->custom_compatibility_version)
        values_add_version(ret, vm_of(subject)->custom_compatibility_version);
    else if (cluster)
        values_add_version(ret, cluster->version);
}

void get_vm_custom_compatibility_level(const SearchScope *scope, const Subject *subject,
                                       FieldValues *ret)
{
    values_add_version(ret, vm_of(subject)->custom_compatibility_version);
}

void get_vm_next_run_config_exists(const SearchScope *scope, const Subject *subject,
                                   FieldValues *ret)
{
    values_add_boolean(ret, vm_of(subject)->next_run != NULL);
}

void get_vm_bios_type(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiBios *bios = vm_of(subject)->bios;
    const ApiCluster *cluster = cluster_of(scope, vm_of(subject)->cluster);
    bool own = bios && bios->type && bios->type != API_BIOS_TYPE_CLUSTER_DEFAULT;
    if (own)
        values_add_choice(ret, (int)bios->type);
    else if (cluster)
        values_add_choice(ret, (int)cluster->bios_type);
}

void get_vm_vcpus(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_number(ret, (double)vcpus_of(vm_of(subject)->cpu));
}

// ---- templates

void get_template_os(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiOperatingSystem *os = template_of(subject)->os;
    values_add_text(ret, os ? os->type : NULL);
}

void get_template_childcount(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    size_t count = 0;
    INVENTORY_EACH(scope->inventory, KIND_VM, vm) {
        const ApiTemplate *template = ENTITY_OBJECT(vm, Vm)->template;
        count += template && template->id && !strcmp(template->id, subject->entity->id);
    }
    values_add_number(ret, (double)count);
}

void get_template_status(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    ApiTemplateStatus status = template_of(subject)->status;
    values_add_choice(ret, (int)(status ? status : API_TEMPLATE_STATUS_OK));
}

void get_template_cluster(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_name(ret, scope_entity(scope, KIND_CLUSTER, template_of(subject)->cluster));
}

void get_template_data_center(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_name(ret, scope_cluster_data_center(scope, template_of(subject)->cluster));
}

void get_template_architecture(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    add_architecture(scope, template_of(subject)->cpu, template_of(subject)->cluster, ret);
}

void get_template_version_name(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiTemplateVersion *version = template_of(subject)->version;
    values_add_text(ret, version ? version->version_name : NULL);
}

void get_template_tag(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiTemplate *template = template_of(subject);
    values_add_tags(ret, scope, template->tags.items, template->tags.count);
}

void get_instance_type_os(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiOperatingSystem *os = ((const ApiInstanceType *)subject->object)->os;
    values_add_text(ret, os ? os->type : NULL);
}
