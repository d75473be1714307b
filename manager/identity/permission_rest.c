// Permissions: who has which role on what. So far every user has one role, on the whole system;
// objects show it as inherited.
#include <string.h>

#include "manager/identity/group.h"
#include "manager/identity/identity.h"
#include "manager/rest/check.h"
#include "manager/rest/items.h"
#include "rest_handlers.h"

// The same for as long as the user has the role.
static const char *permission_id(Arena *arena, const Entity *user)
{
    char id[UUID_SIZE];
    AUTO_FREE char *name = memory_format("%s %s", user->id, ENTITY_OBJECT(user, User)->role);
    return arena_string(arena, uuid_from_name("permission", name, id));
}

static void add_permission(Request *request, Items *items, const Entity *user)
{
    Arena *arena = &request->arena;
    ApiPermission *permission = ARENA_NEW(arena, ApiPermission);
    permission->id = permission_id(arena, user);
    permission->user = api_reference_new(arena, &api_type_user, user->id);
    permission->role = api_reference_new(arena, &api_type_role, ENTITY_OBJECT(user, User)->role);
    items_add_value(items, permission);
}

// Below a user only the user's, below a group none (all of them are users'); who is no
// administrator sees no others.
static bool is_shown(const Request *request, const Entity *user)
{
    const char *below = request_id_of(request, "User");
    if (!role_by_id(ENTITY_OBJECT(user, User)->role) || request_is_below(request, "Group"))
        return false;
    return (!below || !strcmp(below, user->id)) &&
           (request_is_admin(request) || !strcmp(user->id, request->user.id));
}

static int check_filter(Request *request)
{
    const char *header = request->http ? http_header(request->http, "Filter") : NULL;
    bool below = request->route.depth > 2;
    // Clients ask for the unfiltered list to find out whether the user is an administrator.
    if (below || request_is_admin(request) || request->filter || !header)
        return 0;
    fail_set(&request->why, FAIL_FORBIDDEN,
             "User %s is not permitted to see all permissions of the system.", request->user.name);
    fail_hint(&request->why, "Leave out \"Filter: false\"");
    return fail_to_errno(FAIL_FORBIDDEN);
}

int permission_list(Request *request, Items *items)
{
    if (request_check_parents(request) || check_filter(request))
        return fail_to_errno(request->why.code);
    INVENTORY_EACH(request->manager->inventory, KIND_USER, user)
        if (is_shown(request, user))
            add_permission(request, items, user);
    items_set_home(request, items, "/permissions");
    return 0;
}

int permission_get(Request *request, Items *items)
{
    const char *id = request_last_id(request);
    if (request_check_parents(request))
        return fail_to_errno(request->why.code);
    INVENTORY_EACH(request->manager->inventory, KIND_USER, user)
        if (is_shown(request, user) && !strcmp(permission_id(&request->arena, user), id)) {
            add_permission(request, items, user);
            return 0;
        }
    return request_not_found(request, "permission", id);
}
