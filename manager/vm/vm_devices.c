#include "manager/vm/vm_devices.h"

#include <string.h>

const char *vm_nic_bridge(const Manager *manager, const ApiNic *nic)
{
    Entity *profile = nic->vnic_profile ? inventory_get(manager->inventory, KIND_VNIC_PROFILE,
                                                        nic->vnic_profile->id)
                                        : NULL;
    const ApiVnicProfile *object = profile ? ENTITY_OBJECT(profile, VnicProfile) : NULL;
    Entity *network = object && object->network ? inventory_get(manager->inventory, KIND_NETWORK,
                                                                object->network->id)
                                                : NULL;
    if (!network)
        return NULL;
    const ApiNetwork *found = ENTITY_OBJECT(network, Network);
    return found->vdsm_name ? found->vdsm_name : found->name;
}

int vm_collect_nics(const Manager *manager, const ApiVm *vm, DomainNic *nics)
{
    int count = 0;
    for (uint32_t i = 0; i < vm->nics.count && count < VM_NICS_MAX; i++)
        if (vm->nics.items[i]->plugged != API_FALSE)
            nics[count++] = (DomainNic){vm->nics.items[i],
                                        vm_nic_bridge(manager, vm->nics.items[i])};
    return count;
}

bool vm_disk_place(const Manager *manager, const char *id, DomainDisk *ret)
{
    Entity *disk = inventory_get(manager->inventory, KIND_DISK, id);
    const ApiDisk *object = disk ? ENTITY_OBJECT(disk, Disk) : NULL;
    if (!object || !object->storage_domains.count)
        return false;
    Entity *domain = inventory_get(manager->inventory, KIND_STORAGE_DOMAIN,
                                   object->storage_domains.items[0]->id);
    const ApiStorageDomain *place = domain ? ENTITY_OBJECT(domain, StorageDomain) : NULL;
    if (!place || !place->data_center)
        return false;
    ret->disk = object;
    ret->storage_domain = domain->id;
    ret->data_center = place->data_center->id;
    return true;
}

int vm_collect_disks(const Manager *manager, const ApiVm *vm, DomainDisk *disks)
{
    int count = 0;
    for (uint32_t i = 0; i < vm->disk_attachments.count && count < VM_DISKS_MAX; i++) {
        const ApiDiskAttachment *attachment = vm->disk_attachments.items[i];
        if (attachment->active == API_FALSE ||
            !vm_disk_place(manager, attachment->id, &disks[count]))
            continue;
        disks[count++].attachment = attachment;
    }
    return count;
}

const char *vm_cd_content(const ApiVm *vm)
{
    for (uint32_t i = 0; i < vm->cdroms.count; i++)
        if (vm->cdroms.items[i]->file && vm->cdroms.items[i]->file->id &&
            *vm->cdroms.items[i]->file->id)
            return vm->cdroms.items[i]->file->id;
    return NULL;
}
