// After a restart of the agent or of libvirt: which VMs run, and which have ended unseen. All of it
// runs on pool threads.
#include <stdlib.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "agent/vm/vm_pause.h"
#include "agent/vm/vms.h"
#include "base/log.h"

// libvirt goes on with its start, or is about to undo it.
static void vm_recover_start(Vm *vm)
{
    vms_lock(vm->vms);
    vm->status = VM_WAIT_FOR_LAUNCH;
    vm->doubtful = true;
    vms_unlock(vm->vms);
}

void vm_recover(Vm *vm, virDomainPtr domain)
{
    int state = 0, reason = 0;
    if (virDomainGetState(domain, &state, &reason, 0) < 0)
        return; // it has gone: whoever looks for it next finds that it is down
    if (state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_STARTING_UP) {
        vm_recover_start(vm);
        return;
    }
    vm_refresh_xml(vm, domain);
    if (state == VIR_DOMAIN_PAUSED)
        vm_pause_found(vm, domain);
    else
        vm_pause_forget(vm);
    vms_lock(vm->vms);
    // What the guest was asked for goes on, and has a deadline.
    bool ending = vm->status == VM_POWERING_DOWN || vm->status == VM_REBOOTING;
    VmStatus status = state == VIR_DOMAIN_PAUSED ? VM_PAUSED : ending ? vm->status : VM_UP;
    // A domain that runs is no down VM, whatever the record says.
    vm->status = vm->status == VM_DOWN ? VM_WAIT_FOR_LAUNCH : vm->status;
    bool agent = vm->live_xml && strstr(vm->live_xml, "org.qemu.guest_agent.0") &&
                 strstr(vm->live_xml, "state='connected'");
    vm->guest_agent = agent;
    vm->recovered = true;
    vms_unlock(vm->vms);
    log_info("vm.recover", LOG_ID("vm", vm->id), "%s is running.", vm->name);
    vm_set_status(vm, status);
}

static bool domain_is_ours(virDomainPtr domain)
{
    char *text =
        virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, "http://ovirt.org/vm/1.0", 0);
    free(text);
    return text != NULL;
}

static void vms_recover_domain(Vms *vms, virDomainPtr domain)
{
    char id[VIR_UUID_STRING_BUFLEN];
    virDomainGetUUIDString(domain, id);
    Vm *vm = vms_get(vms, id);
    if (!vm && domain_is_ours(domain)) {
        char *xml = virDomainGetXMLDesc(domain, 0);
        vm = vms_add(vms, id, virDomainGetName(domain), xml ? xml : "", false);
        free(xml);
    }
    if (!vm)
        return;
    vm_recover(vm, domain);
    vm_unref(vm);
}

void vms_recover(Vms *vms, virConnectPtr connection)
{
    virDomainPtr *domains = NULL;
    int count = virConnectListAllDomains(connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    for (int i = 0; i < count; i++) {
        vms_recover_domain(vms, domains[i]);
        virDomainFree(domains[i]);
    }
    free(domains);
    if (count < 0)
        return;
    size_t total;
    AUTO_FREE Vm **all = vms_all(vms, &total);
    for (size_t i = 0; i < total; i++) {
        vms_lock(vms);
        bool ran = all[i]->status != VM_DOWN && !all[i]->launching; // before libvirt is asked
        vms_unlock(vms);
        virDomainPtr domain = virDomainLookupByUUIDString(connection, all[i]->id);
        bool missing = !domain && virGetLastErrorCode() == VIR_ERR_NO_DOMAIN;
        if (domain)
            virDomainFree(domain);
        if (missing && ran)
            vm_set_ended(all[i], VM_EXIT_LOST_QEMU, "The guest ended while nobody was watching");
        vm_unref(all[i]);
    }
}
