// Fields of storage domains, data centers, disks and image transfers.
#include "manager/datacenter/data_center_status.h"
#include "manager/disk/disk.h"
#include "manager/search/search_fields.h"
#include "manager/storage/domain.h"

// ---- storage domains

static const ApiStorageDomain *domain_of(const Subject *subject)
{
    return subject->object;
}

void get_storage_status(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_choice(ret, (int)storage_domain_status(scope->manager, subject->entity));
}

void get_storage_external_status(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    ApiExternalStatus status = domain_of(subject)->external_status;
    values_add_choice(ret, (int)(status ? status : API_EXTERNAL_STATUS_OK));
}

void get_storage_data_center(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_name(ret, storage_domain_data_center(scope->manager, subject->entity));
}

void get_storage_type(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiHostStorage *storage = domain_of(subject)->storage;
    if (storage)
        values_add_choice(ret, (int)storage->type);
}

void get_storage_free_size(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    int64_t available = storage_domain_state(subject->entity)->available;
    if (available >= 0)
        values_add_number(ret, (double)available);
}

void get_storage_used_size(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    int64_t used = storage_domain_state(subject->entity)->used;
    if (used >= 0)
        values_add_number(ret, (double)used);
}

void get_storage_total_size(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const StorageDomainState *state = storage_domain_state(subject->entity);
    if (state->available >= 0 && state->used >= 0)
        values_add_number(ret, (double)state->available + (double)state->used);
}

void get_storage_committed(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_number(ret, (double)storage_domain_committed(scope->manager, subject->entity));
}

void get_storage_wipe_after_delete(const SearchScope *scope, const Subject *subject,
                                   FieldValues *ret)
{
    values_add_boolean(ret, domain_of(subject)->wipe_after_delete == API_TRUE);
}

void get_storage_discard_after_delete(const SearchScope *scope, const Subject *subject,
                                      FieldValues *ret)
{
    values_add_boolean(ret, domain_of(subject)->discard_after_delete == API_TRUE);
}

void get_storage_backup(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_boolean(ret, domain_of(subject)->backup == API_TRUE);
}

// ---- data centers

static const ApiDataCenter *data_center_of(const Subject *subject)
{
    return subject->object;
}

void get_data_center_local(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_boolean(ret, data_center_of(subject)->local == API_TRUE);
}

void get_data_center_status(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_choice(ret, (int)data_center_status(scope->manager, subject->entity));
}

void get_data_center_version(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_version(ret, data_center_of(subject)->version);
}

// ---- disks

static const ApiDisk *disk_of(const Subject *subject)
{
    return subject->object;
}

void get_disk_alias(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiDisk *disk = disk_of(subject);
    values_add_text(ret, disk->alias ? disk->alias : disk->name);
}

void get_disk_actual_size(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    int64_t observed = disk_state(subject->entity)->actual_size;
    if (observed >= 0)
        values_add_number(ret, (double)observed);
    else
        values_add_integer(ret, disk_of(subject)->actual_size);
}

void get_disk_shareable(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_boolean(ret, disk_of(subject)->shareable == API_TRUE);
}

void get_disk_wipe_after_delete(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_boolean(ret, disk_of(subject)->wipe_after_delete == API_TRUE);
}

void get_disk_status(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_choice(ret, (int)disk_status(scope->manager, subject->entity));
}

void get_disk_type(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    ApiDiskStorageType type = disk_of(subject)->storage_type;
    values_add_choice(ret, (int)(type                            ? type
                                 : disk_of(subject)->lun_storage ? API_DISK_STORAGE_TYPE_LUN
                                                                 : API_DISK_STORAGE_TYPE_IMAGE));
}

void get_disk_content_type(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    ApiDiskContentType type = disk_of(subject)->content_type;
    values_add_choice(ret, (int)(type ? type : API_DISK_CONTENT_TYPE_DATA));
}

void get_disk_allocation_policy(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    if (disk_of(subject)->sparse)
        values_add_choice(ret, disk_of(subject)->sparse == API_TRUE ? SEARCH_SPARSE
                                                                    : SEARCH_PREALLOCATED);
}

void get_disk_number_of_vms(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const Array *vms = inventory_disk_vms(scope->inventory, subject->entity->id);
    values_add_number(ret, vms ? (double)vms->count : 0);
}

void get_disk_vm_names(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const Array *vms = inventory_disk_vms(scope->inventory, subject->entity->id);
    for (size_t i = 0; vms && i < vms->count; i++)
        values_add_name(ret, vms->items[i]);
}

// ---- image transfers

void get_transfer_disk_id(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiImageTransfer *transfer = subject->object;
    values_add_text(ret, transfer->disk    ? transfer->disk->id
                         : transfer->image ? transfer->image->id
                                           : NULL);
}

void get_transfer_host(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiImageTransfer *transfer = subject->object;
    values_add_name(ret, scope_entity(scope, KIND_HOST, transfer->host));
}
