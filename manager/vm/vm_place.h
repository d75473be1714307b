// Which host a VM starts on.
#pragma once

#include "manager/inventory/inventory.h"
#include "manager/manager.h"

// NULL and NO_HOST, with what speaks against each host, when there is none.
Entity *vm_choose_host(Manager *manager, const ApiVm *vm, Fail *why);
