// Changing the cable and the network of an interface that a running guest has.
#pragma once

#include "manager/operations/operation.h"

extern const OperationKind nic_update_kind;

// Adds the operation to the change, with its locks; `next` is the interface as it is to be.
void nic_plan_update(Change *change, Entity *vm, const ApiNic *next, const char **ret_id);
