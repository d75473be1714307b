#include "manager/vm/vm_observed.h"

#include <string.h>
#include <strings.h>

#include "base/xml.h"
#include "manager/inventory/state.h"
#include "manager/operations/operation.h"
#include "manager/vm/vm_plug.h"

typedef struct Observation {
    Manager *manager;
    Entity *vm;
    const Xml *devices;
    Change *change; // NULL while all is as configured
} Observation;

// By the alias that we gave it; domains of other managers may know it by something else of its own.
static bool domain_has(const Xml *devices, const char *element, const char *id, const char *serial,
                       const char *mac)
{
    XML_EACH(devices, device) {
        const char *alias = xml_attribute(xml_child(device, "alias"), "name");
        const char *own_serial = xml_child_text(device, "serial");
        const char *own_mac = xml_attribute(xml_child(device, "mac"), "address");
        if (strcmp(device->name, element))
            continue;
        if ((alias && !strncmp(alias, "ua-", 3) && !strcmp(alias + 3, id)) ||
            (serial && own_serial && !strcmp(own_serial, serial)) ||
            (mac && own_mac && !strcasecmp(own_mac, mac)))
            return true;
    }
    return false;
}

static void observe(Observation *observation, PlugTarget target, bool configured, bool there)
{
    const char *id = target.nic ? target.nic : target.disk;
    if (configured == there || operation_holding(observation->manager, id))
        return;
    if (!observation->change)
        observation->change = change_new(observation->manager, NULL);
    device_set_plugged(observation->change, observation->vm, target, there);
    device_tell(observation->change, observation->vm, target, there, NULL);
}

void vm_devices_observed(Manager *manager, Entity *vm)
{
    AUTO_ARENA arena = {0};
    VmState *state = vm_state(vm);
    const ApiVm *object = ENTITY_OBJECT(vm, Vm);
    const Xml *root = xml_parse(&arena, state->xml, strlen(state->xml), NULL, NULL);
    Observation observation = {manager, vm, xml_child(root, "devices"), NULL};
    if (!observation.devices || operation_holding(manager, vm->id))
        return;
    if (state->xml_asked_ms <= state->plugged_ms) {
        state->xml_is_old = true;
        return;
    }
    for (uint32_t i = 0; i < object->disk_attachments.count; i++) {
        const ApiDiskAttachment *attachment = object->disk_attachments.items[i];
        observe(&observation, (PlugTarget){.disk = attachment->id}, attachment->active == API_TRUE,
                domain_has(observation.devices, "disk", attachment->id, attachment->id, NULL));
    }
    for (uint32_t i = 0; i < object->nics.count; i++) {
        const ApiNic *nic = object->nics.items[i];
        observe(&observation, (PlugTarget){.nic = nic->id}, nic->plugged == API_TRUE,
                domain_has(observation.devices, "interface", nic->id, NULL,
                           nic->mac ? nic->mac->address : NULL));
    }
    if (observation.change)
        change_commit(observation.change, NULL, NULL);
}
