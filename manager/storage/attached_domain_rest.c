// Storage domains of a data center: attaching, activating, putting into maintenance, detaching.
#include <string.h>

#include "manager/fleet/fleet.h"
#include "manager/rest/reply.h"
#include "manager/storage/domain.h"
#include "manager/storage/pool.h"
#include "rest_handlers.h"

// The domain and its data center, when both are there and belong together.
static Entity *attached_domain(Request *request, Entity **ret_data_center)
{
    Entity *data_center = request_entity(request, 0, KIND_DATA_CENTER);
    Entity *domain = data_center ? request_entity(request, 1, KIND_STORAGE_DOMAIN) : NULL;
    if (domain && storage_domain_data_center(request->manager, domain) != data_center) {
        fail_set(&request->why, FAIL_NOT_FOUND,
                 "Storage domain %s is not attached to data center %s.", entity_name(domain),
                 entity_name(data_center));
        return NULL;
    }
    *ret_data_center = data_center;
    return domain;
}

int attached_domain_list(Request *request, Items *items)
{
    Manager *manager = request->manager;
    Entity *data_center = request_entity(request, 0, KIND_DATA_CENTER);
    if (!data_center)
        return fail_to_errno(request->why.code);
    items->view = attached_storage_domain_view;
    INVENTORY_EACH(manager->inventory, KIND_STORAGE_DOMAIN, domain)
    if (storage_domain_data_center(manager, domain) == data_center)
        items_add_entity(items, domain);
    items_sort(items);
    return 0;
}

int attached_domain_get(Request *request, Items *items)
{
    Entity *data_center, *domain = attached_domain(request, &data_center);
    if (!domain)
        return fail_to_errno(request->why.code);
    items->view = attached_storage_domain_view;
    items_add_entity(items, domain);
    return 0;
}

static void reply_attached(Request *request, Change *change, const char *operation,
                           const Entity *data_center, const Entity *domain)
{
    AUTO_FREE char *path =
        memory_format("/datacenters/%s/storagedomains/%s", data_center->id, domain->id);
    commit_and_run(request, change, operation, 201, path);
}

void attached_domain_add(Request *request)
{
    Manager *manager = request->manager;
    const char *operation;
    Entity *data_center = request_entity(request, 0, KIND_DATA_CENTER);
    Entity *domain = data_center ? request_reference(request, KIND_STORAGE_DOMAIN, request->body,
                                                     "storage_domain")
                                 : NULL;
    if (!domain || request_check_free(request, domain, LOCK_EXCLUSIVE) ||
        request_check_free(request, data_center, LOCK_SHARED) ||
        storage_domain_check_attach(manager, domain, data_center, &request->why)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(manager, &request->cause);
    if (storage_domain_plan_attach(change, domain, data_center, &operation, &request->why)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    reply_attached(request, change, operation, data_center, domain);
}

// ---- pieces of the rest

static int count_domains(const Manager *manager, const Entity *data_center, bool active_only)
{
    AUTO_ARRAY domains = {0};
    int count = 0;
    pool_domains(manager, data_center, &domains);
    for (size_t i = 0; i < domains.count; i++)
        count +=
            !active_only ||
            ENTITY_OBJECT((Entity *)domains.items[i], StorageDomain)->wanted_active == API_TRUE;
    return count;
}

static ApiOperationContext *plan(Change *change, const OperationKind *kind, const Entity *domain,
                                 const Entity *data_center, const Entity *host, LockMode mode,
                                 const char **ret_id, Arena **ret_arena)
{
    ApiOperationContext *context = operation_plan(change, kind, ret_arena, ret_id);
    context->storage_domain = arena_string(*ret_arena, domain->id);
    context->data_center = arena_string(*ret_arena, data_center->id);
    context->host = host ? arena_string(*ret_arena, host->id) : NULL;
    context->text = arena_string(*ret_arena, entity_name(domain));
    operation_lock(change, *ret_id, domain->id, LOCK_EXCLUSIVE);
    operation_lock(change, *ret_id, data_center->id, mode);
    return context;
}

static int check_status(Request *request, const Entity *domain, bool wanted_active,
                        const char *doing)
{
    const ApiStorageDomain *object = ENTITY_OBJECT(domain, StorageDomain);
    if ((object->wanted_active == API_TRUE) == wanted_active)
        return 0;
    return fail_set(&request->why, FAIL_STATE, "%s. The relevant Storage Domain's status is %s.",
                    doing,
                    api_enum_name(&api_enum_storage_domain_status,
                                  storage_domain_status(request->manager, domain)));
}

// ---- activating

static Entity *activating_host(Request *request, const Entity *domain, const Entity *data_center,
                               bool first)
{
    static const char doing[] = "Cannot activate Storage";
    Manager *manager = request->manager;
    if (!first)
        return fleet_storage_manager(manager, data_center, &request->why);
    if (ENTITY_OBJECT(domain, StorageDomain)->master != API_TRUE) {
        Entity *master = pool_master(manager, data_center);
        fail_set(&request->why, FAIL_CONFLICT,
                 "%s. The master domain of data center %s must be activated first.", doing,
                 entity_name(data_center));
        fail_hint(&request->why, "Activate storage domain %s",
                  master ? entity_name(master) : "that is the master");
        return NULL;
    }
    Entity *host = fleet_host_of_data_center(manager, data_center);
    if (!host) {
        fail_set(&request->why, FAIL_NO_HOST, "%s. There is no active Host in the Data Center.",
                 doing);
        fleet_explain_no_host(manager, data_center, &request->why);
    }
    return host;
}

void attached_domain_activate(Request *request)
{
    Arena *arena;
    const char *id;
    Entity *data_center, *domain = attached_domain(request, &data_center);
    bool first = domain && !count_domains(request->manager, data_center, true);
    LockMode mode = first ? LOCK_EXCLUSIVE : LOCK_SHARED;
    Entity *host = NULL;
    if (domain && !request_check_free(request, domain, LOCK_EXCLUSIVE) &&
        !request_check_free(request, data_center, mode) &&
        !check_status(request, domain, false, "Cannot activate Storage"))
        host = activating_host(request, domain, data_center, first);
    if (!host) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    plan(change, &storage_domain_activate_kind, domain, data_center, host, mode, &id, &arena)
        ->flag = API_BOOL(first);
    commit_and_run(request, change, id, 200, NULL);
}

// ---- maintenance

static Entity *next_master(Manager *manager, const Entity *data_center, const Entity *domain)
{
    AUTO_ARRAY domains = {0};
    pool_domains(manager, data_center, &domains);
    for (size_t i = 0; i < domains.count; i++)
        if (domains.items[i] != domain &&
            storage_domain_status(manager, domains.items[i]) == API_STORAGE_DOMAIN_STATUS_ACTIVE)
            return domains.items[i];
    return NULL;
}

static int check_maintenance(Request *request, const Entity *domain, const Entity *data_center,
                             bool last, Entity **ret_master)
{
    static const char doing[] = "Cannot deactivate Storage";
    const char *vm;
    Manager *manager = request->manager;
    bool master = ENTITY_OBJECT(domain, StorageDomain)->master == API_TRUE;
    if (check_status(request, domain, true, doing))
        return fail_to_errno(request->why.code);
    if (storage_domain_running_vm(manager, domain, &vm)) {
        fail_set(&request->why, FAIL_STATE,
                 "%s. VMs in a state other than \"Down\" or \"Suspended\" were detected.", doing);
        fail_detail(&request->why, "VM %s runs with a disk on it", vm);
        fail_hint(&request->why, "Shut the VMs of this domain down first");
        return fail_to_errno(FAIL_STATE);
    }
    *ret_master = master && !last ? next_master(manager, data_center, domain) : NULL;
    if (master && !last && !*ret_master)
        return fail_set(&request->why, FAIL_CONFLICT,
                        "%s. It is the master and no other active domain can become it.", doing);
    return last || fleet_storage_manager(manager, data_center, &request->why)
               ? 0
               : fail_to_errno(request->why.code);
}

static void plan_maintenance(Change *change, const Entity *domain, const Entity *data_center,
                             bool last, const Entity *master, const char **ret_id)
{
    Arena *arena;
    int64_t version = ENTITY_OBJECT(data_center, DataCenter)->master_version.value;
    bool pool_changes = last || master;
    ApiOperationContext *context =
        plan(change, &storage_domain_deactivate_kind, domain, data_center, NULL,
             pool_changes ? LOCK_EXCLUSIVE : LOCK_SHARED, ret_id, &arena);
    context->flag = API_BOOL(last);
    context->new_master = master ? arena_string(arena, master->id) : NULL;
    context->master_version = API_INT(master ? version + 1 : version);
    if (master) // it must not go away meanwhile
        operation_lock(change, *ret_id, master->id, LOCK_SHARED);
}

void attached_domain_deactivate(Request *request)
{
    const char *id;
    Entity *data_center, *master = NULL, *domain = attached_domain(request, &data_center);
    bool last = domain && count_domains(request->manager, data_center, true) == 1;
    if (!domain || request_check_free(request, domain, LOCK_EXCLUSIVE) ||
        check_maintenance(request, domain, data_center, last, &master) ||
        request_check_free(request, data_center, last || master ? LOCK_EXCLUSIVE : LOCK_SHARED)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    plan_maintenance(change, domain, data_center, last, master, &id);
    commit_and_run(request, change, id, 200, NULL);
}

// ---- detaching

static int check_detach(Request *request, const Entity *domain, const Entity *data_center,
                        bool last, Entity **ret_host)
{
    static const char doing[] = "Cannot detach Storage";
    Manager *manager = request->manager;
    if (check_status(request, domain, false, doing))
        return fail_to_errno(request->why.code);
    if (ENTITY_OBJECT(domain, StorageDomain)->master == API_TRUE && !last)
        return fail_set(&request->why, FAIL_CONFLICT,
                        "%s. Cannot detach the master Storage Domain from the Data Center while "
                        "there are other storage domains attached to it.",
                        doing);
    if (storage_domain_committed(manager, domain)) {
        fail_set(&request->why, FAIL_CONFLICT, "%s. There are disks on storage domain %s.", doing,
                 entity_name(domain));
        fail_hint(&request->why,
                  "Move or remove them first, or destroy the domain: "
                  "DELETE /storagedomains/%s?destroy=true",
                  domain->id);
        return fail_to_errno(FAIL_CONFLICT);
    }
    *ret_host = last ? fleet_host_of_data_center(manager, data_center)
                     : fleet_storage_manager(manager, data_center, &request->why);
    if (!*ret_host && last) {
        fail_set(&request->why, FAIL_NO_HOST, "%s. There is no active Host in the Data Center.",
                 doing);
        fleet_explain_no_host(manager, data_center, &request->why);
    }
    return *ret_host ? 0 : fail_to_errno(request->why.code);
}

void attached_domain_remove(Request *request)
{
    Arena *arena;
    const char *id;
    Entity *data_center, *host = NULL, *domain = attached_domain(request, &data_center);
    bool last = domain && count_domains(request->manager, data_center, false) == 1;
    LockMode mode = last ? LOCK_EXCLUSIVE : LOCK_SHARED;
    if (!domain || request_check_free(request, domain, LOCK_EXCLUSIVE) ||
        request_check_free(request, data_center, mode) ||
        check_detach(request, domain, data_center, last, &host)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    plan(change, &storage_domain_detach_kind, domain, data_center, host, mode, &id, &arena)->flag =
        API_BOOL(last);
    commit_and_run(request, change, id, 200, NULL);
}
