// Hosts as the API shows them.
#include <stdio.h>
#include <string.h>

#include "manager/fleet/fleet.h"
#include "manager/rest/items.h"
#include "rest_handlers.h"

static const ApiHost *hardware_of(const HostState *state)
{
    return state->hardware ? state->hardware->object : NULL;
}

static ApiSpm *spm_of(Arena *arena, const Request *request, const Entity *host)
{
    ApiSpm *spm = ARENA_NEW(arena, ApiSpm);
    const ApiHost *stored = ENTITY_OBJECT(host, Host);
    const Entity *data_center = host_data_center(request->manager, host);
    const DataCenterState *state = data_center ? data_center_state(data_center) : NULL;
    spm->priority = stored->spm && stored->spm->priority.set ? stored->spm->priority : API_INT(5);
    spm->status = state && state->spm == host  ? API_SPM_STATUS_SPM
                  : state && state->connecting ? API_SPM_STATUS_CONTENDING
                                               : API_SPM_STATUS_NONE;
    return spm;
}

static ApiVmSummary *summary_of(Arena *arena, const HostState *state)
{
    ApiVmSummary *summary = ARENA_NEW(arena, ApiVmSummary);
    int64_t active = 0, total = 0;
    LIST_EACH(&state->vms, VmState, on_host, vm) {
        total++;
        active += vm->status == API_VM_STATUS_UP || vm->status == API_VM_STATUS_POWERING_UP;
    }
    summary->active = API_INT(active);
    summary->total = API_INT(total);
    summary->migrating = API_INT(0);
    return summary;
}

static void view_hardware(ApiHost *view, const ApiHost *hardware)
{
    if (!hardware)
        return;
    view->cpu = hardware->cpu;
    view->memory = hardware->memory;
    view->os = hardware->os;
    view->version = hardware->version;
    view->libvirt_version = hardware->libvirt_version;
    view->hardware_information = hardware->hardware_information;
    view->type = hardware->type;
}

static void host_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    const HostState *state = host_state(item->entity);
    ApiHost *view = target;
    *view = *(const ApiHost *)item->document->object;
    view_hardware(view, hardware_of(state));
    view->status = state->status;
    view->status_detail = state->status_reason;
    view->external_status = API_EXTERNAL_STATUS_OK;
    view->spm = spm_of(scratch, request, item->entity);
    view->summary = summary_of(scratch, state);
    if (state->memory_total)
        view->max_scheduling_memory = API_INT(state->memory_free);
    view->protocol = API_HOST_PROTOCOL_STOMP;
    view->kdump_status = API_KDUMP_STATUS_DISABLED;
    view->update_available = API_FALSE;
    view->ovn_configured = API_FALSE;
    view->numa_supported = API_FALSE;
    if (!view->type)
        view->type = API_HOST_TYPE_RHEL;
    if (!view->comment)
        view->comment = "";
    if (!view->port.set)
        view->port = API_INT(54321);
    if (!view->vgpu_placement)
        view->vgpu_placement = API_VGPU_PLACEMENT_CONSOLIDATED;
}

int host_list(Request *request, Items *items)
{
    return items_collect(request, items, KIND_HOST, host_view);
}

int host_get(Request *request, Items *items)
{
    return items_one(request, items, KIND_HOST, 0, host_view);
}

// ---- network interfaces: out of the host's own report

static void host_nic_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    const HostState *state = host_state(item->entity);
    ApiHostNic *view = target;
    const NicRates *rates;
    *view = *(const ApiHostNic *)item->part;
    rates = nic_rates_find(state->nics, state->nic_count, view->name);
    view->host = api_reference_new(scratch, &api_type_host, item->entity->id);
    if (rates)
        view->status = rates->up ? API_NIC_STATUS_UP : API_NIC_STATUS_DOWN;
    Entity *network = view->bridged == API_TRUE
                          ? inventory_named(request->manager->inventory, KIND_NETWORK, view->name)
                          : NULL;
    if (network)
        view->network = api_reference_new(scratch, &api_type_network, network->id);
}

static int nics_of(Request *request, Items *items, const char *only)
{
    Entity *host = request_entity(request, 0, KIND_HOST);
    if (!host)
        return fail_to_errno(request->why.code);
    const ApiHost *hardware = hardware_of(host_state(host));
    items->view = host_nic_view;
    for (uint32_t i = 0; hardware && i < hardware->nics.count; i++) {
        const ApiHostNic *nic = hardware->nics.items[i];
        // The report may be replaced while the answer is sent: the request keeps a copy.
        if (!only || !strcmp(nic->id, only))
            items_add_part(items, host, api_clone(&request->arena, &api_type_host_nic, nic));
    }
    if (only && !items->count)
        return fail_set(&request->why, FAIL_NOT_FOUND, "Host %s has no network interface %s.",
                        entity_name(host), only);
    return 0;
}

int host_nic_list(Request *request, Items *items)
{
    return nics_of(request, items, NULL);
}

int host_nic_get(Request *request, Items *items)
{
    return nics_of(request, items, request_id(request, 1));
}
