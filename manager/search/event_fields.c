// Fields of events and users.
#include <stdlib.h>
#include <string.h>

#include "manager/search/search_fields.h"

// ---- events: their subject is the ApiEvent

static const ApiEvent *event_of(const Subject *subject)
{
    return subject->object;
}

// What it is called now; what the event itself tells when it is gone.
static void add_linked_name(const SearchScope *scope, Kind kind, const void *link,
                            const char *remembered, FieldValues *ret)
{
    const Entity *entity = scope_entity(scope, kind, link);
    values_add_text(ret, entity ? entity_name(entity) : remembered);
}

#define EVENT_NAME(getter, kind, member)                                                        \
    void get_event_##getter(const SearchScope *scope, const Subject *subject, FieldValues *ret) \
    {                                                                                           \
        const ApiEvent *event = event_of(subject);                                              \
        if (event->member)                                                                      \
            add_linked_name(scope, kind, event->member, event->member->name, ret);              \
    }                                                                                           \
                                                                                                \
    void get_event_##getter##_id(const SearchScope *scope, const Subject *subject,              \
                                 FieldValues *ret)                                              \
    {                                                                                           \
        const ApiEvent *event = event_of(subject);                                              \
        if (event->member)                                                                      \
            values_add_text(ret, event->member->id);                                            \
    }

EVENT_NAME(host, KIND_HOST, host)
EVENT_NAME(vm, KIND_VM, vm)
EVENT_NAME(template, KIND_TEMPLATE, template)
EVENT_NAME(storage, KIND_STORAGE_DOMAIN, storage_domain)
EVENT_NAME(data_center, KIND_DATA_CENTER, data_center)

void get_event_id(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_integer(ret, event_of(subject)->index);
}

// Those that were taken out of sight are not in the log any more.
void get_event_deleted(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_boolean(ret, false);
}

void get_event_usrid(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    if (event_of(subject)->user)
        values_add_text(ret, event_of(subject)->user->id);
}

// ---- users

// An account is known by its login and its directory. oVirt's name for the directory of internal
// accounts is "internal-authz"; both are understood.
static void add_account(const ApiUser *user, FieldValues *ret)
{
    const char *at = user->principal ? strrchr(user->principal, '@') : NULL;
    values_add_text(ret, user->principal);
    if (at)
        values_add_text(ret, arena_format(ret->arena, "%s-authz", user->principal));
    if (user->user_name && user->domain && user->domain->name)
        values_add_text(ret,
                        arena_format(ret->arena, "%s@%s", user->user_name, user->domain->name));
}

static void add_login(const ApiUser *user, FieldValues *ret)
{
    const char *at = user->principal ? strrchr(user->principal, '@') : NULL;
    values_add_text(ret, user->user_name);
    if (at)
        values_add_text(ret,
                        arena_bytes(ret->arena, user->principal, (size_t)(at - user->principal)));
}

static const ApiUser *user_of(const Subject *subject)
{
    return subject->object;
}

void get_user_login(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    add_login(user_of(subject), ret);
}

void get_user_and_domain(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    add_account(user_of(subject), ret);
}

// As a login, or as login@directory.
void get_user_usrname(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    add_login(user_of(subject), ret);
    add_account(user_of(subject), ret);
}

void get_user_directory(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiUser *user = user_of(subject);
    const char *at = user->principal ? strrchr(user->principal, '@') : NULL;
    if (at) {
        values_add_text(ret, at + 1);
        values_add_text(ret, arena_format(ret->arena, "%s-authz", at + 1));
    }
    if (user->domain)
        values_add_text(ret, user->domain->name);
}

void get_user_tag(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiUser *user = user_of(subject);
    values_add_tags(ret, scope, user->tags.items, user->tags.count);
}

void get_user_type(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_choice(ret, SEARCH_USER);
}

void get_event_usrname(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiUser *link = event_of(subject)->user;
    const Entity *user = scope_entity(scope, KIND_USER, link);
    if (user) {
        add_login(ENTITY_OBJECT(user, User), ret);
        add_account(ENTITY_OBJECT(user, User), ret);
    } else if (link) {
        values_add_text(ret, link->user_name ? link->user_name : link->name);
    }
}
