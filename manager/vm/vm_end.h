// What happens when a VM has stopped, however it came to that.
#pragma once

#include "base/json.h"
#include "manager/inventory/change.h"
#include "manager/inventory/state.h"
#include "manager/manager.h"

// A host shows the VM as Down: note why, let pending changes become true, tell the host that we
// have seen it.
void vm_ended(Manager *manager, Entity *vm, Entity *host, const Json *report);
// A host that had it does not know it any more.
void vm_vanished(Manager *manager, Entity *vm, Entity *host);
// Takes the VM's state to down; pending changes (next_run) become true within `change`.
void vm_settle_down(Change *change, Entity *vm, const char *message, int exit_code,
                    int exit_reason);
