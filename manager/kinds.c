#include "manager/kinds.h"

#include "manager/operations/operation.h"
#include "manager/vm/vm_start.h"
#include "manager/vm/vm_stop.h"

// To add one: a row here.
static const OperationKind *const kinds[] = {
    &vm_start_kind,
    &vm_stop_kind,
};

void manager_register_kinds(Manager *manager)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        operations_register(manager->operations, kinds[i]);
}
