// Verbs that end, pause and wake VMs.
#include <stdlib.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "agent/rpc/verbs.h"
#include "agent/vm/hooks.h"
#include "agent/vm/hypervisor.h"
#include "agent/vm/vm_create.h"
#include "agent/vm/vm_pause.h"
#include "agent/vm/vm_volumes.h"
#include "agent/vm/vms.h"
#include "base/clock.h"
#include "base/log.h"

enum { DESTROY_WAIT_MS = 20000, RESUME_WATCH_MS = 1000 };

bool libvirt_is_lost(void)
{
    return virGetLastErrorDomain() == VIR_FROM_RPC; // the server's own errors have others
}

void call_libvirt_failed(Call *call, VdsmError error, const char *what)
{
    AUTO_FAIL why = {0};
    bool lost = libvirt_is_lost();
    libvirt_fail(&why, FAIL_HOST, "%s", what);
    call_fail_why(call, lost ? VDSM_RECOVERY_IN_PROGRESS : error, &why);
}

static void call_definition(Call *call, Vm *vm)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    vms_lock(vm->vms);
    vm_write_definition(&writer, vm);
    vms_unlock(vm->vms);
    call_reply(call, &json);
}

// ---- destroy

// A VM that is being launched can't be destroyed yet; its launcher is waited for.
static bool vm_wait_launched(Vm *vm)
{
    for (int waited = 0; waited < DESTROY_WAIT_MS; waited += 50) {
        vms_lock(vm->vms);
        bool launching = vm->launching;
        vms_unlock(vm->vms);
        if (!launching)
            return true;
        uv_sleep(50);
    }
    return false;
}

static bool domain_destroy(virDomainPtr domain, bool graceful)
{
    if (graceful && !virDomainDestroyFlags(domain, VIR_DOMAIN_DESTROY_GRACEFUL))
        return true;
    if (!virDomainDestroyFlags(domain, VIR_DOMAIN_DESTROY_DEFAULT))
        return true;
    int code = virGetLastErrorCode();
    return code == VIR_ERR_NO_DOMAIN || code == VIR_ERR_OPERATION_INVALID; // it is gone already
}

static void vm_mark_shutdown(Vm *vm, bool by_manager)
{
    vms_lock(vm->vms);
    vm->admin_shutdown = by_manager;
    vms_unlock(vm->vms);
    vm_save(vm);
}

void vm_destroy(Call *call)
{
    AUTO_FAIL why = {0};
    Vm *vm = call_vm(call);
    if (!vm)
        return;
    if (!vm_wait_launched(vm)) {
        call_fail(call, VDSM_VM_DESTROY_FAILED, "VM %s is still being started", vm->name);
        vm_unref(vm);
        return;
    }
    vms_lock(vm->vms);
    AUTO_FREE char *xml = memory_string(vm->live_xml ? vm->live_xml : vm->xml);
    vms_unlock(vm->vms);
    if (hooks_before(vm, "before_vm_destroy", xml, NULL, &why)) {
        call_fail_why(call, VDSM_HOOK, &why);
        vm_unref(vm);
        return;
    }
    vm_mark_shutdown(vm, true); // first: whoever finds it gone must know why
    virDomainPtr domain = hypervisor_domain(vms_agent(vm->vms)->hypervisor, vm->id, &why);
    bool gone = domain ? domain_destroy(domain, call_integer(call, "gracefulAttempts", 1) > 0)
                       : why.code == FAIL_NOT_FOUND;
    if (!gone) {
        if (domain)
            call_libvirt_failed(call, VDSM_VM_DESTROY_FAILED, "QEMU could not be ended.");
        else
            call_fail_why(call, VDSM_RECOVERY_IN_PROGRESS, &why);
    } else {
        vm_set_down(vm, VM_EXIT_ADMIN_SHUTDOWN, "Admin shut down from the manager");
        vm_release(vm);
        hooks_after(vm, "after_vm_destroy", xml);
        vms_remove(vm);
        call_ok(call);
    }
    hypervisor_domain_done(vms_agent(vm->vms)->hypervisor, domain);
    vm_unref(vm);
}

// ---- shutdown, reset

// The guest's agent knows how to end in good order; ACPI asks whoever listens.
static int domain_ask(virDomainPtr domain, Vm *vm, bool reboot, bool force)
{
    int result = -1;
    vms_lock(vm->vms);
    bool agent = vm->guest_agent;
    vms_unlock(vm->vms);
    if (agent)
        result = reboot ? virDomainReboot(domain, VIR_DOMAIN_REBOOT_GUEST_AGENT)
                        : virDomainShutdownFlags(domain, VIR_DOMAIN_SHUTDOWN_GUEST_AGENT);
    if (result < 0)
        result = reboot ? virDomainReboot(domain, VIR_DOMAIN_REBOOT_ACPI_POWER_BTN)
                        : virDomainShutdownFlags(domain, VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN);
    if (result < 0 && force)
        result = reboot ? virDomainReset(domain, 0) : virDomainDestroy(domain);
    return result;
}

static void vm_set_deadline(Vm *vm, const Call *call)
{
    int64_t seconds = call_integer(call, "timeout", vms_agent(vm->vms)->config.shutdown_seconds) +
                      call_integer(call, "delay", 0);
    vms_lock(vm->vms);
    vm->shutdown_deadline_ms = clock_monotonic_ms() + seconds * 1000;
    vms_unlock(vm->vms);
}

void vm_shutdown(Call *call)
{
    Vm *vm = call_vm(call);
    virDomainPtr domain = vm ? call_domain(call, vm) : NULL;
    if (!domain) {
        if (vm)
            vm_unref(vm);
        return;
    }
    bool reboot = call_bool(call, "reboot", false), before = vm->admin_shutdown;
    vm_mark_shutdown(vm, !reboot); // first: the guest may end while nobody watches
    if (domain_ask(domain, vm, reboot, call_bool(call, "force", false))) {
        if (!libvirt_is_lost())
            vm_mark_shutdown(vm, before);
        call_libvirt_failed(call, VDSM_UNEXPECTED, "The guest could not be asked to shut down.");
    } else {
        vm_set_deadline(vm, call);
        vm_set_status(vm, reboot ? VM_REBOOTING : VM_POWERING_DOWN);
        call_ok(call);
    }
    hypervisor_domain_done(call_agent(call)->hypervisor, domain);
    vm_unref(vm);
}

// The common course of verbs that are one call of libvirt.
static void vm_simple(Call *call, int (*act)(virDomainPtr), VdsmError error, const char *failure)
{
    Vm *vm = call_vm(call);
    virDomainPtr domain = vm ? call_domain(call, vm) : NULL;
    if (domain) {
        if (act(domain) < 0)
            call_libvirt_failed(call, error, failure);
        else
            call_ok(call);
        hypervisor_domain_done(call_agent(call)->hypervisor, domain);
    }
    if (vm)
        vm_unref(vm);
}

static int domain_resume(virDomainPtr domain)
{
    int state = 0, reason = 0;
    if (!virDomainGetState(domain, &state, &reason, 0) && state == VIR_DOMAIN_RUNNING)
        return 0;
    return virDomainResume(domain);
}

// What failed is tried again at once. Storage that is still bad pauses it within a moment.
static char *resumed_in_vain(virDomainPtr domain)
{
    int state = VIR_DOMAIN_RUNNING, reason = 0;
    for (int waited = 0; waited < RESUME_WATCH_MS && state == VIR_DOMAIN_RUNNING; waited += 50) {
        uv_sleep(50);
        virDomainGetState(domain, &state, &reason, 0);
    }
    AUTO_FREE char *text = vm_pause_text(domain);
    return text ? memory_format("The guest was paused again at once: %s", text) : NULL;
}

// The same between the hooks before_vm_WHAT and after_vm_WHAT.
static void vm_hooked(Call *call, int (*act)(virDomainPtr), const char *what, const char *failure)
{
    AUTO_FAIL why = {0};
    Vm *vm = call_vm(call);
    virDomainPtr domain = vm ? call_domain(call, vm) : NULL;
    AUTO_FREE char *before = memory_format("before_vm_%s", what);
    AUTO_FREE char *after = memory_format("after_vm_%s", what), *text = NULL;
    if (domain) {
        char *xml = virDomainGetXMLDesc(domain, 0);
        AUTO_FREE char *held_up = vm_pause_text(domain);
        if (hooks_before(vm, before, xml ? xml : "", NULL, &why))
            call_fail_why(call, VDSM_HOOK, &why);
        else if (act(domain) < 0)
            call_libvirt_failed(call, VDSM_UNEXPECTED, failure);
        else if (held_up && act == domain_resume && (text = resumed_in_vain(domain)))
            call_fail(call, VDSM_UNEXPECTED, "%s", text);
        else {
            if (held_up && act == domain_resume)
                vm_set_awake(vm);
            hooks_after(vm, after, xml ? xml : "");
            call_definition(call, vm);
        }
        free(xml);
        hypervisor_domain_done(call_agent(call)->hypervisor, domain);
    }
    if (vm)
        vm_unref(vm);
}

static int domain_reset(virDomainPtr domain)
{
    return virDomainReset(domain, 0);
}

static int domain_suspend(virDomainPtr domain)
{
    int state = 0, reason = 0;
    if (!virDomainGetState(domain, &state, &reason, 0) && state == VIR_DOMAIN_PAUSED)
        return 0;
    return virDomainSuspend(domain);
}

static int domain_freeze(virDomainPtr domain)
{
    return virDomainFSFreeze(domain, NULL, 0, 0);
}

static int domain_thaw(virDomainPtr domain)
{
    return virDomainFSThaw(domain, NULL, 0, 0);
}

void vm_reset(Call *call)
{
    vm_simple(call, domain_reset, VDSM_RESET_FAILED, "The guest could not be reset.");
}

void vm_cont(Call *call)
{
    vm_hooked(call, domain_resume, "cont", "The guest could not be resumed.");
}

void vm_pause(Call *call)
{
    vm_hooked(call, domain_suspend, "pause", "The guest could not be paused.");
}

void vm_freeze(Call *call)
{
    vm_simple(call, domain_freeze, VDSM_NO_GUEST_AGENT, "The file systems could not be frozen.");
}

void vm_thaw(Call *call)
{
    vm_simple(call, domain_thaw, VDSM_NO_GUEST_AGENT, "The file systems could not be thawed.");
}
