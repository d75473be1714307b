#include "manager/storage/connection.h"

#include <string.h>

#include "manager/operations/operation.h"

enum { PATH_MAX_LENGTH = 1024, PORT_MAX = 65535 };

static bool text_same(const char *one, const char *other)
{
    return !strcmp(one ? one : "", other ? other : "");
}

// The same server by another name is found out by the host, not here.
static Entity *connection_like(const Manager *manager, const ApiHostStorage *storage,
                               const Entity *host)
{
    INVENTORY_EACH(manager->inventory, KIND_STORAGE_CONNECTION, connection)
    {
        const ApiStorageConnection *known = ENTITY_OBJECT(connection, StorageConnection);
        bool local = known->type == API_STORAGE_TYPE_LOCALFS;
        if (known->type == storage->type && text_same(known->address, storage->address) &&
            text_same(known->path, storage->path) &&
            (!local || !known->host || !strcmp(known->host->id, host->id)))
            return connection;
    }
    return NULL;
}

static ApiHostStorage *storage_of_connection(Arena *arena, const ApiStorageConnection *from)
{
    ApiHostStorage *storage = ARENA_NEW(arena, ApiHostStorage);
    storage->type = from->type;
    storage->address = from->address;
    storage->path = from->path;
    storage->vfs_type = from->vfs_type;
    storage->mount_options = from->mount_options;
    storage->nfs_version = from->nfs_version;
    storage->nfs_timeo = from->nfs_timeo;
    storage->nfs_retrans = from->nfs_retrans;
    return storage;
}

int storage_of_request(Request *request, const ApiHostStorage *given, const Entity *host,
                       const ApiHostStorage **ret, Entity **ret_connection)
{
    Inventory *inventory = request->manager->inventory;
    if (!given)
        return fail_set(&request->why, FAIL_INCOMPLETE, "StorageDomain [storage] required for add");
    if (given->id) {
        *ret_connection = inventory_get(inventory, KIND_STORAGE_CONNECTION, given->id);
        if (!*ret_connection)
            return fail_set(&request->why, FAIL_REJECTED,
                            "storage_domain.storage.id: there is no storage connection %s.",
                            given->id);
        *ret = storage_of_connection(&request->arena,
                                     ENTITY_OBJECT(*ret_connection, StorageConnection));
        return 0;
    }
    if (!given->type)
        return fail_set(&request->why, FAIL_INCOMPLETE,
                        "StorageDomain [storage.type] required for add");
    *ret = given;
    *ret_connection = connection_like(request->manager, given, host);
    return 0;
}

// ---- checks

static int missing(Request *request, const char *member)
{
    return fail_set(&request->why, FAIL_INCOMPLETE, "StorageDomain [storage.%s] required for add",
                    member);
}

static bool path_is_clean(const char *path)
{
    return strlen(path) <= PATH_MAX_LENGTH && !strpbrk(path, "\n\r") && *path != '-';
}

int storage_check(Request *request, const ApiHostStorage *storage)
{
    bool local = storage->type == API_STORAGE_TYPE_LOCALFS;
    if (!storage->path || !*storage->path)
        return missing(request, "path");
    if (!path_is_clean(storage->path) || (local && *storage->path != '/'))
        return fail_set(&request->why, FAIL_INVALID,
                        "storage_domain.storage.path: \"%.100s\" is no absolute path.",
                        storage->path);
    if (storage->type == API_STORAGE_TYPE_NFS && (!storage->address || !*storage->address))
        return missing(request, "address");
    if (storage->address && strpbrk(storage->address, " /\n\r"))
        return fail_set(&request->why, FAIL_INVALID,
                        "storage_domain.storage.address: \"%.100s\" is no address.",
                        storage->address);
    if (storage->type == API_STORAGE_TYPE_POSIXFS && (!storage->vfs_type || !*storage->vfs_type))
        return missing(request, "vfs_type");
    if (storage->mount_options && strpbrk(storage->mount_options, " \t\n"))
        return fail_set(&request->why, FAIL_INVALID,
                        "storage_domain.storage.mount_options: options are separated by commas "
                        "only.");
    if ((storage->nfs_timeo.set && storage->nfs_timeo.value > PORT_MAX) ||
        (storage->nfs_retrans.set && storage->nfs_retrans.value > PORT_MAX))
        return fail_set(&request->why, FAIL_OUT_OF_RANGE,
                        "storage_domain.storage: nfs_timeo and nfs_retrans are at most %d.",
                        PORT_MAX);
    return 0;
}

// ---- connections

const char *connection_add(Change *change, const ApiHostStorage *storage, const Entity *host)
{
    ApiDocument *draft = change_add(change, KIND_STORAGE_CONNECTION, NULL);
    ApiStorageConnection *connection = draft->object;
    Arena *arena = &draft->arena;
    connection->type = storage->type;
    connection->address = arena_string(arena, storage->address);
    connection->path = arena_string(arena, storage->path);
    connection->vfs_type = arena_string(arena, storage->vfs_type);
    connection->mount_options = arena_string(arena, storage->mount_options);
    connection->nfs_version = storage->nfs_version;
    connection->nfs_timeo = storage->nfs_timeo;
    connection->nfs_retrans = storage->nfs_retrans;
    if (storage->type == API_STORAGE_TYPE_LOCALFS) {
        connection->host = ARENA_NEW(arena, ApiHost);
        connection->host->id = arena_string(arena, host->id);
    }
    return connection->id;
}

Entity *connection_domain(const Manager *manager, const Entity *connection)
{
    INVENTORY_EACH(manager->inventory, KIND_STORAGE_DOMAIN, domain)
    {
        const ApiStorageConnection *used = ENTITY_OBJECT(domain, StorageDomain)->connection;
        if (used && !strcmp(used->id, connection->id))
            return domain;
    }
    return NULL;
}

int connection_check_unused(Request *request, const Entity *connection)
{
    Entity *domain = connection ? connection_domain(request->manager, connection) : NULL;
    if (!domain)
        return 0;
    fail_set(&request->why, FAIL_EXISTS,
             "Cannot add Storage. Storage connection %s already exists for %s.", connection->id,
             entity_name(domain));
    fail_hint(&request->why, "Choose another path: one storage holds one domain");
    fail_object(&request->why, domain->id);
    return fail_to_errno(FAIL_EXISTS);
}
