// Starting VMs.
#pragma once

#include "manager/operations/operation.h"

extern const OperationKind vm_start_kind;
