// Storage domains: what the API shows of them, and the operations on them.
#pragma once

#include "manager/operations/operation.h"
#include "manager/rest/items.h"

extern const OperationKind storage_domain_add_kind, storage_domain_attach_kind,
    storage_domain_activate_kind, storage_domain_deactivate_kind, storage_domain_detach_kind,
    storage_domain_remove_kind;

ApiStorageDomainStatus storage_domain_status(Manager *manager, const Entity *domain);
// Where it is attached, also while it is being attached or detached; NULL.
Entity *storage_domain_data_center(Manager *manager, const Entity *domain);
// Capacity promised to disks, in bytes.
int64_t storage_domain_committed(const Manager *manager, const Entity *domain);
// Fails unless disks on it can be worked with. `doing` begins the sentence: "Cannot add disk".
int storage_domain_check_active(Manager *manager, const Entity *domain, const char *doing,
                                Fail *why);
// Fails when `bytes` more would leave less than the domain's critical limit.
int storage_domain_check_space(const Entity *domain, int64_t bytes, const char *doing, Fail *why);
// Names the first VM that runs with a disk on it, or returns false.
bool storage_domain_running_vm(const Manager *manager, const Entity *domain, const char **ret_name);

ItemView storage_domain_view, attached_storage_domain_view;

// Plans the attachment of a domain that is known to be free. `why` tells what does not fit.
int storage_domain_plan_attach(Change *change, Entity *domain, Entity *data_center,
                               const char **ret_operation, Fail *why);
int storage_domain_check_attach(Manager *manager, const Entity *domain, const Entity *data_center,
                                Fail *why);
