// Guests that QEMU has paused because their storage failed or was full: which disk it was, and
// resuming them when it is good again, as the VM's resume behaviour says.
#pragma once

#include "agent/vm/vms.h"

void vm_pause_free(VmPause *pause);
// QEMU has paused the guest by itself: finds out why, then tells the manager. Loop's thread.
void vm_pause_begin(Vm *vm);
// The same for a guest that was found paused. Blocks.
void vm_pause_found(Vm *vm, virDomainPtr domain);
// The guest was resumed. True when its storage had paused it: it may do so again at once, so that it
// counts as running a moment later. Loop's thread.
bool vm_pause_end(Vm *vm);
// It runs, or was paused by somebody else. Blocks for a moment when its storage had paused it.
void vm_pause_forget(Vm *vm);
// Once a second for a VM that is paused. Loop's thread.
void vm_pause_tick(Vm *vm);
// How its storage holds it up now, for people; NULL when it does not. Blocks. The caller frees it.
char *vm_pause_text(virDomainPtr domain);
// Member "ioerror" of a VM's status. The lock is held.
void vm_pause_write(JsonWriter *writer, const Vm *vm);
