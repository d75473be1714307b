// More or fewer CPUs, and more memory, of a VM while it runs. What is wanted waits as the
// configuration of its next start; the operation makes it true at once, or leaves it there.
#pragma once

#include "base/array.h"
#include "manager/operations/operation.h"

extern const OperationKind vm_cpus_kind, vm_memory_kind;

// Adds to the change what the running VM can have at once of `next`, as far as `wanted` names it:
// sockets up to the most it was started with, memory in steps of 256 MiB up to its maximum. The
// ids of the operations go to `operations`. Fails when another change of its size is under way.
int vm_plan_resize(Change *change, Entity *vm, const ApiVm *next, const ApiVm *wanted,
                   Array *operations, Fail *why);
