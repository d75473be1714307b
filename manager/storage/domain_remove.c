// Removing storage domains: with their content, or only from the inventory.
#include <string.h>

#include "manager/fleet/fleet.h"
#include "manager/rest/reply.h"
#include "manager/storage/domain_step.h"
#include "manager/storage/pool.h"
#include "proto/vdsm.h"
#include "rest_handlers.h"

static const char doing[] = "Cannot remove Storage";

// ---- steps

static void format_asked(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)result;
    Entity *host = domain_step_host(operation);
    if (!host)
        return;
    if (code == VDSM_DOMAIN_DOES_NOT_EXIST)
        operation_done(operation);
    else if (fail_is_set(why))
        step_fail(operation, why);
    else
        domain_step_format(operation, host);
}

static void act_format(Operation *operation)
{
    Entity *host = domain_step_domain(operation) ? domain_step_host(operation) : NULL;
    if (host)
        domain_step_ask(operation, host, format_asked);
}

static const OperationStep remove_steps[] = {
    {"connect", "Connecting the storage to the host", domain_step_connect, domain_step_disconnect,
     0},
    {"format", "Formatting the domain", act_format, NULL, 0},
    {"disconnect", "Leaving the storage", domain_step_disconnect, NULL, 0},
};

static void remove_with_connection(Change *change, Entity *domain)
{
    const ApiStorageConnection *used = ENTITY_OBJECT(domain, StorageDomain)->connection;
    Manager *manager = change_manager(change);
    Entity *connection =
        used ? inventory_get(manager->inventory, KIND_STORAGE_CONNECTION, used->id) : NULL;
    change_remove(change, domain);
    if (connection)
        change_remove(change, connection);
}

static void remove_finish(Operation *operation, Change *change, const Fail *why)
{
    Entity *domain = step_storage_domain(operation);
    domain_step_event(operation, change, why, EVENT_USER_REMOVE_STORAGE_DOMAIN,
                      EVENT_USER_REMOVE_STORAGE_DOMAIN_FAILED);
    if (!fail_is_set(why) && domain)
        remove_with_connection(change, domain);
}

const OperationKind storage_domain_remove_kind = {
    .name = "storage_domain_remove",
    .title = "Removing storage domain ${storage_domain}",
    .steps = remove_steps,
    .count = COUNT_OF(remove_steps),
    .finish = remove_finish,
};

// ---- destroying: the storage may be gone, nobody is asked

static bool disk_is_on(const Entity *disk, const Entity *domain)
{
    const ApiDisk *object = ENTITY_OBJECT(disk, Disk);
    return object->storage_domains.count &&
           !strcmp(object->storage_domains.items[0]->id, domain->id);
}

static void forget_attachments(Change *change, const Entity *disk)
{
    Manager *manager = change_manager(change);
    const Array *vms = inventory_disk_vms(manager->inventory, disk->id);
    for (size_t i = 0; vms && i < vms->count; i++) {
        ApiVm *vm = change_edit(change, vms->items[i])->object;
        for (uint32_t j = 0; j < vm->disk_attachments.count; j++)
            if (!strcmp(vm->disk_attachments.items[j]->id, disk->id))
                api_list_remove(&vm->disk_attachments, vm->disk_attachments.items[j--]);
    }
}

static int check_destroy(Request *request, Entity *domain)
{
    AUTO_ARRAY others = {0};
    const char *vm;
    Manager *manager = request->manager;
    const ApiStorageDomain *object = ENTITY_OBJECT(domain, StorageDomain);
    Entity *data_center = storage_domain_data_center(manager, domain);
    if (storage_domain_status(manager, domain) == API_STORAGE_DOMAIN_STATUS_ACTIVE)
        return fail_set(&request->why, FAIL_STATE,
                        "%s. The relevant Storage Domain's status is active.", doing);
    if (storage_domain_running_vm(manager, domain, &vm))
        return fail_set(&request->why, FAIL_STATE, "%s. VM %s runs with a disk on it.", doing, vm);
    if (!data_center)
        return 0;
    pool_domains(manager, data_center, &others);
    if (object->master == API_TRUE && others.count > 1)
        return fail_set(&request->why, FAIL_CONFLICT,
                        "%s. It is the master of data center %s, which has other domains.", doing,
                        entity_name(data_center));
    return 0;
}

static void destroy(Request *request, Entity *domain)
{
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, request->method->event,
              &(EventFacts){.storage_domain = domain, .name = entity_name(domain)});
    INVENTORY_EACH(request->manager->inventory, KIND_DISK, disk)
        if (disk_is_on(disk, domain)) {
            forget_attachments(change, disk);
            change_remove(change, disk);
        }
    remove_with_connection(change, domain);
    commit_and_remove(request, change);
}

// ---- the request

static int check_remove(Request *request, Entity *domain)
{
    Manager *manager = request->manager;
    ApiStorageDomainStatus status = storage_domain_status(manager, domain);
    if (status == API_STORAGE_DOMAIN_STATUS_UNATTACHED)
        return 0;
    fail_set(&request->why, FAIL_STATE, "%s. The relevant Storage Domain's status is %s.", doing,
             api_enum_name(&api_enum_storage_domain_status, status));
    fail_hint(&request->why, "Put storage domain %s into maintenance and detach it first",
              entity_name(domain));
    return fail_to_errno(FAIL_STATE);
}

static Entity *host_named(Request *request, const char *text)
{
    Inventory *inventory = request->manager->inventory;
    Entity *host = inventory_get(inventory, KIND_HOST, text);
    if (!host)
        host = inventory_named(inventory, KIND_HOST, text);
    if (!host)
        fail_set(&request->why, FAIL_REJECTED, "host: there is no host %s.", text);
    return host;
}

static Entity *removing_host(Request *request)
{
    const char *text = request_parameter(request, "host");
    if (!text || !*text) {
        fail_set(&request->why, FAIL_INCOMPLETE, "host parameter is missing");
        fail_hint(&request->why, "Name a host that reaches the storage: ?host=NAME");
        return NULL;
    }
    Entity *host = host_named(request, text);
    if (host && host_state(host)->status != API_HOST_STATUS_UP) {
        fail_set(&request->why, FAIL_NO_HOST, "%s. Host %s is not up.", doing, entity_name(host));
        return NULL;
    }
    return host;
}

static void remove_formatting(Request *request, Entity *domain, const Entity *host)
{
    Arena *arena;
    const char *id;
    Change *change = change_new(request->manager, &request->cause);
    ApiOperationContext *context = operation_plan(change, &storage_domain_remove_kind, &arena, &id);
    context->storage_domain = arena_string(arena, domain->id);
    context->host = arena_string(arena, host->id);
    context->text = arena_string(arena, entity_name(domain));
    operation_lock(change, id, domain->id, LOCK_EXCLUSIVE);
    commit_and_wait(request, change, id, 200, NULL);
}

static void forget(Request *request, Entity *domain)
{
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, request->method->event,
              &(EventFacts){.storage_domain = domain, .name = entity_name(domain)});
    remove_with_connection(change, domain);
    commit_and_remove(request, change);
}

void storage_domain_remove(Request *request)
{
    Entity *domain = request_entity(request, 0, KIND_STORAGE_DOMAIN);
    bool force = request_flag(request, "destroy", false);
    bool format = request_flag(request, "format", false);
    if (!domain || fail_is_set(&request->why) ||
        request_check_free(request, domain, LOCK_EXCLUSIVE) ||
        (force ? check_destroy(request, domain) : check_remove(request, domain))) {
        reply_fail(request);
        return;
    }
    Entity *host = force ? NULL : removing_host(request);
    if (force)
        destroy(request, domain);
    else if (!host)
        reply_fail(request);
    else if (format)
        remove_formatting(request, domain, host);
    else
        forget(request, domain);
}
