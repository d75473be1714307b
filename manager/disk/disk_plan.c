// Checks of what clients want of disks, and planning the operations.
#include <string.h>

#include "manager/disk/disk.h"
#include "manager/inventory/state.h"
#include "manager/storage/domain.h"

#define DISK_SIZE_MAX (INT64_C(500) << 40) // what RHEL's QEMU is supported with

enum { CAPACITY_STEP = 4096, ALIAS_MAX = 255, DESCRIPTION_MAX = 4000 };

void disk_context(ApiOperationContext *context, Arena *arena, const DiskPlace *place)
{
    context->disk = arena_string(arena, place->image);
    context->image = arena_string(arena, place->image);
    context->volume = arena_string(arena, place->volume);
    context->storage_domain = arena_string(arena, place->storage_domain);
    context->data_center = arena_string(arena, place->data_center);
    context->text = arena_string(arena, place->disk->alias);
}

Entity *disk_running_vm(const Manager *manager, const Entity *disk, const char *but)
{
    const Array *vms = inventory_disk_vms(manager->inventory, disk->id);
    for (size_t i = 0; vms && i < vms->count; i++) {
        Entity *vm = vms->items[i];
        const ApiVm *object = ENTITY_OBJECT(vm, Vm);
        if (!vm_state(vm)->host || (but && !strcmp(vm->id, but)))
            continue;
        for (uint32_t j = 0; j < object->disk_attachments.count; j++)
            if (!strcmp(object->disk_attachments.items[j]->id, disk->id) &&
                object->disk_attachments.items[j]->active != API_FALSE)
                return vm;
    }
    return NULL;
}

void disk_detach_everywhere(Change *change, const Entity *disk)
{
    const Array *vms = inventory_disk_vms(change_manager(change)->inventory, disk->id);
    for (size_t i = 0; vms && i < vms->count; i++) {
        ApiVm *vm = change_edit(change, vms->items[i])->object;
        for (uint32_t j = 0; j < vm->disk_attachments.count;) {
            if (!strcmp(vm->disk_attachments.items[j]->id, disk->id))
                api_list_remove(&vm->disk_attachments, vm->disk_attachments.items[j]);
            else
                j++;
        }
    }
}

// ---- what is wanted of a new one

static const char doing[] = "Cannot add Virtual Disk";

typedef struct Wish {
    const ApiDisk *disk;
    Entity *domain;
    ApiDiskFormat format;
    bool sparse, incremental;
    int64_t size, reserve; // reserve: what the domain must have free for it
} Wish;

static int check_ids(Request *request, const ApiDisk *wanted)
{
    Inventory *inventory = request->manager->inventory;
    if ((wanted->id && !uuid_valid(wanted->id)) ||
        (wanted->image_id && !uuid_valid(wanted->image_id)))
        return fail_set(&request->why, FAIL_INVALID, "disk: id and image_id are UUIDs.");
    Entity *same = wanted->id ? inventory_get(inventory, KIND_DISK, wanted->id) : NULL;
    if (same) {
        fail_set(&request->why, FAIL_EXISTS,
                 "%s. The selected disk ID: %s is already used by the following existing disk: %s.",
                 doing, same->id, entity_name(same));
        fail_object(&request->why, same->id);
        return fail_to_errno(FAIL_EXISTS);
    }
    if (!wanted->image_id)
        return 0;
    INVENTORY_EACH(inventory, KIND_DISK, disk)
        if (!strcmp(ENTITY_OBJECT(disk, Disk)->image_id, wanted->image_id))
            return fail_set(&request->why, FAIL_EXISTS, "%s. Disk %s has the image ID %s already.",
                            doing, entity_name(disk), wanted->image_id);
    return 0;
}

static Entity *wanted_domain(Request *request, const ApiDisk *wanted)
{
    const ApiStorageDomain *reference = wanted->storage_domain;
    if (wanted->storage_domains.count)
        reference = wanted->storage_domains.items[0];
    if (!reference) {
        fail_set(&request->why, FAIL_REJECTED, "%s. Storage Domain hasn't been specified.", doing);
        return NULL;
    }
    return request_reference(request, KIND_STORAGE_DOMAIN, reference, "disk.storage_domains");
}

int disk_check_size(Request *request, int64_t size, const char *activity)
{
    if (size > 0 && size <= DISK_SIZE_MAX)
        return 0;
    if (size <= 0)
        fail_set(&request->why, FAIL_REJECTED,
                 "%s. Disk's provisioned size has to be greater than 0.", activity);
    else
        fail_set(&request->why, FAIL_REJECTED, "%s. Disks have at most %lld TiB.", activity,
                 (long long)(DISK_SIZE_MAX >> 40));
    fail_detail(&request->why, "disk.provisioned_size is %lld", (long long)size);
    return fail_to_errno(FAIL_REJECTED);
}

static int check_size(Request *request, ApiInteger size)
{
    if (!size.set)
        return fail_set(&request->why, FAIL_INCOMPLETE, "Disk [provisionedSize] required for add");
    return disk_check_size(request, size.value, doing);
}

static int check_texts(Request *request, const ApiDisk *wanted)
{
    const char *alias = wanted->alias ? wanted->alias : wanted->name;
    if (alias && strlen(alias) > ALIAS_MAX)
        return fail_set(&request->why, FAIL_INVALID, "disk.alias: at most %d bytes are possible.",
                        ALIAS_MAX);
    if (wanted->description && strlen(wanted->description) > DESCRIPTION_MAX)
        return fail_set(&request->why, FAIL_INVALID,
                        "disk.description: at most %d bytes are possible.", DESCRIPTION_MAX);
    if (alias && strpbrk(alias, "\n\r"))
        return fail_set(&request->why, FAIL_INVALID, "disk.alias: line breaks are not possible.");
    return 0;
}

// What RHV allows on file storage; clients match the sentence.
static int check_format(Request *request, const Wish *wish)
{
    bool raw = wish->format == API_DISK_FORMAT_RAW;
    if ((raw && wish->incremental) || (!raw && !wish->sparse && !wish->incremental))
        return fail_set(&request->why, FAIL_REJECTED,
                        "%s. Disk configuration (%s %s backup-%s) is incompatible with the storage "
                        "domain type.",
                        doing, raw ? "RAW" : "COW", wish->sparse ? "Sparse" : "Preallocated",
                        wish->incremental ? "Incremental" : "None");
    if (!raw && wish->disk->shareable == API_TRUE)
        return fail_set(&request->why, FAIL_REJECTED,
                        "%s. Shareable disks need the format raw: several VMs can't write one "
                        "qcow2 file.",
                        doing);
    return 0;
}

static int wish_read(Request *request, const ApiDisk *wanted, Wish *wish)
{
    if (wanted->lun_storage ||
        (wanted->storage_type && wanted->storage_type != API_DISK_STORAGE_TYPE_IMAGE))
        return fail_set(&request->why, FAIL_NOT_IMPLEMENTED,
                        "disk.%s: disks that are LUNs or managed block storage are not implemented "
                        "yet.",
                        wanted->lun_storage ? "lun_storage" : "storage_type");
    if (check_size(request, wanted->provisioned_size) || check_texts(request, wanted) ||
        check_ids(request, wanted))
        return fail_to_errno(request->why.code);
    wish->disk = wanted;
    wish->domain = wanted_domain(request, wanted);
    if (!wish->domain)
        return fail_to_errno(request->why.code);
    wish->incremental = wanted->backup == API_DISK_BACKUP_INCREMENTAL;
    wish->sparse = wanted->sparse != API_FALSE;
    wish->format = wanted->format                      ? wanted->format
                   : wish->sparse || wish->incremental ? API_DISK_FORMAT_COW
                                                       : API_DISK_FORMAT_RAW;
    wish->size =
        (wanted->provisioned_size.value + CAPACITY_STEP - 1) / CAPACITY_STEP * CAPACITY_STEP;
    wish->reserve = wish->sparse ? wanted->initial_size.value : wish->size;
    return check_format(request, wish);
}

static int wish_check_domain(Request *request, const Wish *wish)
{
    Manager *manager = request->manager;
    if (request_check_free(request, wish->domain, LOCK_SHARED) ||
        storage_domain_check_active(manager, wish->domain, doing, &request->why))
        return fail_to_errno(request->why.code);
    return storage_domain_check_space(wish->domain, wish->reserve, doing, &request->why);
}

// "web_Disk2": the first number no disk has.
static char *alias_for_vm(const Manager *manager, const char *vm_name)
{
    for (int number = 1;; number++) {
        char *alias = memory_format("%s_Disk%d", vm_name, number);
        if (!inventory_named(manager->inventory, KIND_DISK, alias))
            return alias;
        memory_freep(&alias);
    }
}

static void wish_fill(const Wish *wish, ApiDocument *draft, const char *alias)
{
    const ApiDisk *wanted = wish->disk;
    ApiDisk *disk = draft->object;
    Arena *arena = &draft->arena;
    char volume[UUID_SIZE];
    disk->alias = disk->name = arena_string(arena, alias);
    disk->description = arena_string(arena, wanted->description ? wanted->description : "");
    disk->image_id = arena_string(arena, wanted->image_id ? wanted->image_id : uuid_new(volume));
    disk->provisioned_size = API_INT(wish->size);
    disk->initial_size = wanted->initial_size;
    disk->actual_size = disk->total_size = API_INT(0);
    disk->format = wish->format;
    disk->sparse = API_BOOL(wish->sparse);
    if (wish->format == API_DISK_FORMAT_COW)
        disk->qcow_version = API_QCOW_VERSION_QCOW2_V3;
    disk->shareable = API_BOOL(wanted->shareable == API_TRUE);
    disk->propagate_errors = API_BOOL(wanted->propagate_errors == API_TRUE);
    disk->wipe_after_delete = wanted->wipe_after_delete
                                  ? wanted->wipe_after_delete
                                  : ENTITY_OBJECT(wish->domain, StorageDomain)->wipe_after_delete;
    disk->backup = wish->incremental ? API_DISK_BACKUP_INCREMENTAL : API_DISK_BACKUP_NONE;
    disk->content_type = wanted->content_type ? wanted->content_type : API_DISK_CONTENT_TYPE_DATA;
    disk->storage_type = API_DISK_STORAGE_TYPE_IMAGE;
    disk->status = API_DISK_STATUS_OK;
    ApiStorageDomain *place = ARENA_NEW(arena, ApiStorageDomain);
    place->id = arena_string(arena, wish->domain->id);
    api_list_add(arena, &disk->storage_domains, place);
    disk->storage_domains.set = true;
}

int disk_plan_add(Request *request, Change *change, const ApiDisk *wanted, const char *vm,
                  const char *vm_name, const char **ret_disk, const char **ret_operation)
{
    Wish wish = {0};
    Arena *arena;
    if (wish_read(request, wanted, &wish) || wish_check_domain(request, &wish))
        return fail_to_errno(request->why.code);
    ApiDocument *draft = change_add(change, KIND_DISK, wanted->id);
    ApiDisk *disk = draft->object;
    const char *given = wanted->alias && *wanted->alias ? wanted->alias : wanted->name;
    AUTO_FREE char *alias = given && *given ? memory_string(given)
                            : vm_name       ? alias_for_vm(request->manager, vm_name)
                                            : memory_format("disk-%.8s", disk->id);
    wish_fill(&wish, draft, alias);
    ApiOperationContext *context = operation_plan(change, &disk_add_kind, &arena, ret_operation);
    disk_context(context, arena,
                 &(DiskPlace){
                     .disk = disk,
                     .image = disk->id,
                     .volume = disk->image_id,
                     .storage_domain = wish.domain->id,
                     .data_center = ENTITY_OBJECT(wish.domain, StorageDomain)->data_center->id,
                 });
    context->vm = arena_string(arena, vm);
    context->size = disk->provisioned_size;
    operation_lock(change, *ret_operation, disk->id, LOCK_EXCLUSIVE);
    operation_lock(change, *ret_operation, wish.domain->id, LOCK_SHARED);
    *ret_disk = disk->id;
    return 0;
}

// ---- removing

int disk_check_remove(Request *request, Entity *disk, const char *vm)
{
    static const char removing[] = "Cannot remove Virtual Disk";
    Manager *manager = request->manager;
    DiskPlace place;
    Entity *running = disk_running_vm(manager, disk, vm);
    if (request_check_free(request, disk, LOCK_EXCLUSIVE))
        return fail_to_errno(request->why.code);
    if (running)
        return fail_set(&request->why, FAIL_STATE, "%s. VM %s is running with it.", removing,
                        entity_name(running));
    if (!disk_place(manager, disk->id, &place))
        return fail_set(&request->why, FAIL_STATE,
                        "%s. Its storage domain is attached to no data center.", removing);
    Entity *domain = inventory_get(manager->inventory, KIND_STORAGE_DOMAIN, place.storage_domain);
    if (request_check_free(request, domain, LOCK_SHARED))
        return fail_to_errno(request->why.code);
    return storage_domain_check_active(manager, domain, removing, &request->why);
}

void disk_plan_remove(Change *change, Entity *disk, const char **ret_operation)
{
    Arena *arena;
    const ApiDisk *object = ENTITY_OBJECT(disk, Disk);
    DiskPlace place;
    ApiOperationContext *context = operation_plan(change, &disk_remove_kind, &arena, ret_operation);
    if (disk_place(change_manager(change), disk->id, &place)) {
        disk_context(context, arena, &place);
        operation_lock(change, *ret_operation, place.storage_domain, LOCK_SHARED);
    }
    context->disk = arena_string(arena, disk->id);
    context->text = arena_string(arena, object->alias);
    context->flag = API_BOOL(object->wipe_after_delete == API_TRUE);
    operation_lock(change, *ret_operation, disk->id, LOCK_EXCLUSIVE);
}
