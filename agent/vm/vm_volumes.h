// The volumes that a VM's drives use on this host. They are in the VM's record before they are
// prepared, so whatever dies, what was prepared is given back once no drive uses it.
#pragma once

#include "agent/vm/vms.h"

// Takes copies of the strings. A volume that is `changing` is left alone by vm_settle_volumes()
// until vm_volumes_changed(). The caller saves the record.
void vm_plan_volume(Vm *vm, const VmVolume *volume);
void vm_volumes_changed(Vm *vm, const char *image);
// Asks libvirt which drives the VM has, and gives back what none of them uses; all of a VM that has
// ended. Nothing happens when libvirt does not answer: its recovery does the same. `interrupted`: a
// change may have ended half way, so QEMU may have more open than libvirt knows. The VM's
// devices_lock is held. Blocks.
void vm_settle_volumes(Vm *vm, bool interrupted);
// Gives back the volumes and the made CD of a stopped VM. A volume that is `changing` is left to the
// verb that changes it. Blocks.
void vm_release(Vm *vm);

// ---- for the record; the lock is held

void vm_write_volumes(JsonWriter *writer, const Vm *vm);
void vm_read_volumes(Vm *vm, const Json *list);
void vm_volumes_done(Vm *vm);
