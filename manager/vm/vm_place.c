#include "manager/vm/vm_place.h"

#include <stdlib.h>

#include "manager/fleet/host_link.h"
#include "manager/vm/vm_config.h"
#include "manager/vm/vm_devices.h"
#include "scheduler/schedule.h"

typedef struct Candidates {
    Arena arena;
    ScheduleHost *hosts;
    Entity **entities;
    ScheduleVerdict *verdicts;
    int count;
} Candidates;

static const char *const *host_networks(Arena *arena, const HostState *state)
{
    const ApiHost *hardware = state->hardware ? state->hardware->object : NULL;
    uint32_t count = hardware ? hardware->nics.count : 0, used = 0;
    const char **names = ARENA_ARRAY(arena, const char *, count + 1);
    for (uint32_t i = 0; i < count; i++)
        if (hardware->nics.items[i]->bridged == API_TRUE)
            names[used++] = hardware->nics.items[i]->name;
    return names;
}

int64_t host_cpu_count(const Entity *host)
{
    const ApiDocument *document = host_state(host)->hardware;
    const ApiHost *hardware = document ? document->object : NULL;
    const ApiCpuTopology *topology = hardware && hardware->cpu ? hardware->cpu->topology : NULL;
    return topology ? topology->sockets.value * topology->cores.value * topology->threads.value : 0;
}

static void fill_host(Candidates *candidates, Entity *host, ScheduleHost *to)
{
    const ApiHost *object = ENTITY_OBJECT(host, Host);
    const HostState *state = host_state(host);
    *to = (ScheduleHost){
        .id = host->id,
        .name = entity_name(host),
        .cluster = object->cluster->id,
        .up = state->status == API_HOST_STATUS_UP && host_link_is_open(state->link),
        .status = api_enum_name(&api_enum_host_status, state->status),
        .memory_total = state->memory_total,
        .memory_free = state->stats_ms ? state->memory_free : -1,
        .cpus = (int)host_cpu_count(host),
        .networks = host_networks(&candidates->arena, state),
    };
    LIST_EACH(&state->vms, VmState, on_host, vm) {
        const ApiVm *running = ENTITY_OBJECT(vm->entity, Vm);
        to->memory_committed +=
            running->memory_policy->guaranteed.value + ((int64_t)SCHEDULE_VM_OVERHEAD_MIB << 20);
        to->vcpus += (int)vm_config_cpus(running);
    }
}

static void candidates_done(Candidates *candidates)
{
    arena_done(&candidates->arena);
    free(candidates->hosts);
    free(candidates->entities);
    free(candidates->verdicts);
}

static void explain_no_host(const Candidates *candidates, const ApiVm *vm, Fail *why)
{
    AUTO_STRBUF text = {0};
    for (int i = 0; i < candidates->count; i++)
        strbuf_addf(&text, "%shost %s: %s", i ? "; " : "", candidates->hosts[i].name,
                    candidates->verdicts[i].reason);
    fail_set(why, FAIL_NO_HOST,
             "Cannot run VM. There is no host that satisfies current scheduling constraints.");
    fail_detail(why, "%s", text.length ? text.data : "there are no hosts");
    fail_hint(why, "Bring a host of the VM's cluster up, or change VM %s so that it fits one",
              vm->name);
}

Entity *vm_choose_host(Manager *manager, const ApiVm *vm, Fail *why)
{
    Candidates candidates = {0};
    size_t total = inventory_count(manager->inventory, KIND_HOST);
    candidates.hosts = NEW_ARRAY(ScheduleHost, total);
    candidates.entities = NEW_ARRAY(Entity *, total);
    candidates.verdicts = NEW_ARRAY(ScheduleVerdict, total);
    INVENTORY_EACH(manager->inventory, KIND_HOST, host) {
        candidates.entities[candidates.count] = host;
        fill_host(&candidates, host, &candidates.hosts[candidates.count++]);
    }
    uint32_t pins = vm->placement_policy ? vm->placement_policy->hosts.count : 0;
    const char **pinned = ARENA_ARRAY(&candidates.arena, const char *, pins + 1);
    for (uint32_t i = 0; i < pins; i++)
        pinned[i] = vm->placement_policy->hosts.items[i]->id;
    const char **networks = ARENA_ARRAY(&candidates.arena, const char *, vm->nics.count + 1);
    for (uint32_t i = 0, used = 0; i < vm->nics.count; i++) {
        const char *bridge = vm_nic_bridge(manager, vm->nics.items[i]);
        if (bridge)
            networks[used++] = bridge;
    }
    Entity *cluster = inventory_get(manager->inventory, KIND_CLUSTER, vm->cluster->id);
    const ApiMemoryPolicy *policy = ENTITY_OBJECT(cluster, Cluster)->memory_policy;
    ScheduleVm wanted = {
        .cluster = vm->cluster->id,
        .memory = vm->memory.value,
        .memory_guaranteed = vm->memory_policy->guaranteed.value,
        .vcpus = (int)vm_config_cpus(vm),
        .pinned = pinned,
        .networks = networks,
        .overcommit_percent =
            policy && policy->over_commit ? (int)policy->over_commit->percent.value : 100,
    };
    int best = schedule(&wanted, candidates.hosts, candidates.count, candidates.verdicts);
    Entity *host = best >= 0 ? candidates.entities[best] : NULL;
    if (!host)
        explain_no_host(&candidates, vm, why);
    candidates_done(&candidates);
    return host;
}
