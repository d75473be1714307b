// Verbs that change CPUs and memory of a running VM.
#include <stdlib.h>
#include <string.h>

#include "agent/vm/hooks.h"
#include "agent/vm/vm_create.h"
#include "agent/vm/vm_device.h"

void vm_set_cpus(Call *call)
{
    DeviceCall device;
    if (device_begin(&device, call) &&
        device_hook_before(&device, "before_set_num_of_cpus", "", NULL)) {
        if (virDomainSetVcpusFlags(device.domain, (unsigned)call_integer(call, "numberOfCpus", 1),
                                   VIR_DOMAIN_AFFECT_LIVE)) {
            call_libvirt_failed(call, VDSM_SET_CPUS_FAILED,
                                "The number of CPUs could not be changed.");
            vm_refresh_xml(device.vm, device.domain); // part of it may have happened
        } else {
            hooks_after(device.vm, "after_set_num_of_cpus", "");
            device_answer(&device);
        }
    }
    device_end(&device);
}

void vm_set_balloon(Call *call)
{
    DeviceCall device;
    if (device_begin(&device, call)) {
        if (virDomainSetMemoryFlags(device.domain, (unsigned long)call_integer(call, "target", 0),
                                    VIR_DOMAIN_AFFECT_LIVE))
            call_libvirt_failed(call, VDSM_BALLOON, "The balloon could not be set.");
        else
            call_ok(call);
    }
    device_end(&device);
}

// {"size": MiB, "node": number}, as managers before 4.2 said it.
static char *memory_xml(const Json *memory)
{
    AUTO_STRBUF text = {0};
    XmlWriter writer = {.out = &text};
    AUTO_FREE char *node = memory_format("%lld", (long long)json_get_integer(memory, "node", 0));
    AUTO_FREE char *size = memory_format("%lld", (long long)json_get_integer(memory, "size", 0));
    xml_open(&writer, "memory");
    xml_put_attribute(&writer, "model", "dimm");
    xml_open(&writer, "target");
    xml_open(&writer, "size");
    xml_put_attribute(&writer, "unit", "MiB");
    xml_put_text(&writer, size);
    xml_close(&writer);
    xml_add_text(&writer, "node", node);
    xml_close(&writer);
    xml_close(&writer);
    return strbuf_take(&text);
}

// The device stands alone in params.xml, or as others do, or as a map.
static bool memory_parse(DeviceCall *device)
{
    const Json *params = call_json(device->call, "params"), *memory = json_get(params, "memory");
    const char *xml = json_get_string(params, "xml");
    Arena *arena = call_arena(device->call);
    if (!xml && memory) {
        AUTO_FREE char *made = memory_xml(memory);
        device->device = xml_parse(arena, made, strlen(made), NULL, NULL);
        return true;
    }
    Xml *root = xml ? xml_parse(arena, xml, strlen(xml), NULL, NULL) : NULL;
    if (!root || strcmp(root->name, "memory"))
        return device_parse(device, "memory", VDSM_HOTPLUG_MEMORY_FAILED);
    device->device = root;
    return true;
}

void vm_hotplug_memory(Call *call)
{
    DeviceCall device;
    if (device_begin(&device, call) && memory_parse(&device)) {
        if (device_attach(&device, "memory", VDSM_HOTPLUG_MEMORY_FAILED,
                          "The memory could not be plugged."))
            device_answer(&device);
        else
            vm_refresh_xml(device.vm, device.domain); // another call may have plugged it
    }
    device_end(&device);
}
