// Adding, changing and removing VMs.
#include <string.h>

#include "manager/disk/disk.h"
#include "manager/fleet/fleet.h"
#include "manager/rest/reply.h"
#include "manager/vm/vm_config.h"
#include "manager/vm/vm_resize.h"
#include "manager/vm/vm_view.h"

static Entity *wanted_template(Request *request, const ApiVm *wanted)
{
    if (!wanted->template)
        return inventory_get(request->manager->inventory, KIND_TEMPLATE, UUID_ZERO);
    return request_reference(request, KIND_TEMPLATE, wanted->template, "vm.template");
}

static Entity *wanted_cluster(Request *request, const ApiVm *wanted)
{
    return request_reference(request, KIND_CLUSTER, wanted->cluster, "vm.cluster");
}

void vm_add(Request *request)
{
    const ApiVm *wanted = request->body;
    Entity *cluster = wanted_cluster(request, wanted);
    Entity *template = cluster ? wanted_template(request, wanted) : NULL;
    if (!template || vm_config_check_name(request, wanted->name, cluster, NULL)) {
        reply_fail(request);
        return;
    }
    if (wanted->id && !uuid_valid(wanted->id)) {
        fail_set(&request->why, FAIL_INVALID, "vm.id: \"%.100s\" is not a UUID.", wanted->id);
        reply_fail(request);
        return;
    }
    if (wanted->id && inventory_get(request->manager->inventory, KIND_VM, wanted->id)) {
        fail_set(&request->why, FAIL_EXISTS, "Cannot add VM. A VM with the id %s exists already.",
                 wanted->id);
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_add(change, KIND_VM, wanted->id);
    if (vm_config_create(request, draft, wanted, cluster, template)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    ApiVm *vm = draft->object;
    AUTO_FREE char *path = memory_format("/vms/%s", vm->id);
    event_add(change, request->method->event, &(EventFacts){.vm_name = vm->name});
    commit_and_show(request, change, 201, path);
}

// ---- changing

// What a running VM has at once. Everything else becomes true at its next start.
static const char *const live_members[] = {
    "name",
    "description",
    "comment",
    "delete_protected",
    "stop_reason",
    "high_availability",
    "custom_properties",
    "migration",
    "migration_downtime",
    "start_paused",
    "initialization",
};

static void copy_members(ApiVm *into, const ApiVm *from)
{
    for (size_t i = 0; i < COUNT_OF(live_members); i++) {
        const ApiField *field = api_field_find(&api_type_vm, live_members[i]);
        size_t size = field->flags & API_LIST ? sizeof(ApiList) : api_item_size(field);
        memcpy((char *)into + field->offset, (const char *)from + field->offset, size);
    }
    // Only the scheduler reads it. More than its memory follows with the memory.
    int64_t guaranteed = from->memory_policy->guaranteed.value;
    if (guaranteed > into->memory.value)
        guaranteed = into->memory.value;
    into->memory_policy->guaranteed = API_INT(guaranteed);
}

// A configuration to lay the client's wishes over: the pending one when there is one.
static ApiVm *update_base(Arena *arena, const ApiVm *now)
{
    ApiVm *base = api_clone(arena, &api_type_vm, now);
    if (base->next_run) {
        vm_config_take_next_run(base);
        copy_members(base, api_clone(arena, &api_type_vm, now));
    }
    return base;
}

static int take_cluster(Request *request, Arena *arena, const Entity *entity, ApiVm *base)
{
    const ApiVm *wanted = request->body, *now = ENTITY_OBJECT(entity, Vm);
    Manager *manager = request->manager;
    if (!wanted->cluster)
        return 0;
    Entity *cluster = request_reference(request, KIND_CLUSTER, wanted->cluster, "vm.cluster");
    if (!cluster)
        return fail_to_errno(request->why.code);
    if (!strcmp(cluster->id, now->cluster->id))
        return 0;
    if (vm_state(entity)->host)
        return fail_set(&request->why, FAIL_STATE,
                        "Cannot edit VM. The cluster of the running VM %s can't be changed.",
                        now->name);
    if (cluster_data_center(manager, cluster->id) != cluster_data_center(manager, now->cluster->id))
        return fail_set(&request->why, FAIL_CONFLICT,
                        "Cannot edit VM. Cluster %s is in another data center.",
                        entity_name(cluster));
    base->cluster = api_reference_new(arena, &api_type_cluster, cluster->id);
    return 0;
}

static int update_running(Request *request, Change *change, Entity *entity, ApiVm *next,
                          Array *operations)
{
    ApiVm *now = change_edit(change, entity)->object;
    bool at_once = !request_flag(request, "next_run", false);
    if (at_once)
        copy_members(now, next);
    now->next_run = NULL;
    if (api_equal(&api_type_vm, now, next))
        return 0;
    next->nics.set = next->disk_attachments.set = next->cdroms.set = false;
    next->nics.count = next->disk_attachments.count = next->cdroms.count = 0;
    now->next_run = next;
    return at_once ? vm_plan_resize(change, entity, next, request->body, operations, &request->why)
                   : 0;
}

void vm_update(Request *request)
{
    const ApiVm *wanted = request->body;
    Entity *entity = request_entity(request, 0, KIND_VM);
    request_flag(request, "next_run", false);
    if (!entity || fail_is_set(&request->why) || request_check_free(request, entity, LOCK_SHARED)) {
        reply_fail(request);
        return;
    }
    AUTO_ARRAY operations = {0};
    bool runs = vm_state(entity)->host != NULL;
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_edit(change, entity);
    ApiVm *next = update_base(&draft->arena, draft->object);
    Entity *cluster = inventory_get(request->manager->inventory, KIND_CLUSTER, next->cluster->id);
    if (take_cluster(request, &draft->arena, entity, next) ||
        vm_config_merge(request, &draft->arena, next, wanted, runs) ||
        vm_config_check_name(request, next->name, cluster, entity) ||
        (runs && update_running(request, change, entity, next, &operations))) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    if (!runs)
        *(ApiVm *)draft->object = *next;
    event_add(change, request->method->event, &(EventFacts){.vm = entity});
    AUTO_FREE char *path = memory_format("/vms/%s", entity->id);
    commit_and_try(request, change, &operations, path);
}

// ---- removing

static bool disk_is_shared(const Inventory *inventory, const char *disk)
{
    const Array *vms = inventory_disk_vms(inventory, disk);
    return vms && vms->count > 1;
}

static int check_removable(Request *request, const Entity *entity, bool detach_only)
{
    const ApiVm *vm = ENTITY_OBJECT(entity, Vm);
    Inventory *inventory = request->manager->inventory;
    if (request_check_free(request, entity, LOCK_EXCLUSIVE)) {
        fail_prefix(&request->why, "Cannot remove VM. ");
        return fail_to_errno(FAIL_LOCKED);
    }
    if (vm_status(request->manager, entity) != API_VM_STATUS_DOWN) {
        fail_set(&request->why, FAIL_STATE, "Cannot remove VM. VM is running.");
        fail_hint(&request->why, "Shut VM %s down or stop it first", vm->name);
        return fail_to_errno(FAIL_STATE);
    }
    if (vm->delete_protected == API_TRUE)
        return fail_set(&request->why, FAIL_CONFLICT,
                        "Cannot remove VM. Delete protection is enabled. In order to delete, "
                        "disable Delete protection first.");
    for (uint32_t i = 0; !detach_only && i < vm->disk_attachments.count; i++) {
        Entity *disk = inventory_get(inventory, KIND_DISK, vm->disk_attachments.items[i]->id);
        if (disk && !disk_is_shared(inventory, disk->id) &&
            disk_check_remove(request, disk, entity->id))
            return fail_to_errno(request->why.code);
    }
    return 0;
}

void vm_remove(Request *request)
{
    Entity *entity = request_entity(request, 0, KIND_VM);
    bool detach_only = request_flag(request, "detach_only", false);
    if (!entity || fail_is_set(&request->why) || check_removable(request, entity, detach_only)) {
        reply_fail(request);
        return;
    }
    AUTO_ARRAY operations = {0};
    const ApiVm *vm = ENTITY_OBJECT(entity, Vm);
    Inventory *inventory = request->manager->inventory;
    Change *change = change_new(request->manager, &request->cause);
    for (uint32_t i = 0; !detach_only && i < vm->disk_attachments.count; i++) {
        const char *id = vm->disk_attachments.items[i]->id, *operation;
        Entity *disk = inventory_get(inventory, KIND_DISK, id);
        if (!disk || disk_is_shared(inventory, id))
            continue;
        disk_plan_remove(change, disk, &operation);
        array_add(&operations, (void *)operation);
    }
    event_add(change, EVENT_USER_REMOVE_VM_FINISHED, &(EventFacts){.vm = entity});
    change_remove(change, entity);
    commit_and_run_all(request, change, &operations);
}
