// What leads from one object to others, for conditions like host.name=h1.
#include <string.h>

#include "manager/search/search_fields.h"

#define OBJECT(Type) ((const Api##Type *)subject->object)

// ---- VMs

void link_vm_host(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    subjects_add_entity(ret, vm_state(subject->entity)->host);
}

void link_vm_template(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    subjects_add_entity(ret, scope_entity(scope, KIND_TEMPLATE, OBJECT(Vm)->template));
}

void link_vm_instance_type(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    subjects_add_entity(ret, scope_entity(scope, KIND_INSTANCE_TYPE, OBJECT(Vm)->instance_type));
}

void link_vm_cluster(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    subjects_add_entity(ret, scope_entity(scope, KIND_CLUSTER, OBJECT(Vm)->cluster));
}

void link_vm_data_center(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    subjects_add_entity(ret, scope_cluster_data_center(scope, OBJECT(Vm)->cluster));
}

static void add_storages(const SearchScope *scope, const Entity *disk, Subjects *ret)
{
    if (!disk)
        return;
    const ApiDisk *object = ENTITY_OBJECT(disk, Disk);
    for (uint32_t i = 0; i < object->storage_domains.count; i++)
        subjects_add_entity(
            ret, scope_entity(scope, KIND_STORAGE_DOMAIN, object->storage_domains.items[i]));
    if (!object->storage_domains.count)
        subjects_add_entity(ret, scope_entity(scope, KIND_STORAGE_DOMAIN, object->storage_domain));
}

void link_vm_disks(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    for (uint32_t i = 0; i < OBJECT(Vm)->disk_attachments.count; i++)
        subjects_add_entity(ret,
                            scope_entity(scope, KIND_DISK, OBJECT(Vm)->disk_attachments.items[i]));
}

void link_vm_storages(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    for (uint32_t i = 0; i < OBJECT(Vm)->disk_attachments.count; i++)
        add_storages(scope, scope_entity(scope, KIND_DISK, OBJECT(Vm)->disk_attachments.items[i]),
                     ret);
}

void link_vm_vnics(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    for (uint32_t i = 0; i < OBJECT(Vm)->nics.count; i++)
        subjects_add(ret, subject->entity, OBJECT(Vm)->nics.items[i]);
}

// ---- hosts

void link_host_templates(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    LIST_EACH(&host_state(subject->entity)->vms, VmState, on_host, vm)
        subjects_add_entity(
            ret, scope_entity(scope, KIND_TEMPLATE, ENTITY_OBJECT(vm->entity, Vm)->template));
}

void link_host_cluster(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    subjects_add_entity(ret, scope_entity(scope, KIND_CLUSTER, OBJECT(Host)->cluster));
}

void link_host_data_center(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    subjects_add_entity(ret, scope_cluster_data_center(scope, OBJECT(Host)->cluster));
}

static void add_storages_of_data_center(const SearchScope *scope, const Entity *data_center,
                                        Subjects *ret)
{
    if (!data_center)
        return;
    INVENTORY_EACH(scope->inventory, KIND_STORAGE_DOMAIN, domain) {
        const ApiDataCenter *link = ENTITY_OBJECT(domain, StorageDomain)->data_center;
        if (link && link->id && !strcmp(link->id, data_center->id))
            subjects_add_entity(ret, domain);
    }
}

void link_host_storages(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    add_storages_of_data_center(scope, scope_cluster_data_center(scope, OBJECT(Host)->cluster),
                                ret);
}

void link_host_nics(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    const ApiDocument *report = host_state(subject->entity)->hardware;
    const ApiHost *object = report ? report->object : NULL;
    for (uint32_t i = 0; object && i < object->nics.count; i++)
        subjects_add(ret, subject->entity, object->nics.items[i]);
}

// ---- templates

void link_template_cluster(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    subjects_add_entity(ret, scope_entity(scope, KIND_CLUSTER, OBJECT(Template)->cluster));
}

void link_template_data_center(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    subjects_add_entity(ret, scope_cluster_data_center(scope, OBJECT(Template)->cluster));
}

void link_template_disks(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    for (uint32_t i = 0; i < OBJECT(Template)->disk_attachments.count; i++)
        subjects_add_entity(
            ret, scope_entity(scope, KIND_DISK, OBJECT(Template)->disk_attachments.items[i]));
}

void link_template_storages(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    for (uint32_t i = 0; i < OBJECT(Template)->disk_attachments.count; i++)
        add_storages(scope,
                     scope_entity(scope, KIND_DISK, OBJECT(Template)->disk_attachments.items[i]),
                     ret);
}

void link_template_vnics(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    for (uint32_t i = 0; i < OBJECT(Template)->nics.count; i++)
        subjects_add(ret, subject->entity, OBJECT(Template)->nics.items[i]);
}

// ---- storage

void link_disk_vms(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    const Array *vms = inventory_disk_vms(scope->inventory, subject->entity->id);
    for (size_t i = 0; vms && i < vms->count; i++)
        subjects_add_entity(ret, vms->items[i]);
}

void link_disk_storages(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    add_storages(scope, subject->entity, ret);
}

void link_storage_data_centers(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    subjects_add_entity(ret,
                        scope_entity(scope, KIND_DATA_CENTER, OBJECT(StorageDomain)->data_center));
}

void link_disk_data_centers(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    size_t first = ret->count;
    add_storages(scope, subject->entity, ret);
    size_t end = ret->count;
    for (size_t i = first; i < end; i++)
        link_storage_data_centers(scope, &(Subject){ret->items[i].entity, ret->items[i].object},
                                  ret);
    if (ret->count > end)
        memmove(ret->items + first, ret->items + end, (ret->count - end) * sizeof(Subject));
    ret->count -= end - first;
}

// ---- clusters and networks

void link_cluster_data_center(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    subjects_add_entity(ret, scope_entity(scope, KIND_DATA_CENTER, OBJECT(Cluster)->data_center));
}

void link_cluster_storages(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    add_storages_of_data_center(
        scope, scope_entity(scope, KIND_DATA_CENTER, OBJECT(Cluster)->data_center), ret);
}

void link_cluster_to_networks(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    for (uint32_t i = 0; i < OBJECT(Cluster)->networks.count; i++)
        subjects_add_entity(ret,
                            scope_entity(scope, KIND_NETWORK, OBJECT(Cluster)->networks.items[i]));
}

// The networks of a cluster, seen from it and from them: the subject is the cluster itself.
void link_cluster_networks(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    if (OBJECT(Cluster)->networks.count)
        subjects_add(ret, subject->entity, subject->object);
}

void link_network_clusters(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    INVENTORY_EACH(scope->inventory, KIND_CLUSTER, cluster) {
        const ApiCluster *object = ENTITY_OBJECT(cluster, Cluster);
        for (uint32_t i = 0; i < object->networks.count; i++)
            if (object->networks.items[i]->id &&
                !strcmp(object->networks.items[i]->id, subject->entity->id))
                subjects_add_entity(ret, cluster);
    }
}

void link_network_data_center(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    subjects_add_entity(ret, scope_entity(scope, KIND_DATA_CENTER, OBJECT(Network)->data_center));
}

// Hosts have a bridge of the network's name.
void link_network_hosts(const SearchScope *scope, const Subject *subject, Subjects *ret)
{
    const char *bridge =
        OBJECT(Network)->vdsm_name ? OBJECT(Network)->vdsm_name : OBJECT(Network)->name;
    INVENTORY_EACH(scope->inventory, KIND_HOST, host) {
        const ApiDocument *report = host_state(host)->hardware;
        const ApiHost *object = report ? report->object : NULL;
        for (uint32_t i = 0; bridge && object && i < object->nics.count; i++)
            if (object->nics.items[i]->bridged == API_TRUE && object->nics.items[i]->name &&
                !strcmp(object->nics.items[i]->name, bridge))
                subjects_add_entity(ret, host);
    }
}

// ---- events: what is gone is still known by its id

static void add_linked(const SearchScope *scope, Kind kind, const void *link, Subjects *ret)
{
    const Entity *entity = scope_entity(scope, kind, link);
    if (entity)
        subjects_add_entity(ret, entity);
    else if (link)
        subjects_add(ret, NULL, link);
}

#define EVENT_LINK(name, kind, member)                                                      \
    void link_event_##name(const SearchScope *scope, const Subject *subject, Subjects *ret) \
    {                                                                                       \
        add_linked(scope, kind, OBJECT(Event)->member, ret);                                \
    }

EVENT_LINK(vm, KIND_VM, vm)
EVENT_LINK(host, KIND_HOST, host)
EVENT_LINK(template, KIND_TEMPLATE, template)
EVENT_LINK(user, KIND_USER, user)
EVENT_LINK(cluster, KIND_CLUSTER, cluster)
EVENT_LINK(storage, KIND_STORAGE_DOMAIN, storage_domain)
EVENT_LINK(data_center, KIND_DATA_CENTER, data_center)
