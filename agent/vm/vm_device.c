#include "agent/vm/vm_device.h"

#include <stdlib.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "agent/vm/hooks.h"
#include "agent/vm/hypervisor.h"
#include "agent/vm/vm_create.h"
#include "agent/vm/vm_orphans.h"

enum { SETTLE_MS = 500 };

bool device_begin(DeviceCall *device, Call *call)
{
    *device = (DeviceCall){.call = call, .vm = call_vm(call)};
    if (!device->vm)
        return false;
    uv_mutex_lock(&device->vm->devices_lock);
    device->domain = call_domain(call, device->vm);
    return device->domain != NULL;
}

void device_end(DeviceCall *device)
{
    if (!device->vm)
        return;
    hypervisor_domain_done(call_agent(device->call)->hypervisor, device->domain);
    uv_mutex_unlock(&device->vm->devices_lock);
    vm_unref(device->vm);
}

bool device_domain(DeviceCall *device, const Xml **ret_devices)
{
    Call *call = device->call;
    char *xml = virDomainGetXMLDesc(device->domain, 0);
    if (!xml && virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
        call_fail(call, VDSM_VM_IS_DOWN, "{'vmId': '%s'}", device->vm->id);
    else if (!xml)
        call_libvirt_failed(call, VDSM_UNEXPECTED, "The VM's devices could not be looked at.");
    if (!xml)
        return false;
    Xml *root = xml_parse(call_arena(call), xml, strlen(xml), NULL, NULL);
    *ret_devices = xml_child(root, "devices");
    free(xml);
    return true;
}

bool device_parse(DeviceCall *device, const char *element, VdsmError error)
{
    Call *call = device->call;
    const char *xml = json_get_string(call_json(call, "params"), "xml"), *text = NULL;
    int line = 0;
    device->root = xml ? xml_parse(call_arena(call), xml, strlen(xml), &text, &line) : NULL;
    device->device = (Xml *)xml_find(device->root, "devices", element, NULL);
    if (!device->device)
        call_fail(call, error, "params.xml has no <%s>: %s", element,
                  text ? text : "it is missing");
    return device->device != NULL;
}

void device_answer(DeviceCall *device)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    vm_refresh_xml(device->vm, device->domain);
    vms_lock(device->vm->vms);
    vm_write_definition(&writer, device->vm);
    vms_unlock(device->vm->vms);
    call_reply(device->call, &json);
}

char *device_xml(const Xml *device)
{
    AUTO_STRBUF text = {0};
    xml_print(&text, device);
    return strbuf_take(&text);
}

bool device_hook_before(DeviceCall *device, const char *point, const char *xml, char **ret_xml)
{
    AUTO_FAIL why = {0};
    if (!hooks_before(device->vm, point, xml, ret_xml, &why))
        return true;
    call_fail_why(device->call, VDSM_HOOK, &why);
    return false;
}

// What an earlier attempt has left in QEMU, when libvirt died in its middle, must not be in the way;
// what another call has plugged since the devices were looked at is no such thing. False when it did
// not help; *ret_answered then says whether that was told already.
static bool attach_again(DeviceCall *device, const char *xml, bool *ret_answered)
{
    const char *alias = xml_attribute(xml_child(device->device, "alias"), "name");
    const Xml *devices;
    *ret_answered = !device_domain(device, &devices);
    if (*ret_answered || (alias && devices_have_alias(devices, alias)))
        return !*ret_answered;
    if (!domain_drop_orphans(device->domain, devices, alias) ||
        virDomainAttachDeviceFlags(device->domain, xml, VIR_DOMAIN_AFFECT_LIVE))
        return false;
    // libvirt may still take the end of the old one for that of the new one.
    uv_sleep(SETTLE_MS);
    *ret_answered = !device_domain(device, &devices);
    if (*ret_answered || !alias || devices_have_alias(devices, alias))
        return !*ret_answered;
    call_fail(device->call, VDSM_RECOVERY_IN_PROGRESS, "the device went again");
    *ret_answered = true;
    return false;
}

static bool attach(DeviceCall *device, const char *xml, VdsmError error, const char *failure)
{
    AUTO_FAIL why = {0};
    if (!virDomainAttachDeviceFlags(device->domain, xml, VIR_DOMAIN_AFFECT_LIVE))
        return true;
    bool lost = libvirt_is_lost(), answered = false;
    libvirt_fail(&why, FAIL_HOST, "%s", failure);
    if (!lost && attach_again(device, xml, &answered))
        return true;
    if (!answered)
        call_fail_why(device->call, lost ? VDSM_RECOVERY_IN_PROGRESS : error, &why);
    return false;
}

bool device_attach(DeviceCall *device, const char *kind, VdsmError error, const char *failure)
{
    AUTO_FREE char *before = memory_format("before_%s_hotplug", kind);
    AUTO_FREE char *after = memory_format("after_%s_hotplug", kind);
    AUTO_FREE char *wanted = device_xml(device->device), *xml = NULL;
    if (!device_hook_before(device, before, wanted, &xml) || !attach(device, xml, error, failure))
        return false;
    hooks_after(device->vm, after, xml);
    return true;
}
