#include "manager/vm/vm_end.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "manager/disk/disk.h"
#include "manager/fleet/host_link.h"
#include "manager/operations/operation.h"
#include "manager/vm/vm_config.h"

enum { DESTROY_MS = 60000 };

static void state_reset(VmState *state)
{
    vm_state_forget_guest(state);
    nic_rates_free(state->nics, state->nic_count);
    state->nics = NULL;
    state->nic_count = 0;
    state->cpu_guest = state->cpu_total = state->cpu_hypervisor = 0;
    state->memory_percent = state->network_percent = 0;
    state->memory_used = state->memory_free = state->memory_cached = state->memory_buffered = 0;
    state->memory_installed = state->elapsed_s = 0;
    state->spice_port = state->spice_tls_port = state->vnc_port = 0;
    state->notify_time = state->start_ms = 0;
    state->run_once = false;
    free(state->xml);
    free(state->cdrom);
    free(state->status_detail);
    state->xml = state->cdrom = state->status_detail = NULL;
}

void vm_settle_down(Change *change, Entity *vm, const char *message, int exit_code, int exit_reason)
{
    VmState *state = vm_state(vm);
    state_reset(state);
    state->status = API_VM_STATUS_DOWN;
    state->stop_ms = clock_wall_ms();
    state->exit_code = exit_code;
    state->exit_reason = exit_reason;
    free(state->exit_message);
    state->exit_message = memory_string(message);
    vm_state_set_host(vm, NULL);
    ApiVm *edited = change_edit(change, vm)->object;
    if (edited->next_run) // what was changed while it ran becomes true now
        vm_config_take_next_run(edited);
    edited->host = NULL;
    disk_ask_sizes(change_manager(change), edited);
    edited->stop_time = API_INT(state->stop_ms);
}

static void destroy_answered(const Json *result, const Fail *why, int code, void *argument)
{
    (void)result;
    (void)code;
    // A host that is silent now shows the VM as Down again when it is back.
    if (fail_is_set(why))
        log_debug("vm.destroy", LOG_ID("vm", argument), "%s", why->message);
    free(argument);
}

static void vm_acknowledge(Manager *manager, Entity *vm, Entity *host)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    json_open(&writer, '{');
    json_add_string(&writer, "vmID", vm->id);
    json_close(&writer, '}');
    host_call_entity(manager, host, "VM.destroy", &params, DESTROY_MS, destroy_answered,
                     memory_string(vm->id));
}

void vm_ended(Manager *manager, Entity *vm, Entity *host, const Json *report)
{
    VmState *state = vm_state(vm);
    const char *message = json_get_string(report, "exitMessage");
    int exit_code = (int)json_get_integer(report, "exitCode", 0);
    int reason = (int)json_get_integer(report, "exitReason", 0);
    if (operation_holding(manager, vm->id)) {
        // An operation is starting or ending it: it decides what that means, and destroys it.
        state->status = API_VM_STATUS_DOWN;
        state->exit_code = exit_code;
        state->exit_reason = reason;
        free(state->exit_message);
        state->exit_message = memory_string(message);
        return;
    }
    bool known = state->status == API_VM_STATUS_DOWN && !state->host;
    vm_acknowledge(manager, vm, host);
    if (known)
        return;
    AUTO_FREE char *detail =
        memory_format("%s%s", exit_code ? "Exit message: " : "", message ? message : "");
    Change *change = change_new(manager, NULL);
    event_add(change, exit_code ? EVENT_VM_DOWN_ERROR : EVENT_VM_DOWN,
              &(EventFacts){.vm = vm, .host = host, .detail = detail});
    vm_settle_down(change, vm, message, exit_code, reason);
    change_commit(change, NULL, NULL);
}

void vm_vanished(Manager *manager, Entity *vm, Entity *host)
{
    AUTO_FREE char *detail =
        memory_format("It was not found any more on host %s.", entity_name(host));
    Change *change = change_new(manager, NULL);
    event_add(change, EVENT_VM_DOWN_ERROR, &(EventFacts){.vm = vm, .host = host, .detail = detail});
    vm_settle_down(change, vm, detail, 1, 2);
    change_commit(change, NULL, NULL);
}
