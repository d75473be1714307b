// Storage domains as the API shows them.
#include <string.h>

#include "base/amount.h"
#include "manager/fleet/fleet.h"
#include "manager/storage/domain.h"
#include "manager/storage/pool.h"

// What an operation that holds a domain makes of it. Others leave it locked.
static ApiStorageDomainStatus status_during(const Operation *operation)
{
    static const struct {
        const OperationKind *kind;
        ApiStorageDomainStatus status;
    } rows[] = {
        {&storage_domain_activate_kind, API_STORAGE_DOMAIN_STATUS_ACTIVATING},
        {&storage_domain_deactivate_kind, API_STORAGE_DOMAIN_STATUS_PREPARING_FOR_MAINTENANCE},
        {&storage_domain_detach_kind, API_STORAGE_DOMAIN_STATUS_DETACHING},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (operation->kind == rows[i].kind)
            return rows[i].status;
    return API_STORAGE_DOMAIN_STATUS_LOCKED;
}

ApiStorageDomainStatus storage_domain_status(Manager *manager, const Entity *domain)
{
    const ApiStorageDomain *object = ENTITY_OBJECT(domain, StorageDomain);
    const Operation *operation = operation_holding(manager, domain->id);
    const StorageDomainState *state = storage_domain_state(domain);
    if (operation)
        return status_during(operation);
    Entity *data_center = storage_domain_data_center(manager, domain);
    if (!data_center)
        return API_STORAGE_DOMAIN_STATUS_UNATTACHED;
    if (object->wanted_active != API_TRUE)
        return API_STORAGE_DOMAIN_STATUS_MAINTENANCE;
    if (state->status)
        return state->status;
    return data_center_state(data_center)->spm ? API_STORAGE_DOMAIN_STATUS_ACTIVE
                                               : API_STORAGE_DOMAIN_STATUS_UNKNOWN;
}

Entity *storage_domain_data_center(Manager *manager, const Entity *domain)
{
    const ApiStorageDomain *object = ENTITY_OBJECT(domain, StorageDomain);
    const Operation *operation = operation_holding(manager, domain->id);
    const char *id = object->data_center ? object->data_center->id : NULL;
    // Until the operation is over, so that who sees it attached or detached finds it free.
    if (!id && operation &&
        (operation->kind == &storage_domain_attach_kind ||
         operation->kind == &storage_domain_detach_kind))
        id = operation_context(operation)->data_center;
    return id ? inventory_get(manager->inventory, KIND_DATA_CENTER, id) : NULL;
}

static bool disk_is_on(const Entity *disk, const Entity *domain)
{
    const ApiDisk *object = ENTITY_OBJECT(disk, Disk);
    for (uint32_t i = 0; i < object->storage_domains.count; i++)
        if (!strcmp(object->storage_domains.items[i]->id, domain->id))
            return true;
    return false;
}

// All domains in one pass over the disks, once for each revision of the inventory.
static void count_committed(const Inventory *inventory)
{
    INVENTORY_EACH(inventory, KIND_STORAGE_DOMAIN, domain) {
        storage_domain_state(domain)->committed = 0;
        storage_domain_state(domain)->committed_revision = inventory_revision(inventory);
    }
    INVENTORY_EACH(inventory, KIND_DISK, disk) {
        const ApiDisk *object = ENTITY_OBJECT(disk, Disk);
        for (uint32_t i = 0; i < object->storage_domains.count; i++) {
            Entity *domain =
                inventory_get(inventory, KIND_STORAGE_DOMAIN, object->storage_domains.items[i]->id);
            if (domain)
                storage_domain_state(domain)->committed += object->provisioned_size.value;
        }
    }
}

int64_t storage_domain_committed(const Manager *manager, const Entity *domain)
{
    const StorageDomainState *state = storage_domain_state(domain);
    if (state->committed_revision != inventory_revision(manager->inventory))
        count_committed(manager->inventory);
    return state->committed;
}

bool storage_domain_running_vm(const Manager *manager, const Entity *domain, const char **ret_name)
{
    INVENTORY_EACH(manager->inventory, KIND_DISK, disk) {
        const Array *vms = inventory_disk_vms(manager->inventory, disk->id);
        for (size_t i = 0; vms && disk_is_on(disk, domain) && i < vms->count; i++) {
            if (!vm_state(vms->items[i])->host)
                continue;
            *ret_name = entity_name(vms->items[i]);
            return true;
        }
    }
    return false;
}

// ---- what may be done

int storage_domain_check_active(Manager *manager, const Entity *domain, const char *doing,
                                Fail *why)
{
    ApiStorageDomainStatus status = storage_domain_status(manager, domain);
    if (status == API_STORAGE_DOMAIN_STATUS_ACTIVE)
        return 0;
    fail_set(why, FAIL_STATE, "%s. The relevant Storage Domain's status is %s.", doing,
             api_enum_name(&api_enum_storage_domain_status, status));
    Entity *data_center = storage_domain_data_center(manager, domain);
    if (!data_center)
        fail_hint(why, "Attach storage domain %s to a data center first", entity_name(domain));
    else if (status == API_STORAGE_DOMAIN_STATUS_UNKNOWN)
        fleet_explain_no_host(manager, data_center, why);
    else
        fail_hint(why, "Activate storage domain %s first", entity_name(domain));
    fail_object(why, domain->id);
    return fail_to_errno(FAIL_STATE);
}

int storage_domain_check_space(const Entity *domain, int64_t bytes, const char *doing, Fail *why)
{
    const ApiStorageDomain *object = ENTITY_OBJECT(domain, StorageDomain);
    const StorageDomainState *state = storage_domain_state(domain);
    int64_t limit = object->critical_space_action_blocker.value << 30;
    if (state->available < 0 || state->available - bytes >= limit)
        return 0; // unknown counts as enough: the host will say when it is not
    fail_set(why, FAIL_CONFLICT, "%s. Low disk space on Storage Domain %s.", doing,
             entity_name(domain));
    AUTO_FREE char *free_text = amount_text(state->available), *asked = amount_text(bytes);
    AUTO_FREE char *left = amount_text(limit);
    fail_detail(why, "%s are free, %s are asked for, and %s must be left", free_text, asked, left);
    fail_hint(why, "Free space, or lower critical_space_action_blocker of the domain");
    fail_object(why, domain->id);
    return fail_to_errno(FAIL_CONFLICT);
}

// ---- views

static void view_observed(Manager *manager, const Entity *domain, ApiStorageDomain *view)
{
    const StorageDomainState *state = storage_domain_state(domain);
    bool iso_or_export = view->type != API_STORAGE_DOMAIN_TYPE_DATA;
    if (state->available >= 0) {
        view->available = API_INT(state->available);
        view->used = API_INT(state->used);
    }
    view->committed = API_INT(storage_domain_committed(manager, domain));
    view->master = API_BOOL(view->master == API_TRUE);
    view->import = API_UNSET;
    view->host = NULL;
    view->supports_discard = view->supports_discard_zeroes_data = API_FALSE;
    if (!iso_or_export && view->block_size_detected.set)
        view->block_size = view->block_size_detected;
    if (!view->description)
        view->description = "";
    if (!view->comment)
        view->comment = "";
}

static void view_data_center(Arena *arena, const Entity *data_center, ApiStorageDomain *view)
{
    ApiDataCenter *reference = ARENA_NEW(arena, ApiDataCenter);
    reference->id = data_center->id;
    api_list_add(arena, &view->data_centers, reference);
    view->data_centers.set = true;
    view->data_center = NULL;
}

// At the top level `status` is shown only while it is attached nowhere: clients tell by it.
void storage_domain_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiStorageDomain *view = target;
    Manager *manager = request->manager;
    Entity *data_center = storage_domain_data_center(manager, item->entity);
    *view = *(const ApiStorageDomain *)item->document->object;
    view_observed(manager, item->entity, view);
    view->external_status = API_EXTERNAL_STATUS_OK;
    if (data_center)
        view_data_center(scratch, data_center, view);
    else
        view->status = storage_domain_status(manager, item->entity);
}

void attached_storage_domain_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiStorageDomain *view = target;
    Manager *manager = request->manager;
    Entity *data_center = storage_domain_data_center(manager, item->entity);
    *view = *(const ApiStorageDomain *)item->document->object;
    view_observed(manager, item->entity, view);
    view->external_status = API_EXTERNAL_STATUS_OK;
    view->status = storage_domain_status(manager, item->entity);
    if (!data_center)
        return;
    view_data_center(scratch, data_center, view);
    view->data_center = view->data_centers.items[0];
}
