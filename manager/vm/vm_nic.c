// Network interfaces of VMs.
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "manager/network/mac_pool.h"
#include "manager/rest/check.h"
#include "manager/rest/reply.h"
#include "manager/vm/vm_call.h"
#include "manager/vm/vm_devices.h"
#include "manager/vm/vm_nic_update.h"
#include "manager/vm/vm_plug.h"
#include "rest_handlers.h"

enum { NAME_MAX_LENGTH = 50 };

// ---- reading

static const GuestNic *guest_nic(const VmState *state, const ApiNic *nic)
{
    for (int i = 0; i < state->guest_nic_count; i++)
        if (state->guest_nics[i].mac && nic->mac &&
            !strcasecmp(state->guest_nics[i].mac, nic->mac->address))
            return &state->guest_nics[i];
    return NULL;
}

static ApiReportedDevice *reported_device(Arena *arena, const Entity *vm, const GuestNic *nic)
{
    char id[UUID_SIZE];
    ApiReportedDevice *device = ARENA_NEW(arena, ApiReportedDevice);
    AUTO_FREE char *name = memory_format("%s:%s", vm->id, nic->mac ? nic->mac : nic->name);
    device->id = arena_string(arena, uuid_from_name("reported_device", name, id));
    device->name = arena_string(arena, nic->name);
    device->description = "guest reported data";
    device->type = API_REPORTED_DEVICE_TYPE_NETWORK;
    if (nic->mac) {
        device->mac = ARENA_NEW(arena, ApiMac);
        device->mac->address = arena_string(arena, nic->mac);
    }
    device->vm = api_reference_new(arena, &api_type_vm, vm->id);
    for (int i = 0; i < nic->address_count; i++) {
        ApiIp *ip = ARENA_NEW(arena, ApiIp);
        ip->address = arena_string(arena, nic->addresses[i]);
        ip->version = strchr(nic->addresses[i], ':') ? API_IP_VERSION_V6 : API_IP_VERSION_V4;
        api_list_add(arena, &device->ips, ip);
    }
    return device;
}

static void nic_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiNic *view = target;
    *view = *(const ApiNic *)item->part;
    view->vm = api_reference_new(scratch, &api_type_vm, item->entity->id);
    view->synced = API_TRUE;
    const GuestNic *guest = guest_nic(vm_state(item->entity), view);
    if (guest)
        api_list_add(scratch, &view->reported_devices,
                     reported_device(scratch, item->entity, guest));
    (void)request;
}

static int nics_of(Request *request, Items *items, const char *only)
{
    Entity *vm = request_entity(request, 0, KIND_VM);
    if (!vm)
        return fail_to_errno(request->why.code);
    const ApiVm *object = ENTITY_OBJECT(vm, Vm);
    items->view = nic_view;
    for (uint32_t i = 0; i < object->nics.count; i++)
        if (!only || !strcmp(object->nics.items[i]->id, only))
            items_add_part(items, vm, object->nics.items[i]);
    if (only && !items->count)
        return fail_set(&request->why, FAIL_NOT_FOUND, "VM %s has no network interface %s.",
                        entity_name(vm), only);
    return 0;
}

int vm_nic_list(Request *request, Items *items)
{
    return nics_of(request, items, NULL);
}

int vm_nic_get(Request *request, Items *items)
{
    return nics_of(request, items, request_id(request, 1));
}

// What the guest says of all its interfaces, or of the one in the URL.
static int reported_of(Request *request, Items *items, const char *only)
{
    Entity *vm = request_entity(request, 0, KIND_VM);
    if (!vm)
        return fail_to_errno(request->why.code);
    const VmState *state = vm_state(vm);
    const char *nic_id = strstr(request->route.path, "/nics/") ? request_id(request, 1) : NULL;
    const ApiNic *nic = nic_id ? vm_find_nic(ENTITY_OBJECT(vm, Vm), nic_id) : NULL;
    if (nic_id && !nic)
        return request_not_found(request, "NIC", nic_id);
    for (int i = 0; i < state->guest_nic_count; i++) {
        if (nic && guest_nic(state, nic) != &state->guest_nics[i])
            continue;
        ApiReportedDevice *device = reported_device(&request->arena, vm, &state->guest_nics[i]);
        if (!only || !strcmp(device->id, only))
            items_add_value(items, device);
    }
    if (only && !items->count)
        return fail_set(&request->why, FAIL_NOT_FOUND, "The guest of VM %s reports no device %s.",
                        entity_name(vm), only);
    return 0;
}

int vm_reported_list(Request *request, Items *items)
{
    return reported_of(request, items, NULL);
}

int vm_reported_get(Request *request, Items *items)
{
    return reported_of(request, items, request->route.steps[request->route.depth - 1].segment);
}

// ---- checking what clients send

static int check_name(Request *request, const ApiVm *vm, const char *name, const char *except)
{
    size_t length = strlen(name);
    bool good = length > 0 && length <= NAME_MAX_LENGTH;
    for (const unsigned char *at = (const unsigned char *)name; good && *at; at++)
        good = isalnum(*at) || strchr("._-", *at);
    if (!good)
        return fail_set(&request->why, FAIL_INVALID,
                        "nic.name: \"%.60s\" must have 1 to %d letters, digits and . _ -", name,
                        NAME_MAX_LENGTH);
    for (uint32_t i = 0; i < vm->nics.count; i++) {
        const ApiNic *other = vm->nics.items[i];
        if (strcmp(other->name, name) || (except && !strcmp(other->id, except)))
            continue;
        fail_set(&request->why, FAIL_EXISTS,
                 "Cannot add Interface. The network interface name %s is already in use by VM %s.",
                 name, vm->name);
        return fail_to_errno(FAIL_EXISTS);
    }
    return 0;
}

// By profile, or by network: then the network's first profile. NULL without failure: none.
static Entity *wanted_profile(Request *request, const ApiNic *wanted)
{
    Inventory *inventory = request->manager->inventory;
    const ApiHead *head = (const ApiHead *)wanted->vnic_profile;
    if (wanted->vnic_profile && (head->id || wanted->vnic_profile->name))
        return request_reference(request, KIND_VNIC_PROFILE, wanted->vnic_profile,
                                 "nic.vnic_profile");
    if (!wanted->network || (!wanted->network->id && !wanted->network->name))
        return NULL;
    Entity *network = request_reference(request, KIND_NETWORK, wanted->network, "nic.network");
    if (!network)
        return NULL;
    INVENTORY_EACH(inventory, KIND_VNIC_PROFILE, profile)
        if (ENTITY_OBJECT(profile, VnicProfile)->network &&
            !strcmp(ENTITY_OBJECT(profile, VnicProfile)->network->id, network->id))
            return profile;
    fail_set(&request->why, FAIL_CONFLICT, "nic.network: network %s has no vNIC profile.",
             entity_name(network));
    return NULL;
}

static int take_profile(Request *request, Arena *arena, ApiNic *nic, const ApiNic *wanted)
{
    if (!wanted->vnic_profile && !wanted->network)
        return 0;
    Entity *profile = wanted_profile(request, wanted);
    if (fail_is_set(&request->why))
        return fail_to_errno(request->why.code);
    nic->network = NULL;
    nic->vnic_profile =
        profile ? api_reference_new(arena, &api_type_vnic_profile, profile->id) : NULL;
    return 0;
}

static int take_mac(Request *request, Arena *arena, const Entity *vm, ApiNic *nic,
                    const ApiNic *wanted)
{
    char text[MAC_SIZE];
    uint64_t address;
    Manager *manager = request->manager;
    Entity *cluster =
        inventory_get(manager->inventory, KIND_CLUSTER, ENTITY_OBJECT(vm, Vm)->cluster->id);
    const char *asked = wanted->mac ? wanted->mac->address : NULL;
    const char *now = nic->mac ? nic->mac->address : NULL;
    if (now && (!asked || !*asked || !strcasecmp(now, asked)))
        return 0;
    int result = asked && *asked ? mac_check(manager, cluster, asked, &request->why)
                                 : mac_pool_allocate(manager, cluster, text, &request->why);
    if (result)
        return result;
    if (asked && *asked && mac_parse(asked, &address))
        mac_format(address, text);
    nic->mac = ARENA_NEW(arena, ApiMac);
    nic->mac->address = arena_string(arena, text);
    return 0;
}

static int check_model(Request *request, const ApiNic *wanted)
{
    switch (wanted->interface) {
    case API_NIC_INTERFACE_UNSET:
    case API_NIC_INTERFACE_VIRTIO:
    case API_NIC_INTERFACE_E1000:
    case API_NIC_INTERFACE_E1000E:
    case API_NIC_INTERFACE_RTL8139: return 0;
    default: break;
    }
    return fail_set(&request->why, FAIL_INVALID,
                    "nic.interface: %s is not possible; virtio, e1000e, e1000 and rtl8139 are.",
                    api_enum_name(&api_enum_nic_interface, wanted->interface));
}

static bool vm_runs(const Entity *vm)
{
    return vm_state(vm)->host != NULL;
}

// ---- adding

static int nic_fill(Request *request, Arena *arena, const Entity *vm, ApiNic *nic,
                    const ApiNic *wanted)
{
    int result = check_name(request, ENTITY_OBJECT(vm, Vm), wanted->name, NULL);
    if (!result)
        result = check_model(request, wanted);
    nic->name = arena_string(arena, wanted->name);
    nic->interface = wanted->interface ? wanted->interface : API_NIC_INTERFACE_VIRTIO;
    nic->linked = wanted->linked ? wanted->linked : API_TRUE;
    nic->plugged = wanted->plugged ? wanted->plugged : API_TRUE;
    if (!result)
        result = take_profile(request, arena, nic, wanted);
    return result ? result : take_mac(request, arena, vm, nic, wanted);
}

void vm_nic_add(Request *request)
{
    const ApiNic *wanted = request->body;
    Entity *vm = request_entity(request, 0, KIND_VM);
    char id[UUID_SIZE];
    const char *operation;
    if (!vm || request_check_free(request, vm, LOCK_SHARED)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_edit(change, vm);
    ApiNic *nic = ARENA_NEW(&draft->arena, ApiNic);
    nic->id = arena_string(&draft->arena, uuid_new(id));
    if (nic_fill(request, &draft->arena, vm, nic, wanted)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    api_list_add(&draft->arena, &((ApiVm *)draft->object)->nics, nic);
    event_add(change, request->method->event, &(EventFacts){.vm = vm, .name = nic->name});
    AUTO_FREE char *path = memory_format("/vms/%s/nics/%s", vm->id, id);
    if (!vm_runs(vm) || nic->plugged != API_TRUE) {
        commit_and_show(request, change, 201, path);
        return;
    }
    nic->plugged = API_FALSE; // until the guest has it
    device_plan_plug(change, vm, (PlugTarget){.nic = id}, PLUG_REMOVE, &operation);
    commit_and_wait(request, change, operation, 201, path);
}

// ---- changing

static Entity *wanted_nic(Request *request, const ApiNic **ret_nic)
{
    Entity *vm = request_entity(request, 0, KIND_VM);
    const char *id = request_id(request, 1);
    if (!vm)
        return NULL;
    *ret_nic = vm_find_nic(ENTITY_OBJECT(vm, Vm), id);
    if (!*ret_nic) {
        fail_set(&request->why, FAIL_NOT_FOUND, "VM %s has no network interface %s.",
                 entity_name(vm), id);
        return NULL;
    }
    if (request_check_free(request, vm, LOCK_SHARED) ||
        operation_check_free(request->manager, id, LOCK_EXCLUSIVE, "network interface",
                             (*ret_nic)->name, &request->why))
        return NULL;
    return vm;
}

static bool text_differs(const char *one, const char *other)
{
    return strcmp(one ? one : "", other ? other : "") != 0;
}

// What a running guest can't get without being unplugged first.
static int check_live(Request *request, const Entity *vm, const ApiNic *now, const ApiNic *next)
{
    if (!vm_runs(vm) || now->plugged != API_TRUE || next->plugged != API_TRUE)
        return 0;
    if (now->interface == next->interface && !text_differs(now->mac->address, next->mac->address))
        return 0;
    fail_set(&request->why, FAIL_STATE,
             "Cannot edit Interface. The type and the MAC address of %s can't be changed while it "
             "is plugged into the running VM %s.",
             now->name, entity_name(vm));
    fail_hint(&request->why, "Deactivate the interface first");
    return fail_to_errno(FAIL_STATE);
}

static int nic_merge(Request *request, Arena *arena, const Entity *vm, ApiNic *nic,
                     const ApiNic *wanted)
{
    int result = check_model(request, wanted);
    if (!result && wanted->name)
        result = check_name(request, ENTITY_OBJECT(vm, Vm), wanted->name, nic->id);
    if (result)
        return result;
    if (wanted->name)
        nic->name = arena_string(arena, wanted->name);
    if (wanted->interface)
        nic->interface = wanted->interface;
    if (wanted->linked)
        nic->linked = wanted->linked;
    if (wanted->plugged)
        nic->plugged = wanted->plugged;
    result = take_profile(request, arena, nic, wanted);
    return result ? result : take_mac(request, arena, vm, nic, wanted);
}

static void update_stored(Request *request, Entity *vm, const ApiNic *now, const ApiNic *wanted)
{
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_edit(change, vm);
    ApiNic *nic = vm_find_nic(draft->object, now->id);
    if (nic_merge(request, &draft->arena, vm, nic, wanted)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    event_add(change, request->method->event, &(EventFacts){.vm = vm, .name = nic->name});
    AUTO_FREE char *path = memory_format("/vms/%s/nics/%s", vm->id, now->id);
    commit_and_show(request, change, 200, path);
}

// The running guest's cable and network first; the configuration follows.
static void update_running(Request *request, Entity *vm, const ApiNic *next)
{
    const char *operation;
    Change *change = change_new(request->manager, &request->cause);
    AUTO_FREE char *path = memory_format("/vms/%s/nics/%s", vm->id, next->id);
    nic_plan_update(change, vm, next, &operation);
    commit_and_wait(request, change, operation, 200, path);
}

// Plugging and unplugging by PUT goes the way of the actions.
static void update_plug(Request *request, Entity *vm, const ApiNic *now, bool plug)
{
    const char *operation;
    const ApiNic *wanted = request->body;
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_edit(change, vm);
    ApiNic *nic = vm_find_nic(draft->object, now->id);
    AUTO_FREE char *path = memory_format("/vms/%s/nics/%s", vm->id, now->id);
    if (nic_merge(request, &draft->arena, vm, nic, wanted)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    nic->plugged = API_BOOL(!plug);
    event_add(change, request->method->event, &(EventFacts){.vm = vm, .name = nic->name});
    PlugTarget target = {.nic = now->id};
    if (plug)
        device_plan_plug(change, vm, target, PLUG_LEAVE_OFF, &operation);
    else
        device_plan_unplug(change, vm, target, UNPLUG_KEEP, &operation);
    commit_and_wait(request, change, operation, 200, path);
}

void vm_nic_update(Request *request)
{
    const ApiNic *wanted = request->body, *now;
    Entity *vm = wanted_nic(request, &now);
    ApiNic *next = vm ? api_clone(&request->arena, &api_type_nic, now) : NULL;
    if (!vm || nic_merge(request, &request->arena, vm, next, wanted) ||
        check_live(request, vm, now, next)) {
        reply_fail(request);
        return;
    }
    if (vm_runs(vm) && now->plugged != next->plugged)
        update_plug(request, vm, now, next->plugged == API_TRUE);
    else if (vm_runs(vm) && now->plugged == API_TRUE)
        update_running(request, vm, next);
    else
        update_stored(request, vm, now, wanted);
}

// ---- plugging, removing

static void nic_plug(Request *request, bool plug)
{
    const ApiNic *nic;
    const char *operation;
    Entity *vm = wanted_nic(request, &nic);
    if (!vm) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    PlugTarget target = {.nic = nic->id};
    if (plug)
        device_plan_plug(change, vm, target, PLUG_LEAVE_OFF, &operation);
    else
        device_plan_unplug(change, vm, target, UNPLUG_KEEP, &operation);
    commit_and_wait(request, change, operation, 200, NULL);
}

void vm_nic_activate(Request *request)
{
    nic_plug(request, true);
}

void vm_nic_deactivate(Request *request)
{
    nic_plug(request, false);
}

void vm_nic_remove(Request *request)
{
    const ApiNic *nic;
    const char *operation;
    Entity *vm = wanted_nic(request, &nic);
    if (!vm) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, request->method->event, &(EventFacts){.vm = vm, .name = nic->name});
    if (vm_runs(vm) && nic->plugged == API_TRUE) {
        device_plan_unplug(change, vm, (PlugTarget){.nic = nic->id}, UNPLUG_REMOVE, &operation);
        commit_and_wait(request, change, operation, 200, NULL);
        return;
    }
    ApiVm *object = change_edit(change, vm)->object;
    api_list_remove(&object->nics, vm_find_nic(object, nic->id));
    commit_and_remove(request, change);
}
