// Users, their groups, and the directory they come from.
#include "manager/identity/user_view.h"

#include <string.h>

#include "manager/identity/group.h"
#include "manager/identity/identity.h"
#include "manager/rest/check.h"
#include "rest_handlers.h"

void user_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiUser *view = target;
    (void)request;
    *view = *(const ApiUser *)item->document->object;
    // "admin@internal", as people log in, is "admin" of the directory "internal-authz".
    char *login = arena_string(scratch, VIEW_TEXT(view->principal));
    login[strcspn(login, "@")] = 0;
    view->principal = login;
    view->user_name = arena_format(scratch, "%s@%s", login, DOMAIN_NAME);
    view->domain = api_reference_new(scratch, &api_type_domain, DOMAIN_ID);
    view->domain_entry_id = item->entity->id;
    view->last_name = VIEW_TEXT(view->last_name);
    view->email = VIEW_TEXT(view->email);
    view->department = VIEW_TEXT(view->department);
    memset(&view->tags, 0, sizeof(view->tags));
}

// Who is no administrator sees no other user.
static bool is_visible(const Request *request, const Entity *user, const void *argument)
{
    (void)argument;
    return request_is_admin(request) || !strcmp(user->id, request->user.id);
}

int user_list(Request *request, Items *items)
{
    if (request_is_admin(request))
        return items_collect(request, items, KIND_USER, user_view);
    return items_select(request, items, KIND_USER, user_view, is_visible, NULL);
}

int user_get(Request *request, Items *items)
{
    Entity *user = request_entity_of(request, "User", KIND_USER);
    if (user && !is_visible(request, user, NULL))
        request_not_found(request, kind_noun(KIND_USER), user->id);
    if (fail_is_set(&request->why))
        return fail_to_errno(request->why.code);
    items->view = user_view;
    items_add_entity(items, user);
    return 0;
}

// Everybody belongs to the one group there is; oVirt does not list that one.
int user_group_list(Request *request, Items *items)
{
    (void)items;
    return request_check_parents(request);
}

// ---- groups

static void add_everyone(Request *request, Items *items)
{
    ApiGroup *group = ARENA_NEW(&request->arena, ApiGroup);
    group->id = GROUP_EVERYONE;
    group->name = "Everyone";
    group->namespace = "*";
    items_add_value(items, group);
}

// The name that search= asks for, or NULL: there is nothing else to look for in one group.
static bool group_is_searched(Request *request)
{
    const char *search = request->http ? request_parameter(request, "search") : NULL;
    if (!search || !*search)
        return true;
    return strcasestr(search, "everyone") != NULL;
}

int group_list(Request *request, Items *items)
{
    if (group_is_searched(request))
        add_everyone(request, items);
    return 0;
}

int group_get(Request *request, Items *items)
{
    const char *id = request_id_of(request, "Group");
    if (!id || strcmp(id, GROUP_EVERYONE))
        return request_not_found(request, "group", id);
    add_everyone(request, items);
    return 0;
}

// ---- domains

static void add_domain(Request *request, Items *items)
{
    ApiDomain *domain = ARENA_NEW(&request->arena, ApiDomain);
    domain->id = DOMAIN_ID;
    domain->name = DOMAIN_NAME;
    items_add_value(items, domain);
}

int domain_list(Request *request, Items *items)
{
    add_domain(request, items);
    return 0;
}

int domain_get(Request *request, Items *items)
{
    const char *id = request_id_of(request, "Domain");
    if (!id || strcmp(id, DOMAIN_ID))
        return request_not_found(request, "domain", id);
    add_domain(request, items);
    return 0;
}
