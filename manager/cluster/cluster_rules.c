#include "manager/cluster/cluster_rules.h"

#include <string.h>

#include "manager/network/network_rules.h"
#include "manager/rest/check.h"
#include "model/cluster_level.h"
#include "model/cpu_type.h"

enum {
    CLUSTER_NAME_MAX = 40,
    CPU_NAME_MAX = 255,
    OVER_COMMIT_MAX = 10000,
    TEXT_MAX = 255,
    PARALLEL_MIGRATIONS_MAX = 255,
};

// ---- defaults

#define FILL(member, value) \
    if (!(member))          \
    (member) = (value)

static void fill_hardware(Arena *arena, ApiCluster *cluster)
{
    FILL(cluster->cpu, ARENA_NEW(arena, ApiCpu));
    FILL(cluster->cpu->type, "");
    const CpuTypeRow *type = cpu_type_find(
        cluster->cpu->type, cluster->version ? (int)cluster->version->minor.value : 0);
    FILL(cluster->cpu->architecture, type ? type->architecture : API_ARCHITECTURE_X86_64);
    FILL(cluster->bios_type, cluster->cpu->architecture == API_ARCHITECTURE_X86_64
                                 ? API_BIOS_TYPE_Q35_SEA_BIOS
                                 : API_BIOS_TYPE_I440FX_SEA_BIOS);
    FILL(cluster->memory_policy, ARENA_NEW(arena, ApiMemoryPolicy));
    FILL(cluster->memory_policy->over_commit, ARENA_NEW(arena, ApiMemoryOverCommit));
    if (!cluster->memory_policy->over_commit->percent.set)
        cluster->memory_policy->over_commit->percent = API_INT(100);
    FILL(cluster->memory_policy->transparent_huge_pages, ARENA_NEW(arena, ApiTransparentHugePages));
    FILL(cluster->memory_policy->transparent_huge_pages->enabled, API_TRUE);
    FILL(cluster->ksm, ARENA_NEW(arena, ApiKsm));
    FILL(cluster->ksm->enabled, API_FALSE);
    FILL(cluster->ksm->merge_across_nodes, API_TRUE);
    if (!cluster->required_rng_sources.set) {
        cluster->required_rng_sources.items = ARENA_NEW(arena, ApiRngSource);
        cluster->required_rng_sources.items[0] = API_RNG_SOURCE_URANDOM;
        cluster->required_rng_sources.count = 1;
        cluster->required_rng_sources.set = true;
    }
}

static void fill_fencing(Arena *arena, ApiCluster *cluster)
{
    FILL(cluster->fencing_policy, ARENA_NEW(arena, ApiFencingPolicy));
    ApiFencingPolicy *policy = cluster->fencing_policy;
    FILL(policy->enabled, API_TRUE);
    FILL(policy->skip_if_sd_active, ARENA_NEW(arena, ApiSkipIfSdActive));
    FILL(policy->skip_if_sd_active->enabled, API_FALSE);
    FILL(policy->skip_if_connectivity_broken, ARENA_NEW(arena, ApiSkipIfConnectivityBroken));
    FILL(policy->skip_if_connectivity_broken->enabled, API_FALSE);
    if (!policy->skip_if_connectivity_broken->threshold.set)
        policy->skip_if_connectivity_broken->threshold = API_INT(50);
    FILL(policy->skip_if_gluster_bricks_up, API_FALSE);
    FILL(policy->skip_if_gluster_quorum_not_met, API_FALSE);
}

static void fill_migration(Arena *arena, ApiCluster *cluster)
{
    FILL(cluster->error_handling, ARENA_NEW(arena, ApiErrorHandling));
    FILL(cluster->error_handling->on_error, API_MIGRATE_ON_ERROR_MIGRATE);
    FILL(cluster->migration, ARENA_NEW(arena, ApiMigrationOptions));
    ApiMigrationOptions *migration = cluster->migration;
    FILL(migration->auto_converge, API_INHERITABLE_BOOLEAN_INHERIT);
    FILL(migration->compressed, API_INHERITABLE_BOOLEAN_INHERIT);
    FILL(migration->encrypted, API_INHERITABLE_BOOLEAN_INHERIT);
    FILL(migration->parallel_migrations_policy, API_PARALLEL_MIGRATIONS_POLICY_DISABLED);
    FILL(migration->bandwidth, ARENA_NEW(arena, ApiMigrationBandwidth));
    FILL(migration->bandwidth->assignment_method, API_MIGRATION_BANDWIDTH_ASSIGNMENT_METHOD_AUTO);
    FILL(migration->policy,
         api_reference_new(arena, &api_type_migration_policy, MIGRATION_POLICY_MINIMAL_DOWNTIME));
}

static void fill_switches(Arena *arena, ApiCluster *cluster)
{
    const struct {
        ApiBoolean *member, fallback;
    } rows[] = {
        {&cluster->virt_service, API_TRUE},
        {&cluster->gluster_service, API_FALSE},
        {&cluster->trusted_service, API_FALSE},
        {&cluster->threads_as_cores, API_FALSE},
        {&cluster->ballooning_enabled, API_TRUE},
        {&cluster->ha_reservation, API_FALSE},
        {&cluster->tunnel_migration, API_FALSE},
        {&cluster->vnc_encryption, API_FALSE},
        {&cluster->optional_reason, API_FALSE},
        {&cluster->maintenance_reason_required, API_FALSE},
        {&cluster->upgrade_in_progress, API_FALSE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        FILL(*rows[i].member, rows[i].fallback);
    FILL(cluster->switch_type, API_SWITCH_TYPE_LEGACY);
    FILL(cluster->firewall_type, API_FIREWALL_TYPE_FIREWALLD);
    FILL(cluster->fips_mode, API_FIPS_MODE_UNDEFINED);
    FILL(cluster->log_max_memory_used_threshold_type,
         API_LOG_MAX_MEMORY_USED_THRESHOLD_TYPE_PERCENTAGE);
    if (!cluster->log_max_memory_used_threshold.set)
        cluster->log_max_memory_used_threshold = API_INT(95);
    if (!cluster->upgrade_percent_complete.set)
        cluster->upgrade_percent_complete = API_INT(0);
    FILL(cluster->scheduling_policy,
         api_reference_new(arena, &api_type_scheduling_policy, SCHEDULING_POLICY_NONE));
    FILL(cluster->description, "");
    FILL(cluster->comment, "");
}

void cluster_fill(Arena *arena, ApiCluster *cluster)
{
    fill_hardware(arena, cluster);
    fill_fencing(arena, cluster);
    fill_migration(arena, cluster);
    fill_switches(arena, cluster);
}

// ---- rules

static int check_version(Request *request, const ApiCluster *cluster, const Entity *data_center)
{
    const ApiVersion *version = cluster->version;
    if (!cluster_level_is_known(version))
        return fail_set(&request->why, FAIL_INVALID,
                        "cluster.version: %lld.%lld is not supported; %d.%d to %d.%d are.",
                        (long long)version->major.value, (long long)version->minor.value,
                        CLUSTER_LEVEL_MAJOR, CLUSTER_LEVEL_FIRST, CLUSTER_LEVEL_MAJOR,
                        CLUSTER_LEVEL_LAST);
    const ApiVersion *lowest = data_center ? ENTITY_OBJECT(data_center, DataCenter)->version : NULL;
    if (!lowest || cluster_level_compare(version, lowest) >= 0)
        return 0;
    return fail_set(&request->why, FAIL_REJECTED,
                    "cluster.version: %lld.%lld is lower than that of data center %s, %lld.%lld.",
                    (long long)version->major.value, (long long)version->minor.value,
                    entity_name(data_center), (long long)lowest->major.value,
                    (long long)lowest->minor.value);
}

static int check_cpu(Request *request, const ApiCluster *cluster)
{
    const CpuTypeRow *type = cpu_type_find(cluster->cpu->type, (int)cluster->version->minor.value);
    int result = request_check_text(request, "cluster.cpu.type", cluster->cpu->type, CPU_NAME_MAX);
    if (result || !type || type->architecture == cluster->cpu->architecture)
        return result;
    return fail_set(&request->why, FAIL_INVALID,
                    "cluster.cpu.architecture: \"%s\" is a type of %s.", type->name,
                    api_enum_name(&api_enum_architecture, (int)type->architecture));
}

static int check_memory(Request *request, const ApiCluster *cluster)
{
    ApiInteger percent = cluster->memory_policy->over_commit->percent;
    int result = request_check_integer(request, "cluster.memory_policy.over_commit.percent",
                                       percent, 1, OVER_COMMIT_MAX);
    if (result || percent.value <= 100 || cluster->ksm->enabled == API_TRUE ||
        cluster->ballooning_enabled == API_TRUE)
        return result;
    fail_set(&request->why, FAIL_REJECTED,
             "cluster.memory_policy.over_commit.percent: more than 100 needs KSM or ballooning.");
    return fail_to_errno(FAIL_REJECTED);
}

static int check_migration(Request *request, const ApiCluster *cluster)
{
    const ApiMigrationOptions *migration = cluster->migration;
    const ApiMigrationBandwidth *bandwidth = migration->bandwidth;
    bool custom = bandwidth->assignment_method == API_MIGRATION_BANDWIDTH_ASSIGNMENT_METHOD_CUSTOM;
    bool parallel = migration->parallel_migrations_policy == API_PARALLEL_MIGRATIONS_POLICY_CUSTOM;
    if (custom && !bandwidth->custom_value.set)
        return fail_set(&request->why, FAIL_INCOMPLETE,
                        "Cluster [migration.bandwidth.custom_value] required for custom bandwidth");
    int result = request_check_integer(request, "cluster.migration.bandwidth.custom_value",
                                       bandwidth->custom_value, 0, INT32_MAX);
    if (result)
        return result;
    if (parallel && !migration->custom_parallel_migrations.set)
        return fail_set(&request->why, FAIL_INCOMPLETE,
                        "Cluster "
                        "[migration.custom_parallel_migrations] "
                        "required for custom parallel migrations");
    return request_check_integer(request, "cluster.migration.custom_parallel_migrations",
                                 migration->custom_parallel_migrations, 2, PARALLEL_MIGRATIONS_MAX);
}

static int check_serial_number(Request *request, const ApiSerialNumber *serial)
{
    bool custom = serial && serial->policy == API_SERIAL_NUMBER_POLICY_CUSTOM;
    if (custom && (!serial->value || !*serial->value))
        return fail_set(&request->why, FAIL_INCOMPLETE,
                        "Cluster [serial_number.value] required for a custom serial number");
    return serial
               ? request_check_text(request, "cluster.serial_number.value", serial->value, TEXT_MAX)
               : 0;
}

static int check_rest(Request *request, const ApiCluster *cluster)
{
    bool percentage = cluster->log_max_memory_used_threshold_type ==
                      API_LOG_MAX_MEMORY_USED_THRESHOLD_TYPE_PERCENTAGE;
    int result = request_check_integer(
        request, "cluster.fencing_policy.skip_if_connectivity_broken.threshold",
        cluster->fencing_policy->skip_if_connectivity_broken->threshold, 1, 100);
    if (!result)
        result = request_check_integer(request, "cluster.log_max_memory_used_threshold",
                                       cluster->log_max_memory_used_threshold, 0,
                                       percentage ? 100 : INT32_MAX);
    if (!result)
        result = check_serial_number(request, cluster->serial_number);
    if (!result && cluster->display)
        result =
            request_check_text(request, "cluster.display.proxy", cluster->display->proxy, TEXT_MAX);
    if (!result && cluster->virt_service == API_FALSE && cluster->gluster_service == API_FALSE)
        result = fail_set(&request->why, FAIL_REJECTED,
                          "cluster.virt_service: a cluster offers VMs or Gluster or both.");
    if (!result && cluster->bios_type == API_BIOS_TYPE_CLUSTER_DEFAULT)
        result = fail_set(&request->why, FAIL_INVALID,
                          "cluster.bios_type: a cluster can't refer to the cluster's default.");
    return result;
}

static int check_only_of_local(Request *request, const Entity *data_center, const Entity *except)
{
    if (!data_center || ENTITY_OBJECT(data_center, DataCenter)->local != API_TRUE)
        return 0;
    INVENTORY_EACH(request->manager->inventory, KIND_CLUSTER, other)
        if (other != except &&
            reference_is(ENTITY_OBJECT(other, Cluster)->data_center, data_center->id))
            return fail_set(&request->why, FAIL_CONFLICT,
                            "Cannot add cluster. Data center %s is a local one and has cluster %s.",
                            entity_name(data_center), entity_name(other));
    return 0;
}

int cluster_check(Request *request, const ApiCluster *cluster, const Entity *data_center,
                  const Entity *except)
{
    int result =
        request_check_identified(request, &api_type_cluster, cluster, NAME_WORD, CLUSTER_NAME_MAX);
    if (!result)
        result = check_version(request, cluster, data_center);
    if (!result)
        result = check_cpu(request, cluster);
    if (!result)
        result = check_memory(request, cluster);
    if (!result)
        result = check_migration(request, cluster);
    if (!result)
        result = check_rest(request, cluster);
    if (!result)
        result = check_only_of_local(request, data_center, except);
    return result ? result
                  : request_check_name_unused(request, KIND_CLUSTER, cluster->name, except);
}

size_t cluster_count_hosts(const Manager *manager, const char *cluster)
{
    size_t count = 0;
    INVENTORY_EACH(manager->inventory, KIND_HOST, host)
        count += reference_is(ENTITY_OBJECT(host, Host)->cluster, cluster);
    return count;
}

size_t cluster_count_vms(const Manager *manager, const char *cluster)
{
    size_t count = 0;
    INVENTORY_EACH(manager->inventory, KIND_VM, vm)
        count += reference_is(ENTITY_OBJECT(vm, Vm)->cluster, cluster);
    return count;
}

int cluster_check_transition(Request *request, const Entity *entity, const ApiCluster *after)
{
    const ApiCluster *before = ENTITY_OBJECT(entity, Cluster);
    size_t hosts = cluster_count_hosts(request->manager, entity->id);
    size_t used = hosts + cluster_count_vms(request->manager, entity->id);
    const struct {
        bool changed;
        size_t by;
        const char *member, *who;
    } rows[] = {
        {cluster_level_compare(after->version, before->version) < 0, hosts, "version", "hosts"},
        {before->cpu->architecture && after->cpu->architecture != before->cpu->architecture, used,
         "cpu.architecture", "hosts or VMs"},
        {after->switch_type != before->switch_type, hosts, "switch_type", "hosts"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].changed && rows[i].by)
            return fail_set(&request->why, FAIL_STATE,
                            "Cannot edit cluster. cluster.%s can't change so while cluster %s has "
                            "%s.",
                            rows[i].member, entity_name(entity), rows[i].who);
    return 0;
}

// ---- networks

ApiNetwork *cluster_network_find(const ApiCluster *cluster, const char *network)
{
    for (uint32_t i = 0; i < cluster->networks.count; i++)
        if (!strcmp(cluster->networks.items[i]->id, network))
            return cluster->networks.items[i];
    return NULL;
}

ApiNetwork *cluster_network_attach(Arena *arena, ApiCluster *cluster, const char *network,
                                   bool required)
{
    ApiNetwork *attached = cluster_network_find(cluster, network);
    if (!attached) {
        attached = api_reference_new(arena, &api_type_network, network);
        api_list_add(arena, &cluster->networks, attached);
    }
    attached->required = API_BOOL(required);
    return attached;
}

// Roles that hosts can't do without.
static const unsigned needed_roles =
    USAGE_BIT(DISPLAY) | USAGE_BIT(MIGRATION) | USAGE_BIT(MANAGEMENT) | USAGE_BIT(DEFAULT_ROUTE);

static void give_back_roles(Arena *arena, ApiCluster *cluster)
{
    unsigned taken = 0;
    ApiNetwork *management = cluster->management_network
                                 ? cluster_network_find(cluster, cluster->management_network->id)
                                 : NULL;
    for (uint32_t i = 0; i < cluster->networks.count; i++)
        taken |= network_usages(cluster->networks.items[i]);
    if (management && needed_roles & ~taken)
        network_set_usages(arena, management, network_usages(management) | (needed_roles & ~taken));
}

void cluster_network_set_roles(Arena *arena, ApiCluster *cluster, ApiNetwork *network,
                               unsigned roles)
{
    for (uint32_t i = 0; i < cluster->networks.count; i++) {
        ApiNetwork *other = cluster->networks.items[i];
        if (other != network && network_usages(other) & roles)
            network_set_usages(arena, other, network_usages(other) & ~roles);
    }
    network_set_usages(arena, network, roles);
    give_back_roles(arena, cluster);
}

void cluster_network_detach(Arena *arena, ApiCluster *cluster, const char *network)
{
    api_list_remove(&cluster->networks, cluster_network_find(cluster, network));
    give_back_roles(arena, cluster);
}

void cluster_set_management(Arena *arena, ApiCluster *cluster, const char *network)
{
    ApiNetwork *attached = cluster_network_attach(arena, cluster, network, true);
    cluster->management_network = api_reference_new(arena, &api_type_network, network);
    cluster_network_set_roles(arena, cluster, attached,
                              network_usages(attached) | USAGE_BIT(MANAGEMENT));
}
