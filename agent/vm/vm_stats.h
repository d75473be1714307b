// Statistics of VMs: samples of libvirt's counters, and the rates between two of them.
#pragma once

#include "agent/vm/vms.h"

void vm_rates_free(VmRates *rates);
// Takes a sample of all running domains unless the last is younger than two seconds. Blocks, but
// not on a single stuck guest. Pool threads only.
void vms_sample(Vms *vms);
// One VM's statistics as VDSM's VmStats. Takes the lock.
void vm_write_stats(JsonWriter *writer, Vm *vm);
