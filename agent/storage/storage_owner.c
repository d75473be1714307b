#include "agent/storage/storage_owner.h"

#include <ctype.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

enum { OWNER_ID = 36, NAMES_MAX = 16384 };

static bool is_number(const char *text, unsigned *ret)
{
    char end;
    return isdigit((unsigned char)*text) && sscanf(text, "%u%c", ret, &end) == 1;
}

static uid_t user_find(const char *name)
{
    unsigned number;
    struct passwd entry, *found = NULL;
    AUTO_FREE char *buffer = memory_new(NAMES_MAX, 1);
    if (is_number(name, &number))
        return number;
    getpwnam_r(name, &entry, buffer, NAMES_MAX, &found);
    return found ? found->pw_uid : OWNER_ID;
}

static gid_t group_find(const char *name)
{
    unsigned number;
    struct group entry, *found = NULL;
    AUTO_FREE char *buffer = memory_new(NAMES_MAX, 1);
    if (is_number(name, &number))
        return number;
    getgrnam_r(name, &entry, buffer, NAMES_MAX, &found);
    return found ? found->gr_gid : OWNER_ID;
}

void storage_owner_find(StorageOwner *owner, const char *user, const char *group)
{
    *owner = (StorageOwner){.set = user && *user && geteuid() == 0};
    if (!owner->set)
        return;
    owner->user = user_find(user);
    owner->group = group && *group ? group_find(group) : OWNER_ID;
}

// The group first: giving up root's file rights does not take away the right to change groups,
// but the other way round it is easier to think about.
OwnerScope storage_owner_enter(const StorageOwner *owner)
{
    OwnerScope before = {.changed = owner->set};
    if (!owner->set)
        return before;
    before.group = (gid_t)setfsgid(owner->group);
    before.user = (uid_t)setfsuid(owner->user);
    return before;
}

void storage_owner_leave(OwnerScope *scope)
{
    if (!scope->changed)
        return;
    setfsuid(scope->user);
    setfsgid(scope->group);
}

void storage_owner_prefix(const StorageOwner *owner, OwnerWords *words, Array *arguments)
{
    array_add(arguments, (void *)"setpriv");
    array_add(arguments, (void *)"--pdeathsig=KILL");
    if (owner->set) {
        snprintf(words->user, sizeof(words->user), "--reuid=%u", owner->user);
        snprintf(words->group, sizeof(words->group), "--regid=%u", owner->group);
        array_add(arguments, words->user);
        array_add(arguments, words->group);
        array_add(arguments, (void *)"--clear-groups");
    }
    array_add(arguments, (void *)"--");
}
