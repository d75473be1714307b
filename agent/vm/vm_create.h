// Shared by the verbs that give a VM its devices.
#pragma once

#include "agent/vm/vms.h"

// Prepares the volume that the metadata names for this disk element and points the element to it.
// Does nothing for disks without a volume. The volume is remembered and torn down with the VM.
int vm_prepare_disk(Vm *vm, Arena *arena, Xml *disk, const Xml *metadata, Fail *why);
// The answer of verbs that change a VM. The lock is held.
void vm_write_definition(JsonWriter *writer, const Vm *vm);

// "what", with libvirt's own words as the cause.
void call_libvirt_failed(Call *call, VdsmError error, const char *what);
