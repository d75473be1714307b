// Which host a VM starts on.
#pragma once

#include "manager/inventory/inventory.h"
#include "manager/manager.h"

// NULL and NO_HOST, with what speaks against each host, when there is none.
Entity *vm_choose_host(Manager *manager, const ApiVm *vm, Fail *why);
// Logical CPUs of a host, 0 when it has not told.
int64_t host_cpu_count(const Entity *host);
