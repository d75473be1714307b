// What a VM's devices are made of: found in the inventory, ready for the domain's XML.
#pragma once

#include "manager/manager.h"
#include "manager/vm/domain_xml.h"

enum { VM_DISKS_MAX = 64, VM_NICS_MAX = 64 };

// The bridge of the NIC's network; NULL when it is connected to none.
const char *vm_nic_bridge(const Manager *manager, const ApiNic *nic);
// Plugged ones; at most VM_NICS_MAX. Returns the number.
int vm_collect_nics(const Manager *manager, const ApiVm *vm, DomainNic *nics);
// Where the disk lies; false when it has gone or its domain is not attached.
bool vm_disk_place(const Manager *manager, const char *id, DomainDisk *ret);
// Active ones; at most VM_DISKS_MAX. Returns the number.
int vm_collect_disks(const Manager *manager, const ApiVm *vm, DomainDisk *disks);
// What lies in the CD drive: an id of a disk, or a path on the host; NULL when it is empty.
const char *vm_cd_content(const ApiVm *vm);
