// Devices of running VMs that come or go by themselves: a guest lets go of one long after its
// unplugging was given up, somebody uses virsh on the host, an answer was lost for good.
#pragma once

#include "manager/inventory/inventory.h"
#include "manager/manager.h"

// Takes what the VM's domain XML, which has just come from its host, says of disks and network
// interfaces into the configuration, with events. What an operation is changing is left to it.
void vm_devices_observed(Manager *manager, Entity *vm);
