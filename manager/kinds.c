#include "manager/kinds.h"

#include "manager/disk/disk.h"
#include "manager/operations/operation.h"
#include "manager/transfer/transfers.h"
#include "manager/vm/vm_nic_update.h"
#include "manager/vm/vm_plug.h"
#include "manager/vm/vm_resize.h"
#include "manager/storage/domain.h"
#include "manager/vm/vm_start.h"
#include "manager/vm/vm_stop.h"

// To add one: a row here.
static const OperationKind *const kinds[] = {
    &device_plug_kind,
    &device_unplug_kind,
    &nic_update_kind,
    &vm_start_kind,
    &storage_domain_add_kind,
    &storage_domain_attach_kind,
    &storage_domain_activate_kind,
    &storage_domain_deactivate_kind,
    &storage_domain_detach_kind,
    &storage_domain_remove_kind,
    &disk_add_kind,
    &disk_resize_kind,
    &disk_remove_kind,
    &vm_stop_kind,
    &vm_cpus_kind,
    &vm_memory_kind,
    &image_transfer_kind,
};

void manager_register_kinds(Manager *manager)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        operations_register(manager->operations, kinds[i]);
}
