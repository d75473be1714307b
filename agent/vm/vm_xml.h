// What the host changes in the domain XML that the manager has sent.
#pragma once

#include "agent/vm/hypervisor.h"
#include "agent/vm/vms.h"

// Facts of this host that the XML must fit.
typedef struct VmXmlHost {
    Accelerator accelerator;
    const char *console_address;
    bool vhost_net, spice_tls;
} VmXmlHost;

// ovirt-vm:vm in the metadata, or NULL.
const Xml *vm_xml_metadata(const Xml *root);
// The metadata of a device: devtype "disk", name "vda" (or matched by its "alias" or "mac").
const Xml *vm_xml_device_metadata(const Xml *metadata, const char *type, const char *name);
// A child of the metadata, by name without prefix, or NULL.
const Xml *vm_xml_child(const Xml *metadata, const char *name);
// Text of a child of the metadata, by name without prefix.
const char *vm_xml_text(const Xml *metadata, const char *name);

// Type, CPU, clock, features for the accelerator; consoles' addresses; paths that libvirt chooses.
void vm_xml_adapt(Arena *arena, Xml *root, const VmXmlHost *host);
// Points a disk element to a file.
void vm_xml_set_disk_file(Arena *arena, Xml *disk, const char *path, bool qcow2);
// Whether a disk or CD among the devices is a volume of the image.
bool vm_xml_uses_image(const Xml *devices, const char *image);
