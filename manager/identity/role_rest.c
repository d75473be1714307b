// Roles and their permits: the built-in ones, which nobody can change.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "manager/identity/permit_view.h"
#include "manager/rest/check.h"
#include "manager/rest/items.h"
#include "rest_handlers.h"

ApiPermit *permit_view(Arena *arena, Permit permit, const char *role)
{
    ApiPermit *view = ARENA_NEW(arena, ApiPermit);
    char *name = arena_string(arena, permit_name(permit));
    for (char *at = name; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    view->id = arena_format(arena, "%d", permit_number(permit));
    view->name = name;
    view->administrative = API_BOOL(permit_is_administrative(permit));
    if (role)
        view->role = api_reference_new(arena, &api_type_role, role);
    return view;
}

ApiRole *role_view(Arena *arena, const Role *role)
{
    ApiRole *view = ARENA_NEW(arena, ApiRole);
    view->id = role->id;
    view->name = role->name;
    view->mutable = API_FALSE;
    view->administrative = API_BOOL(role->administrative);
    return view;
}

int role_list(Request *request, Items *items)
{
    for (int i = 0; role_at(i); i++)
        items_add_value(items, role_view(&request->arena, role_at(i)));
    return 0;
}

// The role of the URL, also below a user: there only the user's own.
static const Role *role_of_path(Request *request)
{
    const char *id = request_id_of(request, "Role"), *user = request_id_of(request, "User");
    const Role *role = role_by_id(id);
    Entity *entity = user ? inventory_get(request->manager->inventory, KIND_USER, user) : NULL;
    bool own = !entity || !strcmp(VIEW_TEXT(ENTITY_OBJECT(entity, User)->role), VIEW_TEXT(id));
    bool shared = request_is_below(request, "AssignedRoles") && !entity;
    if (role && own && !shared && (!user || entity))
        return role;
    request_not_found(request, "role", id);
    return NULL;
}

int role_get(Request *request, Items *items)
{
    const Role *role = role_of_path(request);
    if (!role)
        return fail_to_errno(request->why.code);
    items_add_value(items, role_view(&request->arena, role));
    return 0;
}

// ---- permits

int permit_list(Request *request, Items *items)
{
    const Role *role = role_of_path(request);
    if (!role)
        return fail_to_errno(request->why.code);
    for (Permit permit = 0; permit < _PERMIT_MAX; permit++)
        if (role_permits(role, permit))
            items_add_value(items, permit_view(&request->arena, permit, role->id));
    return 0;
}

int permit_get(Request *request, Items *items)
{
    const Role *role = role_of_path(request);
    const char *id = request_last_id(request);
    char *end;
    long number = strtol(id, &end, 10);
    if (!role)
        return fail_to_errno(request->why.code);
    for (Permit permit = 0; !*end && permit < _PERMIT_MAX; permit++)
        if (role_permits(role, permit) && permit_number(permit) == number) {
            items_add_value(items, permit_view(&request->arena, permit, role->id));
            return 0;
        }
    return request_not_found(request, "permit", id);
}

// ---- roles of users and groups

int assigned_role_list(Request *request, Items *items)
{
    const char *user = request_id_of(request, "User");
    if (request_check_parents(request))
        return fail_to_errno(request->why.code);
    if (!user)
        return 0; // groups have none
    Entity *entity = inventory_get(request->manager->inventory, KIND_USER, user);
    const Role *role = role_by_id(ENTITY_OBJECT(entity, User)->role);
    if (role)
        items_add_value(items, role_view(&request->arena, role));
    return 0;
}
