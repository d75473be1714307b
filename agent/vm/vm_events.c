// What libvirt tells about the VMs. All of it runs on the loop's thread.
#include <stdlib.h>
#include <string.h>

#include "agent/guest/guest_agent.h"
#include "agent/vm/vm_pause.h"
#include "agent/vm/vms.h"
#include "base/clock.h"

static void vm_stopped(Vm *vm, int detail)
{
    static const struct {
        int detail;
        VmExit exit;
        const char *message;
    } rows[] = {
        {VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, VM_EXIT_USER_SHUTDOWN,
         "User shut down from within the guest"},
        {VIR_DOMAIN_EVENT_STOPPED_DESTROYED, VM_EXIT_ADMIN_SHUTDOWN,
         "Admin shut down from the manager"},
        {VIR_DOMAIN_EVENT_STOPPED_CRASHED, VM_EXIT_GENERIC, "The guest crashed"},
        {VIR_DOMAIN_EVENT_STOPPED_FAILED, VM_EXIT_LOST_QEMU, "QEMU ended unexpectedly"},
    };
    vms_lock(vm->vms);
    bool launching = vm->launching; // when that fails, the launcher has the better message
    if (launching) {
        vm->stopped = true;
        vm->stop_detail = detail;
    }
    vms_unlock(vm->vms);
    if (launching)
        return;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].detail == detail) {
            vm_set_ended(vm, rows[i].exit, rows[i].message);
            return;
        }
    vm_set_ended(vm, VM_EXIT_GENERIC, "The guest stopped");
}

void vm_launched(Vm *vm)
{
    vms_lock(vm->vms);
    bool stopped = vm->stopped && !vm->doubtful;
    vms_unlock(vm->vms);
    if (stopped)
        vm_stopped(vm, vm->stop_detail);
}

static void vm_resumed(Vm *vm)
{
    if (!vm_pause_end(vm))
        vm_set_awake(vm);
}

static void vm_suspended(Vm *vm, int detail)
{
    vms_lock(vm->vms);
    bool by_error = detail == VIR_DOMAIN_EVENT_SUSPENDED_IOERROR;
    bool pausing = vm->status == VM_UP || vm->status == VM_POWERING_UP;
    if (!by_error || !vm->pause_code) { // of an error, the event before this one knows more
        free(vm->pause_code);
        vm->pause_code = memory_string(by_error ? "EOTHER" : "NOERR");
    }
    vms_unlock(vm->vms);
    if (by_error)
        vm_pause_begin(vm);
    else {
        vm_pause_forget(vm);
        if (pausing && detail != VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED)
            vm_set_status(vm, VM_PAUSED);
    }
}

static void vm_lifecycle(Vm *vm, int event, int detail)
{
    switch (event) {
    case VIR_DOMAIN_EVENT_STOPPED: vm_stopped(vm, detail); break;
    case VIR_DOMAIN_EVENT_RESUMED: vm_resumed(vm); break;
    case VIR_DOMAIN_EVENT_SUSPENDED: vm_suspended(vm, detail); break;
    case VIR_DOMAIN_EVENT_CRASHED:
        vm_set_down(vm, VM_EXIT_GENERIC, "The guest's operating system crashed");
        break;
    default: break;
    }
}

static void vm_io_error(Vm *vm, int action, const char *reason)
{
    static const struct {
        const char *reason, *code;
    } rows[] = {{"enospc", "ENOSPC"}, {"eio", "EIO"}, {"eperm", "EPERM"}};
    const char *code = "EOTHER";
    if (action != VIR_DOMAIN_EVENT_IO_ERROR_PAUSE)
        return; // the guest is told, and goes on
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (reason && !strcmp(rows[i].reason, reason))
            code = rows[i].code;
    vms_lock(vm->vms);
    free(vm->pause_code);
    vm->pause_code = memory_string(code);
    vms_unlock(vm->vms);
}

static void vm_watchdog(Vm *vm, int action)
{
    static const char *const actions[] = {"none",     "pause", "reset",     "poweroff",
                                          "shutdown", "debug", "inject-nmi"};
    vms_lock(vm->vms);
    free(vm->watchdog_action);
    vm->watchdog_action =
        memory_string((size_t)action < COUNT_OF(actions) ? actions[action] : "none");
    vm->watchdog_time = clock_wall_ms() / 1000;
    vms_unlock(vm->vms);
}

static void vm_agent_event(Vm *vm, int state)
{
    vms_lock(vm->vms);
    vm->guest_agent = state == VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED;
    vm->polled_ms = 0; // ask at once
    bool booting = vm->status == VM_POWERING_UP || vm->status == VM_REBOOTING;
    vms_unlock(vm->vms);
    if (vm->guest_agent && booting)
        vm_set_status(vm, VM_UP);
}

static void vm_graphics(Vm *vm, int phase, const char *address)
{
    vms_lock(vm->vms);
    free(vm->client);
    vm->client = phase == VIR_DOMAIN_EVENT_GRAPHICS_DISCONNECT ? NULL : memory_string(address);
    vms_unlock(vm->vms);
    vm_announce(vm);
}

void vms_event(Vms *vms, const VmEvent *event)
{
    Vm *vm = vms_get(vms, event->id);
    if (!vm)
        return;
    switch (event->kind) {
    case VM_EVENT_LIFECYCLE: vm_lifecycle(vm, event->event, event->detail); break;
    case VM_EVENT_REBOOT:
        vms_lock(vms);
        vm->started_ms = vm->started_ms ? vm->started_ms : clock_wall_ms();
        vm->admin_shutdown = false;
        vm->shutdown_deadline_ms = 0;
        vms_unlock(vms);
        if (vm->status == VM_REBOOTING)
            vm_set_status(vm, VM_POWERING_UP);
        break;
    case VM_EVENT_WATCHDOG: vm_watchdog(vm, event->event); break;
    case VM_EVENT_IO_ERROR: vm_io_error(vm, event->event, event->text); break;
    case VM_EVENT_GUEST_AGENT: vm_agent_event(vm, event->event); break;
    case VM_EVENT_DEVICE_REMOVED: guest_agent_poll_soon(vm); break;
    case VM_EVENT_GRAPHICS: vm_graphics(vm, event->event, event->text); break;
    }
    vm_unref(vm);
}
