// Shared by the verbs that give a VM its devices.
#pragma once

#include "agent/vm/vms.h"

// On the loop's thread, every second: finds out what became of a start whose libvirt was lost.
void vm_decide_launch(Vm *vm);
// Plans the volume that the metadata names for this disk element; see vm_volumes.h.
void vm_plan_disk(Vm *vm, const Xml *disk, const Xml *metadata, bool changing);
// Prepares it, and points the element to it. Does nothing for disks without a volume.
int vm_prepare_disk(Vm *vm, Arena *arena, Xml *disk, const Xml *metadata, Fail *why);
// The answer of verbs that change a VM. The lock is held.
void vm_write_definition(JsonWriter *writer, const Vm *vm);

// Whether libvirt's last error of this thread is that its daemon went away: what it was asked may
// have happened or not.
bool libvirt_is_lost(void);
// "what", with libvirt's own words as the cause; RECOVERY_IN_PROGRESS instead of `error` when libvirt
// was lost, so that managers ask again.
void call_libvirt_failed(Call *call, VdsmError error, const char *what);
