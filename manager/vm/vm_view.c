// VMs as the API shows them: what is configured, with what was observed laid over.
#include "manager/vm/vm_view.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "manager/fleet/fleet.h"
#include "manager/operations/operation.h"
#include "manager/vm/vm_start.h"
#include "manager/vm/vm_stop.h"

ApiVmStatus vm_status(Manager *manager, const Entity *vm)
{
    const VmState *state = vm_state(vm);
    const Operation *holder = operation_holding(manager, vm->id);
    bool starting = holder && holder->kind == &vm_start_kind && !holder->undoing;
    // Whoever waits for it to be up or down may act at once: not while it is still held.
    if (state->status == API_VM_STATUS_UP && starting)
        return API_VM_STATUS_POWERING_UP;
    if (state->status && state->status != API_VM_STATUS_DOWN)
        return state->status;
    if (holder && holder->kind == &vm_stop_kind)
        return API_VM_STATUS_POWERING_DOWN;
    return starting || state->host ? API_VM_STATUS_WAIT_FOR_LAUNCH : API_VM_STATUS_DOWN;
}

static const char *const empty = "";

static ApiHost *host_reference(Arena *arena, const Entity *host)
{
    ApiHost *reference = ARENA_NEW(arena, ApiHost);
    reference->id = host->id;
    return reference;
}

static ApiDisplay *display_of(Arena *arena, const ApiVm *vm, const VmState *state,
                              const Manager *manager)
{
    ApiDisplay *display = ARENA_NEW(arena, ApiDisplay);
    if (vm->display)
        *display = *vm->display;
    if (!display->type)
        display->type = vm->graphics_consoles.count &&
                                vm->graphics_consoles.items[0]->protocol == API_GRAPHICS_TYPE_SPICE
                            ? API_DISPLAY_TYPE_SPICE
                            : API_DISPLAY_TYPE_VNC;
    bool spice = display->type == API_DISPLAY_TYPE_SPICE;
    int port = spice ? state->spice_port : state->vnc_port;
    if (!port) { // the other one is better than none
        port = state->spice_port ? state->spice_port : state->vnc_port;
        if (port)
            display->type = state->spice_port ? API_DISPLAY_TYPE_SPICE : API_DISPLAY_TYPE_VNC;
    }
    (void)manager;
    if (port && state->display_address) {
        display->address = state->display_address;
        display->port = API_INT(port);
        if (state->spice_tls_port && display->type == API_DISPLAY_TYPE_SPICE)
            display->secure_port = API_INT(state->spice_tls_port);
    }
    return display;
}

static ApiGuestOperatingSystem *guest_os(Arena *arena, const VmState *state)
{
    ApiGuestOperatingSystem *os = ARENA_NEW(arena, ApiGuestOperatingSystem);
    os->family = state->os_family ? (*state->os_family == 'w' ? "Windows" : "Linux") : NULL;
    os->distribution = state->os_distribution;
    os->codename = state->os_codename;
    os->architecture = state->os_architecture;
    int major = 0, minor = 0;
    if (state->os_version && sscanf(state->os_version, "%d.%d", &major, &minor) >= 1) {
        os->version = ARENA_NEW(arena, ApiVersion);
        os->version->full_version = state->os_version;
        os->version->major = API_INT(major);
        os->version->minor = API_INT(minor);
    }
    if (state->os_kernel) {
        os->kernel = ARENA_NEW(arena, ApiKernel);
        os->kernel->version = ARENA_NEW(arena, ApiVersion);
        os->kernel->version->full_version = state->os_kernel;
    }
    return os;
}

static void view_guest(Arena *arena, ApiVm *view, const VmState *state)
{
    if (!state->agent_seen)
        return;
    view->fqdn = state->fqdn && *state->fqdn ? state->fqdn : NULL;
    if (state->os_distribution || state->os_kernel)
        view->guest_operating_system = guest_os(arena, state);
    if (state->time_zone) {
        int offset = state->time_zone_offset;
        view->guest_time_zone = ARENA_NEW(arena, ApiTimeZone);
        view->guest_time_zone->name = state->time_zone;
        view->guest_time_zone->utc_offset = arena_format(
            arena, "%c%02d:%02d", offset < 0 ? '-' : '+', (offset < 0 ? -offset : offset) / 60,
            (offset < 0 ? -offset : offset) % 60);
    }
}

void vm_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    const VmState *state = vm_state(item->entity);
    const ApiVm *stored = item->part ? item->part : item->document->object;
    ApiVm *view = target;
    *view = *stored;
    view->status = vm_status(request->manager, item->entity);
    view->status_detail = state->status_detail;
    view->host = state->host ? host_reference(scratch, state->host) : NULL;
    view->next_run_configuration_exists = API_BOOL(stored->next_run != NULL);
    view->run_once = API_BOOL(state->run_once);
    view->has_illegal_images = API_FALSE;
    view->original_template = view->original_template ? view->original_template : view->template;
    if (!view->description)
        view->description = empty;
    if (!view->comment)
        view->comment = empty;
    if (state->host && state->start_ms)
        view->start_time = API_INT(state->start_ms);
    if (state->host)
        view->stop_time = (ApiDate){0};
    view->display = display_of(scratch, stored, state, request->manager);
    view_guest(scratch, view, state);
}

int vm_list(Request *request, Items *items)
{
    return items_collect(request, items, KIND_VM, vm_view);
}

int vm_get(Request *request, Items *items)
{
    bool next = request_flag(request, "next_run", false);
    int result = items_one(request, items, KIND_VM, 0, vm_view);
    if (result || !next)
        return result;
    items->items[0].part = ((const ApiVm *)items->items[0].document->object)->next_run;
    return 0;
}
