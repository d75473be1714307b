// Whose the files of storage domains are. Servers commonly map root to nobody, so file work is
// done with the owner's rights: the file-system identity of the calling thread is changed for a
// while, and programs are started as the owner.
#pragma once

#include <sys/types.h>

#include "base/array.h"

typedef struct StorageOwner {
    uid_t user;
    gid_t group;
    bool set; // false: files belong to whoever the agent is
} StorageOwner;

// Names or numbers; an empty user means nobody in particular, an unknown name means 36.
void storage_owner_find(StorageOwner *owner, const char *user, const char *group);

typedef struct OwnerScope {
    uid_t user;
    gid_t group;
    bool changed;
} OwnerScope;

// Only for the calling thread, until the end of the scope; scopes may nest.
OwnerScope storage_owner_enter(const StorageOwner *owner);
void storage_owner_leave(OwnerScope *scope);
#define AS_OWNER(owner)                                                            \
    __attribute__((cleanup(storage_owner_leave), unused)) OwnerScope owner_scope = \
        storage_owner_enter(owner)

// The words in front of a program's own so that it runs as the owner and dies with the agent.
// The strings live in `words`; both are the caller's.
typedef struct OwnerWords {
    char user[32], group[32];
} OwnerWords;
void storage_owner_prefix(const StorageOwner *owner, OwnerWords *words, Array *arguments);
