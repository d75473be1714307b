// Disk profiles: each storage domain has one, by its own name, without limits.
#include <string.h>

#include "manager/rest/reply.h"
#include "manager/storage/disk_profile.h"
#include "rest_handlers.h"

char *disk_profile_id(const char *domain, char id[UUID_SIZE])
{
    return uuid_from_name("disk_profile", domain, id);
}

static ApiDiskProfile *profile_of(Request *request, const Entity *domain)
{
    char id[UUID_SIZE];
    ApiDiskProfile *profile = ARENA_NEW(&request->arena, ApiDiskProfile);
    profile->id = arena_string(&request->arena, disk_profile_id(domain->id, id));
    profile->name = arena_string(&request->arena, entity_name(domain));
    profile->storage_domain = ARENA_NEW(&request->arena, ApiStorageDomain);
    profile->storage_domain->id = arena_string(&request->arena, domain->id);
    return profile;
}

int disk_profile_list(Request *request, Items *items)
{
    INVENTORY_EACH(request->manager->inventory, KIND_STORAGE_DOMAIN, domain)
    items_add_value(items, profile_of(request, domain));
    return 0;
}

int disk_profile_get(Request *request, Items *items)
{
    char id[UUID_SIZE];
    const char *wanted = request_id(request, 0);
    INVENTORY_EACH(request->manager->inventory, KIND_STORAGE_DOMAIN, domain)
    if (!strcmp(disk_profile_id(domain->id, id), wanted)) {
        items_add_value(items, profile_of(request, domain));
        return 0;
    }
    return fail_set(&request->why, FAIL_NOT_FOUND, "There is no disk profile with the id %s.",
                    wanted);
}

int domain_profile_list(Request *request, Items *items)
{
    Entity *domain = request_entity(request, 0, KIND_STORAGE_DOMAIN);
    if (!domain)
        return fail_to_errno(request->why.code);
    items_add_value(items, profile_of(request, domain));
    return 0;
}

int domain_profile_get(Request *request, Items *items)
{
    char id[UUID_SIZE];
    Entity *domain = request_entity(request, 0, KIND_STORAGE_DOMAIN);
    const char *wanted = request_id(request, 1);
    if (domain && !strcmp(disk_profile_id(domain->id, id), wanted)) {
        items_add_value(items, profile_of(request, domain));
        return 0;
    }
    return fail_set(&request->why, FAIL_NOT_FOUND, "There is no disk profile with the id %s.",
                    wanted);
}
