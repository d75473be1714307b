#include "agent/vm/vm_device.h"

#include <stdlib.h>
#include <string.h>

#include "agent/vm/hooks.h"
#include "agent/vm/hypervisor.h"
#include "agent/vm/vm_create.h"

bool device_begin(DeviceCall *device, Call *call)
{
    *device = (DeviceCall){.call = call, .vm = call_vm(call)};
    device->domain = device->vm ? call_domain(call, device->vm) : NULL;
    return device->domain != NULL;
}

void device_end(DeviceCall *device)
{
    hypervisor_domain_done(call_agent(device->call)->hypervisor, device->domain);
    if (device->vm)
        vm_unref(device->vm);
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

bool device_attach(DeviceCall *device, const char *kind, VdsmError error, const char *failure)
{
    AUTO_FREE char *before = memory_format("before_%s_hotplug", kind);
    AUTO_FREE char *after = memory_format("after_%s_hotplug", kind);
    AUTO_FREE char *wanted = device_xml(device->device), *xml = NULL;
    if (!device_hook_before(device, before, wanted, &xml))
        return false;
    if (virDomainAttachDeviceFlags(device->domain, xml, VIR_DOMAIN_AFFECT_LIVE)) {
        call_libvirt_failed(device->call, error, failure);
        return false;
    }
    hooks_after(device->vm, after, xml);
    return true;
}
