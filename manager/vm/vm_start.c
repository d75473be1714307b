// The operation that starts a VM: choose a host, create it there, wait until it runs.
#include "manager/vm/vm_start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "manager/fleet/fleet.h"
#include "manager/fleet/reports.h"
#include "manager/operations/step_call.h"
#include "manager/rest/reply.h"
#include "manager/vm/cloud_init.h"
#include "manager/vm/vm_action.h"
#include "manager/vm/domain_xml.h"
#include "manager/vm/vm_call.h"
#include "manager/vm/vm_config.h"
#include "manager/vm/vm_devices.h"
#include "manager/vm/vm_end.h"
#include "manager/vm/vm_place.h"
#include "manager/vm/vm_view.h"
#include "proto/vdsm.h"

enum { WATCH_MS = 1000, LAUNCH_MS = 300000 };

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

// ---- checks before anything is touched

static bool has_boot_device(const ApiVm *vm, ApiBootDevice device)
{
    for (uint32_t i = 0; i < vm->os->boot->devices.count; i++)
        if (vm->os->boot->devices.items[i] == device)
            return true;
    return false;
}

static int check_bootable(const ApiVm *vm, int disks, Fail *why)
{
    if (vm->os->kernel && *vm->os->kernel)
        return 0;
    if (has_boot_device(vm, API_BOOT_DEVICE_NETWORK) && vm->nics.count)
        return 0;
    if (has_boot_device(vm, API_BOOT_DEVICE_CDROM) && vm_cd_content(vm))
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

// ---- POST /vms/{id}/start

static const ApiVm *wanted_once(const Request *request)
{
    const ApiAction *action = request->body;
    return action ? action->vm : NULL;
}

static int start_check(Request *request, Entity *entity, Entity **ret_host)
{
    DomainDisk disks[VM_DISKS_MAX];
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
    int count = vm_collect_disks(request->manager, vm, disks);
    int result = vm_config_check(vm, &request->why);
    if (!result)
        result = check_bootable(vm, count, &request->why);
    if (!result)
        result = check_disks(request, disks, count);
    if (!result) {
        *ret_host = vm_choose_host(request->manager, vm, &request->why);
        result = *ret_host ? 0 : fail_to_errno(FAIL_NO_HOST);
    }
    return result;
}

static ApiHost *host_reference(Arena *arena, const Entity *host)
{
    ApiHost *reference = ARENA_NEW(arena, ApiHost);
    reference->id = arena_string(arena, host->id);
    return reference;
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
    // Durable before the host hears of it: after a restart nobody may take the VM for stopped.
    ApiDocument *draft = change_edit(change, entity);
    ((ApiVm *)draft->object)->host = host_reference(&draft->arena, host);
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
    if (entity && vm_status(request->manager, entity) == API_VM_STATUS_PAUSED) {
        vm_resume(request, entity);
        return;
    }
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
    DomainDisk disks[VM_DISKS_MAX] = {0}, cd = {0};
    DomainNic nics[VM_NICS_MAX];
    ApiVm *vm = effective_vm(&arena, entity, context->run_once);
    const char *cd_path = vm_cd_content(vm);
    DomainInput input = {
        .vm = vm,
        .cluster_version = "4.7",
        .accelerated = host_state(step_host(operation))->accelerated,
        .disks = disks,
        .disk_count = vm_collect_disks(manager, vm, disks),
        .nics = nics,
        .nic_count = vm_collect_nics(manager, vm, nics),
        .kernel = vm->os->kernel && *vm->os->kernel ? vm->os->kernel : NULL,
        .initrd = vm->os->initrd && *vm->os->initrd ? vm->os->initrd : NULL,
        .command_line = vm->os->cmdline,
        .start_paused = context->flag == API_TRUE,
        .boot = vm->os->boot->devices.items,
        .boot_count = (int)vm->os->boot->devices.count,
    };
    if (cd_path && vm_disk_place(manager, cd_path, &cd))
        input.cd_disk = &cd;
    else
        input.cd_path = cd_path;
    if (context->keep == API_TRUE && vm->initialization)
        input.payload = cloud_init_payload(&arena, vm, vm->initialization);
    domain_xml_write(xml, &input);
}

static void create_answered(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)result;
    if (!fail_is_set(why) || code == VDSM_VM_EXISTS) {
        Entity *vm = step_vm(operation);
        if (vm && vm_state(vm)->status == API_VM_STATUS_DOWN && !vm_state(vm)->host)
            vm_state(vm)->status = API_VM_STATUS_UNSET;
        if (vm)
            vm_state_set_host(vm, step_host(operation));
        operation_done(operation);
        return;
    }
    step_fail(operation, why);
}

static void act_create(Operation *operation)
{
    StrBuf params = {0}, xml = {0};
    JsonWriter writer;
    if (step_lost(operation))
        return;
    Entity *vm = step_vm(operation);
    write_domain(operation, &xml);
    vm_call_params(&writer, &params, vm);
    json_key(&writer, "vmParams");
    json_open(&writer, '{');
    json_add_string(&writer, "vmId", vm->id);
    json_add_string(&writer, "xml", xml.data);
    json_close(&writer, '}');
    json_close(&writer, '}');
    strbuf_done(&xml);
    step_call(operation, step_host(operation), "VM.create", &params, create_answered);
}

static void destroy_answered(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)result;
    Entity *vm = step_vm(operation);
    if (fail_is_set(why) && code != VDSM_NO_SUCH_VM) {
        step_fail(operation, why);
        return;
    }
    Change *change = operation_change(operation);
    if (vm) {
        vm_state_set_host(vm, NULL);
        vm_state(vm)->status = API_VM_STATUS_DOWN;
        ((ApiVm *)change_edit(change, vm)->object)->host = NULL;
    }
    operation_done_with(operation, change);
}

static void undo_create(Operation *operation)
{
    StrBuf params = {0};
    JsonWriter writer;
    Entity *host = step_host(operation), *vm = step_vm(operation);
    if (!host || !vm) {
        operation_done(operation);
        return;
    }
    vm_call_params(&writer, &params, vm);
    json_close(&writer, '}');
    step_call(operation, host, "VM.destroy", &params, destroy_answered);
}

static void stats_answered(Operation *operation, const Json *result, const Fail *why, int code)
{
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
    JsonWriter writer;
    vm_call_params(&writer, &params, step_vm(operation));
    json_close(&writer, '}');
    step_call(operation, host, "VM.getStats", &params, stats_answered);
}

static void launch_failed(Operation *operation, const VmState *state)
{
    AUTO_FAIL why = {0};
    fail_set(&why, FAIL_HOST, "VM %s could not be started on host %s.", entity_name(state->entity),
             entity_name(step_host(operation)));
    fail_detail(&why, "%s",
                state->exit_message && *state->exit_message ? state->exit_message
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
    else if (state->status == API_VM_STATUS_UNSET || state->status == API_VM_STATUS_UNKNOWN ||
             state->status == API_VM_STATUS_WAIT_FOR_LAUNCH)
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
