// Ending VMs at once.
#pragma once

#include "manager/operations/operation.h"

extern const OperationKind vm_stop_kind;
