#include "manager/vm/vm_devices.h"

#include <string.h>

#include "manager/disk/disk.h"

const char *vm_nic_bridge(const Manager *manager, const ApiNic *nic)
{
    Entity *profile = nic->vnic_profile ? inventory_get(manager->inventory, KIND_VNIC_PROFILE,
                                                        nic->vnic_profile->id)
                                        : NULL;
    const ApiVnicProfile *object = profile ? ENTITY_OBJECT(profile, VnicProfile) : NULL;
    Entity *network = object && object->network
                          ? inventory_get(manager->inventory, KIND_NETWORK, object->network->id)
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
            nics[count++] =
                (DomainNic){vm->nics.items[i], vm_nic_bridge(manager, vm->nics.items[i])};
    return count;
}

bool vm_disk_place(const Manager *manager, const char *id, DomainDisk *ret)
{
    DiskPlace place;
    if (!disk_place(manager, id, &place))
        return false;
    ret->disk = place.disk;
    ret->storage_domain = place.storage_domain;
    ret->data_center = place.data_center;
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
