// Reading and changing storage domains.
#include <string.h>

#include "base/log.h"
#include "manager/rest/reply.h"
#include "manager/storage/domain.h"
#include "manager/storage/domain_write.h"
#include "manager/storage/pool.h"
#include "rest_handlers.h"

int storage_domain_list(Request *request, Items *items)
{
    return items_collect(request, items, KIND_STORAGE_DOMAIN, storage_domain_view);
}

int storage_domain_get(Request *request, Items *items)
{
    return items_one(request, items, KIND_STORAGE_DOMAIN, 0, storage_domain_view);
}

// ---- changing

static void described(const Json *result, const Fail *why, int code, void *argument)
{
    (void)result;
    (void)code;
    (void)argument; // the name on the storage helps people who look there, and nobody else
    if (fail_is_set(why))
        log_info("storage.name", LOG_NONE, "A name was not written to its domain: %s",
                 why->message);
}

static void describe_on_storage(Manager *manager, const Entity *domain, const char *name)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    Entity *data_center = storage_domain_data_center(manager, domain);
    Entity *host = data_center ? data_center_state(data_center)->spm : NULL;
    if (!host)
        return;
    json_open(&writer, '{');
    json_add_string(&writer, "storagedomainID", domain->id);
    json_add_string(&writer, "description", name);
    json_close(&writer, '}');
    host_call_entity(manager, host, "StorageDomain.setDescription", &params, POOL_CALL_MS,
                     described, NULL);
}

void storage_domain_update(Request *request)
{
    const ApiStorageDomain *wanted = request->body;
    Entity *domain = request_entity(request, 0, KIND_STORAGE_DOMAIN);
    if (!domain || request_check_free(request, domain, LOCK_EXCLUSIVE) ||
        (wanted->name && domain_check_name(request, wanted->name, domain)) ||
        domain_check_limits(request, wanted, ENTITY_OBJECT(domain, StorageDomain)->storage->type)) {
        reply_fail(request);
        return;
    }
    if (wanted->name && strcmp(wanted->name, entity_name(domain)))
        describe_on_storage(request->manager, domain, wanted->name);
    Change *change = change_new(request->manager, &request->cause);
    domain_write(change_edit(change, domain), wanted);
    event_add(change, request->method->event,
              &(EventFacts){.storage_domain = domain, .name = entity_name(domain)});
    AUTO_FREE char *path = memory_format("/storagedomains/%s", domain->id);
    commit_and_show(request, change, 200, path);
}
