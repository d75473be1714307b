// The operation that starts a VM: choose a host, create it there, wait until it runs.
#include "manager/vm/vm_start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "manager/fleet/fleet.h"
#include "manager/fleet/reports.h"
#include "manager/rest/reply.h"
#include "manager/vm/cloud_init.h"
#include "manager/vm/domain_xml.h"
#include "manager/vm/vm_config.h"
#include "manager/vm/vm_end.h"
#include "manager/vm/vm_view.h"
#include "proto/vdsm.h"
#include "scheduler/schedule.h"

enum { CREATE_MS = 60000, WATCH_MS = 1000, LAUNCH_MS = 300000, DISKS_MAX = 64, NICS_MAX = 64 };

// ---- the configuration of this one start

// The stored VM with the changes of "run once" laid over, in the arena.
static ApiVm *effective_vm(Arena *arena, const Entity *entity, const ApiVm *once)
{
    ApiVm *vm = api_clone(arena, &api_type_vm, entity->document->object);
    if (once) {
        const char *id = vm->id, *name = vm->name;
        api_merge(arena, &api_type_vm, vm, once);
        vm->id = id;
        vm->name = name;
    }
    return vm;
}

static const char *network_bridge(const Manager *manager, const ApiNic *nic)
{
    Entity *profile = nic->vnic_profile ? inventory_get(manager->inventory, KIND_VNIC_PROFILE,
                                                        nic->vnic_profile->id)
                                        : NULL;
    const ApiVnicProfile *object = profile ? ENTITY_OBJECT(profile, VnicProfile) : NULL;
    Entity *network = object && object->network ? inventory_get(manager->inventory, KIND_NETWORK,
                                                                object->network->id)
                                                : NULL;
    if (!network)
        return NULL;
    const ApiNetwork *found = ENTITY_OBJECT(network, Network);
    return found->vdsm_name ? found->vdsm_name : found->name;
}

static int collect_nics(const Manager *manager, const ApiVm *vm, DomainNic *nics)
{
    int count = 0;
    for (uint32_t i = 0; i < vm->nics.count && count < NICS_MAX; i++)
        if (vm->nics.items[i]->plugged != API_FALSE)
            nics[count++] = (DomainNic){vm->nics.items[i],
                                        network_bridge(manager, vm->nics.items[i])};
    return count;
}

static bool disk_place(const Manager *manager, const char *id, DomainDisk *ret)
{
    Entity *disk = inventory_get(manager->inventory, KIND_DISK, id);
    const ApiDisk *object = disk ? ENTITY_OBJECT(disk, Disk) : NULL;
    if (!object || !object->storage_domains.count)
        return false;
    Entity *domain = inventory_get(manager->inventory, KIND_STORAGE_DOMAIN,
                                   object->storage_domains.items[0]->id);
    const ApiStorageDomain *place = domain ? ENTITY_OBJECT(domain, StorageDomain) : NULL;
    if (!place || !place->data_center)
        return false;
    ret->disk = object;
    ret->storage_domain = domain->id;
    ret->data_center = place->data_center->id;
    return true;
}

static int collect_disks(const Manager *manager, const ApiVm *vm, DomainDisk *disks)
{
    int count = 0;
    for (uint32_t i = 0; i < vm->disk_attachments.count && count < DISKS_MAX; i++) {
        const ApiDiskAttachment *attachment = vm->disk_attachments.items[i];
        if (attachment->active == API_FALSE ||
            !disk_place(manager, attachment->id, &disks[count]))
            continue;
        disks[count++].attachment = attachment;
    }
    return count;
}

// ---- checks before anything is touched

static bool has_boot_device(const ApiVm *vm, ApiBootDevice device)
{
    for (uint32_t i = 0; i < vm->os->boot->devices.count; i++)
        if (vm->os->boot->devices.items[i] == device)
            return true;
    return false;
}

// What lies in the CD drive: an id of a disk, or a path on the host; NULL when it is empty.
static const char *cd_content(const ApiVm *vm)
{
    for (uint32_t i = 0; i < vm->cdroms.count; i++)
        if (vm->cdroms.items[i]->file && vm->cdroms.items[i]->file->id &&
            *vm->cdroms.items[i]->file->id)
            return vm->cdroms.items[i]->file->id;
    return NULL;
}

static int check_bootable(const ApiVm *vm, int disks, Fail *why)
{
    if (vm->os->kernel && *vm->os->kernel)
        return 0;
    if (has_boot_device(vm, API_BOOT_DEVICE_NETWORK) && vm->nics.count)
        return 0;
    if (has_boot_device(vm, API_BOOT_DEVICE_CDROM) && cd_content(vm))
        return 0;
    if (disks)
        return 0;
    fail_set(why, FAIL_CONFLICT,
             "Cannot run VM. Cannot run VM without at least one bootable disk.");
    fail_hint(why, "Attach a disk to VM %s, or start it once from a CD, the network or a kernel",
              vm->name);
    return fail_to_errno(FAIL_CONFLICT);
}

static int check_disks(Request *request, const DomainDisk *disks, int count)
{
    for (int i = 0; i < count; i++) {
        Entity *disk = inventory_get(request->manager->inventory, KIND_DISK, disks[i].disk->id);
        if (request_check_free(request, disk, LOCK_SHARED)) {
            fail_prefix(&request->why, "Cannot run VM. ");
            return fail_to_errno(FAIL_LOCKED);
        }
        if (disks[i].disk->status == API_DISK_STATUS_ILLEGAL)
            return fail_set(&request->why, FAIL_STATE, "Cannot run VM. Disk %s is illegal.",
                            disks[i].disk->alias);
    }
    return 0;
}

// ---- scheduling

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
        .networks = host_networks(&candidates->arena, state),
    };
    const ApiHost *hardware = state->hardware ? state->hardware->object : NULL;
    if (hardware && hardware->cpu) {
        const ApiCpuTopology *topology = hardware->cpu->topology;
        to->cpus = (int)(topology->sockets.value * topology->cores.value * topology->threads.value);
    }
    LIST_EACH(&state->vms, VmState, on_host, vm) {
        const ApiVm *running = ENTITY_OBJECT(vm->entity, Vm);
        to->memory_committed += running->memory_policy->guaranteed.value +
                                ((int64_t)SCHEDULE_VM_OVERHEAD_MIB << 20);
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

static Entity *choose_host(Manager *manager, const ApiVm *vm, Fail *why)
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
        const char *bridge = network_bridge(manager, vm->nics.items[i]);
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

// ---- POST /vms/{id}/start

static const ApiVm *wanted_once(const Request *request)
{
    const ApiAction *action = request->body;
    return action ? action->vm : NULL;
}

static int start_check(Request *request, Entity *entity, Entity **ret_host)
{
    DomainDisk disks[DISKS_MAX];
    ApiVmStatus status = vm_status(request->manager, entity);
    if (request_check_free(request, entity, LOCK_EXCLUSIVE)) {
        fail_prefix(&request->why, "Cannot run VM. ");
        return fail_to_errno(FAIL_LOCKED);
    }
    if (status != API_VM_STATUS_DOWN) {
        fail_set(&request->why, FAIL_STATE, "Cannot run VM. VM is running.");
        fail_detail(&request->why, "VM %s is %s", entity_name(entity),
                    api_enum_name(&api_enum_vm_status, status));
        return fail_to_errno(FAIL_STATE);
    }
    ApiVm *vm = effective_vm(&request->arena, entity, wanted_once(request));
    int count = collect_disks(request->manager, vm, disks);
    int result = vm_config_check(vm, &request->why);
    if (!result)
        result = check_bootable(vm, count, &request->why);
    if (!result)
        result = check_disks(request, disks, count);
    if (!result) {
        *ret_host = choose_host(request->manager, vm, &request->why);
        result = *ret_host ? 0 : fail_to_errno(FAIL_NO_HOST);
    }
    return result;
}

static void start_plan(Request *request, Change *change, Entity *entity, Entity *host,
                       const char **ret_id)
{
    Arena *arena;
    const ApiAction *action = request->body;
    const ApiVm *vm = ENTITY_OBJECT(entity, Vm), *once = wanted_once(request);
    ApiOperationContext *context = operation_plan(change, &vm_start_kind, &arena, ret_id);
    context->vm = arena_string(arena, entity->id);
    context->host = arena_string(arena, host->id);
    context->text = arena_string(arena, vm->name);
    if (once)
        context->run_once = api_clone(arena, &api_type_vm, once);
    bool pause = (action && action->pause == API_TRUE) || vm->start_paused == API_TRUE;
    context->flag = API_BOOL(pause);
    // Initialization data goes to a VM that starts for the first time, or when asked.
    bool asked = action && action->use_cloud_init == API_TRUE;
    bool first = vm->initialized != API_TRUE && vm->initialization;
    context->keep = API_BOOL(asked || first || (once && once->initialization));
    operation_lock(change, *ret_id, entity->id, LOCK_EXCLUSIVE);
    for (uint32_t i = 0; i < vm->disk_attachments.count; i++)
        operation_lock(change, *ret_id, vm->disk_attachments.items[i]->id, LOCK_SHARED);
}

void vm_start(Request *request)
{
    Entity *entity = request_entity(request, 0, KIND_VM), *host = NULL;
    const char *id;
    if (!entity || start_check(request, entity, &host)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    start_plan(request, change, entity, host, &id);
    event_add(change, request->method->event, &(EventFacts){.vm = entity, .host = host});
    commit_and_run(request, change, id, 200, NULL);
}

// ---- steps

static Entity *step_vm(Operation *operation)
{
    return inventory_get(operation->manager->inventory, KIND_VM, operation_context(operation)->vm);
}

static Entity *step_host(Operation *operation)
{
    return inventory_get(operation->manager->inventory, KIND_HOST,
                         operation_context(operation)->host);
}

// True when the VM or its host have gone: the operation fails.
static bool step_lost(Operation *operation)
{
    AUTO_FAIL why = {0};
    if (step_vm(operation) && step_host(operation))
        return false;
    fail_set(&why, FAIL_NOT_FOUND, "The VM or its host was removed meanwhile.");
    operation_fail(operation, &why);
    return true;
}

static void write_domain(Operation *operation, StrBuf *xml)
{
    Manager *manager = operation->manager;
    const ApiOperationContext *context = operation_context(operation);
    Entity *entity = step_vm(operation);
    AUTO_ARENA arena = {0};
    DomainDisk disks[DISKS_MAX] = {0}, cd = {0};
    DomainNic nics[NICS_MAX];
    ApiVm *vm = effective_vm(&arena, entity, context->run_once);
    const char *cd_path = cd_content(vm);
    DomainInput input = {
        .vm = vm,
        .cluster_version = "4.7",
        .accelerated = host_state(step_host(operation))->accelerated,
        .disks = disks,
        .disk_count = collect_disks(manager, vm, disks),
        .nics = nics,
        .nic_count = collect_nics(manager, vm, nics),
        .kernel = vm->os->kernel && *vm->os->kernel ? vm->os->kernel : NULL,
        .initrd = vm->os->initrd && *vm->os->initrd ? vm->os->initrd : NULL,
        .command_line = vm->os->cmdline,
        .start_paused = context->flag == API_TRUE,
        .boot = vm->os->boot->devices.items,
        .boot_count = (int)vm->os->boot->devices.count,
    };
    if (cd_path && disk_place(manager, cd_path, &cd))
        input.cd_disk = &cd;
    else
        input.cd_path = cd_path;
    if (context->keep == API_TRUE && vm->initialization)
        input.payload = cloud_init_payload(&arena, vm, vm->initialization);
    domain_xml_write(xml, &input);
}

typedef struct StartCall {
    Manager *manager;
    char operation[UUID_SIZE];
    uint64_t turn;
} StartCall;

static StartCall *start_call(Operation *operation)
{
    StartCall *call = NEW(StartCall);
    call->manager = operation->manager;
    call->turn = operation_turn(operation);
    memcpy(call->operation, operation->entity->id, UUID_SIZE);
    return call;
}

// The operation when it still waits for this answer. Frees the call.
static Operation *start_call_end(StartCall *call)
{
    Operation *operation = operation_find(call->manager, call->operation);
    bool current = operation && operation_is_current(operation, call->turn);
    free(call);
    return current ? operation : NULL;
}

static void create_answered(const Json *result, const Fail *why, int code, void *argument)
{
    Operation *operation = start_call_end(argument);
    (void)result;
    if (!operation)
        return;
    if (!fail_is_set(why) || code == VDSM_VM_EXISTS) {
        Entity *vm = step_vm(operation);
        if (vm && vm_state(vm)->status == API_VM_STATUS_DOWN && !vm_state(vm)->host)
            vm_state(vm)->status = API_VM_STATUS_UNSET;
        if (vm)
            vm_state_set_host(vm, step_host(operation));
        operation_done(operation);
        return;
    }
    if (!code) { // no answer: it may have been created all the same; ask again
        operation_wait(operation, WATCH_MS);
        return;
    }
    AUTO_FAIL copy = {0};
    fail_copy(&copy, why);
    operation_fail(operation, &copy);
}

static void act_create(Operation *operation)
{
    StrBuf params = {0}, xml = {0};
    JsonWriter writer = {.out = &params};
    if (step_lost(operation))
        return;
    Entity *vm = step_vm(operation);
    write_domain(operation, &xml);
    json_open(&writer, '{');
    json_add_string(&writer, "vmID", vm->id);
    json_key(&writer, "vmParams");
    json_open(&writer, '{');
    json_add_string(&writer, "vmId", vm->id);
    json_add_string(&writer, "xml", xml.data);
    json_close(&writer, '}');
    json_close(&writer, '}');
    strbuf_done(&xml);
    host_call_entity(operation->manager, step_host(operation), "VM.create", &params, CREATE_MS,
                     create_answered, start_call(operation));
}

static void destroy_answered(const Json *result, const Fail *why, int code, void *argument)
{
    Operation *operation = start_call_end(argument);
    (void)result;
    if (!operation)
        return;
    Entity *vm = step_vm(operation);
    if (fail_is_set(why) && code != VDSM_NO_SUCH_VM) {
        AUTO_FAIL copy = {0};
        fail_copy(&copy, why);
        operation_fail(operation, &copy);
        return;
    }
    if (vm) {
        vm_state_set_host(vm, NULL);
        vm_state(vm)->status = API_VM_STATUS_DOWN;
    }
    operation_done(operation);
}

static void undo_create(Operation *operation)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    Entity *host = step_host(operation);
    if (!host || !step_vm(operation)) {
        operation_done(operation);
        return;
    }
    json_open(&writer, '{');
    json_add_string(&writer, "vmID", operation_context(operation)->vm);
    json_close(&writer, '}');
    host_call_entity(operation->manager, host, "VM.destroy", &params, CREATE_MS, destroy_answered,
                     start_call(operation));
}

static void stats_answered(const Json *result, const Fail *why, int code, void *argument)
{
    Operation *operation = start_call_end(argument);
    if (!operation)
        return;
    Entity *vm = step_vm(operation), *host = step_host(operation);
    if (vm && host && !fail_is_set(why)) {
        JSON_EACH(result, one)
            report_vm_event(operation->manager, host, vm->id, one, 0);
    } else if (code == VDSM_NO_SUCH_VM) {
        AUTO_FAIL lost = {0};
        fail_set(&lost, FAIL_HOST, "The host does not know the VM it was to start.");
        operation_fail(operation, &lost);
        return;
    }
    operation_wait(operation, WATCH_MS);
}

static void ask_stats(Operation *operation, Entity *host)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    json_open(&writer, '{');
    json_add_string(&writer, "vmID", operation_context(operation)->vm);
    json_close(&writer, '}');
    host_call_entity(operation->manager, host, "VM.getStats", &params, CREATE_MS, stats_answered,
                     start_call(operation));
}

static void launch_failed(Operation *operation, const VmState *state)
{
    AUTO_FAIL why = {0};
    fail_set(&why, FAIL_HOST, "VM %s could not be started on host %s.", entity_name(state->entity),
             entity_name(step_host(operation)));
    fail_detail(&why, "%s", state->exit_message && *state->exit_message ? state->exit_message
                                                                       : "no reason was given");
    operation_fail(operation, &why);
}

// Events tell of the change; asking makes sure when an event was lost.
static void act_launch(Operation *operation)
{
    if (step_lost(operation))
        return;
    const VmState *state = vm_state(step_vm(operation));
    if (state->status == API_VM_STATUS_DOWN)
        launch_failed(operation, state);
    else if (state->status == API_VM_STATUS_UNSET || state->status == API_VM_STATUS_WAIT_FOR_LAUNCH)
        ask_stats(operation, step_host(operation));
    else
        operation_done(operation);
}

static const OperationStep start_steps[] = {
    {"create", "Creating the VM on its host", act_create, undo_create, 0},
    {"launch", "Waiting until it runs", act_launch, NULL, LAUNCH_MS},
};

static void start_finish(Operation *operation, Change *change, const Fail *why)
{
    Entity *vm = step_vm(operation), *host = step_host(operation);
    const ApiOperationContext *context = operation_context(operation);
    AUTO_FREE char *text = fail_is_set(why) ? fail_text(why) : NULL;
    EventFacts facts = {.vm = vm, .host = host, .vm_name = context->text, .detail = text};
    event_add(change, text ? EVENT_USER_FAILED_RUN_VM : EVENT_USER_STARTED_VM, &facts);
    if (!vm || text)
        return;
    vm_state(vm)->run_once = context->run_once != NULL;
    if (context->keep == API_TRUE)
        ((ApiVm *)change_edit(change, vm)->object)->initialized = API_TRUE;
    fleet_refresh(operation->manager, host);
}

const OperationKind vm_start_kind = {
    .name = "vm_start",
    .title = "Starting VM ${vm}",
    .steps = start_steps,
    .count = COUNT_OF(start_steps),
    .finish = start_finish,
};
