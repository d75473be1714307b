// New storage domains: connect the server to a host, create the domain there, leave the server.
// One that is found on the storage already is taken over when the client asks for that.
#include <stdlib.h>
#include <string.h>

#include "manager/fleet/fleet.h"
#include "manager/rest/reply.h"
#include "manager/storage/connection.h"
#include "manager/storage/domain_step.h"
#include "manager/storage/domain_write.h"
#include "manager/storage/pool.h"
#include "proto/vdsm.h"
#include "rest_handlers.h"

enum {
    DOMAIN_CLASS_DATA = 1,
    DOMAIN_VERSION = 5,
    MAX_HOSTS = 250,
};

// ---- checks

static int check_kinds(Request *request, const ApiStorageDomain *wanted, ApiStorageType type)
{
    bool known = type == API_STORAGE_TYPE_LOCALFS || type == API_STORAGE_TYPE_POSIXFS ||
                 type == API_STORAGE_TYPE_NFS;
    if (wanted->type != API_STORAGE_DOMAIN_TYPE_DATA)
        return fail_set(&request->why, FAIL_NOT_IMPLEMENTED,
                        "storage_domain.type: domains of type %s are not implemented yet; data "
                        "domains are, and hold ISO images too.",
                        api_enum_name(&api_enum_storage_domain_type, wanted->type));
    if (!known)
        return fail_set(&request->why, FAIL_NOT_IMPLEMENTED,
                        "storage_domain.storage.type: storage of type %s is not implemented yet; "
                        "localfs, posixfs and nfs are.",
                        api_enum_name(&api_enum_storage_type, type));
    if (wanted->storage_format && wanted->storage_format != API_STORAGE_FORMAT_V5)
        return fail_set(&request->why, FAIL_INVALID,
                        "storage_domain.storage_format: new domains have format v5, not %s.",
                        api_enum_name(&api_enum_storage_format, wanted->storage_format));
    return 0;
}

static int check_host(Request *request, Entity *host, ApiStorageType type)
{
    static const char doing[] = "Cannot add Storage";
    const Entity *data_center = host_data_center(request->manager, host);
    if (host_state(host)->status != API_HOST_STATUS_UP) {
        fail_set(&request->why, FAIL_NO_HOST, "%s. Host %s is %s, not up.", doing,
                 entity_name(host), api_enum_name(&api_enum_host_status, host_state(host)->status));
        fail_hint(&request->why, "Activate the host, or choose another one");
        return fail_to_errno(FAIL_NO_HOST);
    }
    if (type == API_STORAGE_TYPE_LOCALFS &&
        (!data_center || ENTITY_OBJECT(data_center, DataCenter)->local != API_TRUE)) {
        fail_set(&request->why, FAIL_CONFLICT,
                 "%s. Host %s is not in a data center with local storage.", doing,
                 entity_name(host));
        fail_hint(&request->why, "Make a data center with local=true for this host, or use shared "
                                 "storage");
        return fail_to_errno(FAIL_CONFLICT);
    }
    return 0;
}

// ---- planning

typedef struct Addition {
    Entity *host;
    const ApiHostStorage *storage; // whole, from the body or from a connection
    Entity *connection;            // known before, or NULL
    const char *domain, *operation;
} Addition;

static int addition_check(Request *request, Addition *addition)
{
    const ApiStorageDomain *wanted = request->body;
    addition->host = request_reference(request, KIND_HOST, wanted->host, "storage_domain.host");
    if (!addition->host || storage_of_request(request, wanted->storage, addition->host,
                                              &addition->storage, &addition->connection))
        return fail_to_errno(request->why.code);
    ApiStorageType type = addition->storage->type;
    int result = check_kinds(request, wanted, type);
    if (!result)
        result = storage_check(request, addition->storage);
    if (!result)
        result = check_host(request, addition->host, type);
    if (!result && (wanted->import != API_TRUE || wanted->name))
        result = domain_check_name(request, wanted->name, NULL);
    if (!result)
        result = domain_check_limits(request, wanted, type);
    return result ? result : connection_check_unused(request, addition->connection);
}

static void addition_fill(const Addition *addition, ApiDocument *draft,
                          const ApiStorageDomain *wanted, const char *connection)
{
    ApiStorageDomain *domain = draft->object;
    Arena *arena = &draft->arena;
    domain_write(draft, wanted);
    if (!domain->name)
        domain->name = domain->id;
    domain->type = API_STORAGE_DOMAIN_TYPE_DATA;
    domain->storage_format = API_STORAGE_FORMAT_V5;
    domain->storage = api_clone(arena, &api_type_host_storage, addition->storage);
    domain->storage->id = NULL;
    domain->connection = ARENA_NEW(arena, ApiStorageConnection);
    domain->connection->id = arena_string(arena, connection);
    domain->wanted_active = API_FALSE;
    domain->master = API_FALSE;
}

static void addition_plan(Request *request, Change *change, Addition *addition)
{
    Arena *arena;
    const ApiStorageDomain *wanted = request->body;
    bool import = wanted->import == API_TRUE;
    const char *connection = addition->connection
                                 ? addition->connection->id
                                 : connection_add(change, addition->storage, addition->host);
    ApiDocument *draft = change_add(change, KIND_STORAGE_DOMAIN, import ? wanted->id : NULL);
    const ApiStorageDomain *domain = draft->object;
    addition_fill(addition, draft, wanted, connection);
    ApiOperationContext *context =
        operation_plan(change, &storage_domain_add_kind, &arena, &addition->operation);
    context->storage_domain = arena_string(arena, domain->id);
    context->host = arena_string(arena, addition->host->id);
    context->text = arena_string(arena, domain->name);
    context->connection_id = addition->connection ? NULL : arena_string(arena, connection);
    context->flag = API_BOOL(import);
    operation_lock(change, addition->operation, domain->id, LOCK_EXCLUSIVE);
    operation_lock(change, addition->operation, connection, LOCK_EXCLUSIVE);
    addition->domain = domain->id;
}

static int addition_check_import(Request *request)
{
    const ApiStorageDomain *wanted = request->body;
    if (wanted->import != API_TRUE)
        return 0;
    if (!uuid_valid(wanted->id))
        return fail_set(&request->why, FAIL_INCOMPLETE,
                        "StorageDomain [id] required for import: the UUID of the domain on the "
                        "storage");
    if (inventory_get(request->manager->inventory, KIND_STORAGE_DOMAIN, wanted->id))
        return fail_set(&request->why, FAIL_EXISTS,
                        "Cannot add Storage. The Storage Domain already exists.");
    return 0;
}

// The answer comes when the domain is there, as clients go on to attach it at once.
void storage_domain_add(Request *request)
{
    Addition addition = {0};
    if (addition_check_import(request) || addition_check(request, &addition)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    addition_plan(request, change, &addition);
    AUTO_FREE char *path = memory_format("/storagedomains/%s", addition.domain);
    commit_and_wait(request, change, addition.operation, 201, path);
}

// ---- steps

static void write_creation(Operation *operation, JsonWriter *writer)
{
    const ApiStorageDomain *domain = ENTITY_OBJECT(step_storage_domain(operation), StorageDomain);
    bool remote = domain->storage->address && *domain->storage->address;
    AUTO_FREE char *place =
        remote ? memory_format("%s:%s", domain->storage->address, domain->storage->path)
               : memory_string(domain->storage->path);
    json_add_integer(writer, "domainType", pool_storage_type_number(domain->storage->type));
    json_add_string(writer, "typeArgs", place);
    json_add_string(writer, "name", domain->name);
    json_add_integer(writer, "domainClass", DOMAIN_CLASS_DATA);
    json_add_integer(writer, "version", DOMAIN_VERSION);
    // 0: the host finds out; clustered file systems other than Gluster take only 512.
    json_add_integer(writer, "blockSize",
                     domain->storage->type == API_STORAGE_TYPE_LOCALFS ? 0 : 512);
    json_add_integer(writer, "maxHosts", MAX_HOSTS);
}

static void created(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)result;
    if (fail_is_set(why) && code != VDSM_DOMAIN_EXISTS)
        step_fail(operation, why);
    else
        operation_done(operation);
}

static void create_asked(Operation *operation, const Json *result, const Fail *why, int code)
{
    AUTO_FAIL missing = {0};
    Entity *host = domain_step_host(operation);
    if (!host)
        return;
    if (!fail_is_set(why))
        operation_done(operation);
    else if (code != VDSM_DOMAIN_DOES_NOT_EXIST)
        step_fail(operation, why);
    else if (operation_context(operation)->flag == API_TRUE) {
        fail_set(&missing, FAIL_NOT_FOUND, "There is no storage domain %s on this storage.",
                 operation_context(operation)->storage_domain);
        operation_fail(operation, &missing);
    } else
        domain_step_call(operation, host, "StorageDomain.create", NULL, write_creation, created);
    (void)result;
}

static void act_create(Operation *operation)
{
    if (!domain_step_domain(operation))
        return;
    Entity *host = domain_step_host(operation);
    if (host)
        domain_step_ask(operation, host, create_asked);
}

static void uncreate_asked(Operation *operation, const Json *result, const Fail *why, int code)
{
    Entity *host = step_host(operation);
    (void)result;
    (void)code; // what can't be opened can't be removed either, and is not ours for sure
    if (fail_is_set(why) || !host)
        operation_done(operation);
    else
        domain_step_format(operation, host);
}

static void undo_create(Operation *operation)
{
    const ApiOperationContext *context = operation_context(operation);
    if (!step_host(operation) || !step_storage_domain(operation) || context->flag == API_TRUE) {
        operation_done(operation);
        return;
    }
    Entity *host = domain_step_host(operation);
    if (host)
        domain_step_ask(operation, host, uncreate_asked);
}

static void inspected(Operation *operation, const Json *result, const Fail *why, int code)
{
    Entity *domain = domain_step_domain(operation);
    (void)code;
    if (!domain)
        return;
    if (fail_is_set(why)) {
        step_fail(operation, why);
        return;
    }
    Change *change = operation_change(operation);
    ApiDocument *draft = change_edit(change, domain);
    domain_write_observed(draft, result, operation_context(operation)->flag == API_TRUE);
    operation_done_with(operation, change);
}

static void act_inspect(Operation *operation)
{
    Entity *host = domain_step_domain(operation) ? domain_step_host(operation) : NULL;
    if (host)
        domain_step_ask(operation, host, inspected);
}

static const OperationStep add_steps[] = {
    {"connect", "Connecting the storage to the host", domain_step_connect, domain_step_disconnect,
     0},
    {"create", "Creating the storage domain", act_create, undo_create, 0},
    {"inspect", "Reading what was created", act_inspect, NULL, 0},
    {"disconnect", "Leaving the storage", domain_step_disconnect, NULL, 0},
};

// Local storage belongs to its host's data center from the beginning.
static void attach_local(Operation *operation, Change *change)
{
    AUTO_FAIL why = {0};
    Entity *domain = step_storage_domain(operation), *host = step_host(operation);
    Entity *data_center = host ? host_data_center(operation->manager, host) : NULL;
    const char *follower;
    if (!domain || !data_center ||
        ENTITY_OBJECT(domain, StorageDomain)->storage->type != API_STORAGE_TYPE_LOCALFS ||
        operation_context(operation)->flag == API_TRUE ||
        storage_domain_check_attach(operation->manager, domain, data_center, &why))
        return;
    if (!storage_domain_plan_attach(change, domain, data_center, &follower, &why))
        operation_follow(operation, follower);
}

static void add_finish(Operation *operation, Change *change, const Fail *why)
{
    Manager *manager = operation->manager;
    const char *connection_id = operation_context(operation)->connection_id;
    Entity *domain = step_storage_domain(operation);
    Entity *connection =
        connection_id ? inventory_get(manager->inventory, KIND_STORAGE_CONNECTION, connection_id)
                      : NULL;
    domain_step_event(operation, change, why, EVENT_USER_ADD_STORAGE_DOMAIN,
                      EVENT_USER_ADD_STORAGE_DOMAIN_FAILED);
    if (!fail_is_set(why)) {
        attach_local(operation, change);
        return;
    }
    if (domain)
        change_remove(change, domain);
    if (connection)
        change_remove(change, connection);
}

const OperationKind storage_domain_add_kind = {
    .name = "storage_domain_add",
    .title = "Adding storage domain ${storage_domain}",
    .steps = add_steps,
    .count = COUNT_OF(add_steps),
    .finish = add_finish,
};
