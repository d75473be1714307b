// What verbs on the devices of a running VM have in common.
#pragma once

#include "agent/rpc/verbs.h"
#include "agent/vm/vms.h"

typedef struct DeviceCall {
    Call *call;
    Vm *vm;
    virDomainPtr domain;
    Xml *root, *device; // of the <hotplug> document
} DeviceCall;

// Takes the VM's devices_lock. False after it has answered; device_end() must follow all the same.
bool device_begin(DeviceCall *device, Call *call);
void device_end(DeviceCall *device);
// The devices of the running domain as they are now. False after it has answered.
bool device_domain(DeviceCall *device, const Xml **ret_devices);
// Takes the first such element out of params.xml.
bool device_parse(DeviceCall *device, const char *element, VdsmError error);
// Reads the running domain anew and answers with the VM's definition.
void device_answer(DeviceCall *device);
char *device_xml(const Xml *device);
// Between the hooks before_KIND_hotplug and after_KIND_hotplug. False after it has answered.
bool device_attach(DeviceCall *device, const char *kind, VdsmError error, const char *failure);
// The hooks of this point. False after it has answered.
bool device_hook_before(DeviceCall *device, const char *point, const char *xml, char **ret_xml);
