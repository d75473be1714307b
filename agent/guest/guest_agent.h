// What qemu-guest-agent tells from inside the guests: asked every ten seconds, and at once when it
// appears. A guest that does not answer costs a pool thread for at most five seconds.
#pragma once

#include "agent/vm/vms.h"

// On the loop's thread, once a second for each running VM.
void guest_agent_tick(Vm *vm);
void guest_agent_poll_soon(Vm *vm);
void vm_guest_free(VmGuest *guest);
// Members of VM statistics. The lock is held.
void vm_write_guest(JsonWriter *writer, const Vm *vm);
