// Disks as the API shows them, and reading them.
#include <string.h>

#include "manager/disk/disk.h"
#include "manager/inventory/state.h"
#include "manager/rest/reply.h"
#include "manager/storage/disk_profile.h"
#include "rest_handlers.h"

static const ApiStorageDomain *first_domain(const ApiDisk *disk)
{
    return disk->storage_domains.count ? disk->storage_domains.items[0] : NULL;
}

bool disk_place(const Manager *manager, const char *id, DiskPlace *ret)
{
    Entity *disk = inventory_get(manager->inventory, KIND_DISK, id);
    const ApiDisk *object = disk ? ENTITY_OBJECT(disk, Disk) : NULL;
    const ApiStorageDomain *on = object ? first_domain(object) : NULL;
    Entity *domain = on ? inventory_get(manager->inventory, KIND_STORAGE_DOMAIN, on->id) : NULL;
    const ApiStorageDomain *place = domain ? ENTITY_OBJECT(domain, StorageDomain) : NULL;
    if (!place || !place->data_center)
        return false;
    *ret = (DiskPlace){.disk = object,
                       .image = disk->id,
                       .volume = object->image_id,
                       .storage_domain = domain->id,
                       .data_center = place->data_center->id};
    return true;
}

ApiDiskStatus disk_status(Manager *manager, const Entity *disk)
{
    if (operation_holding(manager, disk->id))
        return API_DISK_STATUS_LOCKED;
    ApiDiskStatus stored = ENTITY_OBJECT(disk, Disk)->status;
    return stored ? stored : API_DISK_STATUS_OK;
}

static void view_vms(Arena *arena, const Manager *manager, const Entity *disk, ApiDisk *view)
{
    const Array *vms = inventory_disk_vms(manager->inventory, disk->id);
    for (size_t i = 0; vms && i < vms->count; i++) {
        ApiVm *vm = ARENA_NEW(arena, ApiVm);
        vm->id = ((Entity *)vms->items[i])->id;
        api_list_add(arena, &view->vms, vm);
        view->vms.set = true;
    }
}

static void view_profile(Arena *arena, ApiDisk *view)
{
    char id[UUID_SIZE];
    if (view->disk_profile || !first_domain(view))
        return;
    view->disk_profile = ARENA_NEW(arena, ApiDiskProfile);
    view->disk_profile->id = arena_string(arena, disk_profile_id(first_domain(view)->id, id));
}

void disk_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiDisk *view = target;
    *view = *(const ApiDisk *)item->document->object;
    const DiskState *state = disk_state(item->entity);
    view->status = disk_status(request->manager, item->entity);
    if (state->actual_size >= 0) {
        view->actual_size = API_INT(state->actual_size);
        if (!view->total_size.set || view->total_size.value < state->actual_size)
            view->total_size = view->actual_size;
    }
    view_vms(scratch, request->manager, item->entity, view);
    view_profile(scratch, view);
}

// ---- reading

int disk_list(Request *request, Items *items)
{
    return items_collect(request, items, KIND_DISK, disk_view);
}

static bool lies_on(const Entity *disk, const char *domain)
{
    const ApiStorageDomain *on = first_domain(ENTITY_OBJECT(disk, Disk));
    return on && !strcmp(on->id, domain);
}

// /storagedomains/ID/disks and /datacenters/ID/storagedomains/ID/disks: the domain's id stands
// before the collection.
static const char *url_domain(const Request *request)
{
    const Route *route = &request->route;
    for (int i = 1; i + 1 < route->depth; i++)
        if (!strcmp(route->steps[i].segment, "storagedomains"))
            return route->steps[i + 1].segment;
    return NULL;
}

Entity *request_disk(Request *request)
{
    int last = 0;
    while (request_id(request, last + 1))
        last++;
    Entity *disk = request_entity(request, last, KIND_DISK);
    const char *domain = url_domain(request);
    if (disk && domain && !lies_on(disk, domain)) {
        fail_set(&request->why, FAIL_NOT_FOUND, "Disk %s is not on storage domain %s.", disk->id,
                 domain);
        return NULL;
    }
    return disk;
}

int disk_get(Request *request, Items *items)
{
    Entity *disk = request_disk(request);
    if (!disk)
        return fail_to_errno(request->why.code);
    items->view = disk_view;
    items_add_entity(items, disk);
    return 0;
}

int domain_disk_list(Request *request, Items *items)
{
    Inventory *inventory = request->manager->inventory;
    const char *domain = url_domain(request);
    bool unregistered = request_flag(request, "unregistered", false);
    if (!domain || !inventory_get(inventory, KIND_STORAGE_DOMAIN, domain))
        return fail_set(&request->why, FAIL_NOT_FOUND, "There is no storage domain with the id %s.",
                        domain ? domain : "(none)");
    items->view = disk_view;
    INVENTORY_EACH(inventory, KIND_DISK, disk)
    if (!unregistered && lies_on(disk, domain))
        items_add_entity(items, disk);
    items_sort(items);
    return 0;
}

// ---- ISO images, as files of their domain

static ApiFile *file_of(Request *request, const Entity *disk, const char *domain)
{
    const ApiDisk *object = ENTITY_OBJECT(disk, Disk);
    ApiFile *file = ARENA_NEW(&request->arena, ApiFile);
    file->id = arena_string(&request->arena, disk->id);
    file->name = arena_string(&request->arena, object->alias ? object->alias : disk->id);
    file->type = "iso";
    file->storage_domain = ARENA_NEW(&request->arena, ApiStorageDomain);
    file->storage_domain->id = arena_string(&request->arena, domain);
    return file;
}

static bool is_iso_on(const Entity *disk, const char *domain)
{
    return ENTITY_OBJECT(disk, Disk)->content_type == API_DISK_CONTENT_TYPE_ISO &&
           lies_on(disk, domain);
}

int domain_file_list(Request *request, Items *items)
{
    Entity *domain = request_entity(request, 0, KIND_STORAGE_DOMAIN);
    if (!domain)
        return fail_to_errno(request->why.code);
    INVENTORY_EACH(request->manager->inventory, KIND_DISK, disk)
    if (is_iso_on(disk, domain->id))
        items_add_value(items, file_of(request, disk, domain->id));
    return 0;
}

int domain_file_get(Request *request, Items *items)
{
    Entity *domain = request_entity(request, 0, KIND_STORAGE_DOMAIN);
    const char *id = request_id(request, 1);
    INVENTORY_EACH(request->manager->inventory, KIND_DISK, disk)
    if (domain && is_iso_on(disk, domain->id) &&
        (!strcmp(disk->id, id) || !strcmp(entity_name(disk), id))) {
        items_add_value(items, file_of(request, disk, domain->id));
        return 0;
    }
    return fail_set(&request->why, FAIL_NOT_FOUND, "There is no file %s.", id);
}
