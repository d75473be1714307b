// Named locks: who works on which domain or image. Waiting costs no thread of the pool: tasks are
// started when their locks are free (storage_work.h); verbs wait a bounded time and then say who
// is in the way.
#pragma once

#include <uv.h>

#include "agent/storage/storage_fail.h"
#include "base/list.h"
#include "base/uuid.h"

enum { LOCKS_MAX = 6, LOCK_KEY_SIZE = 96, LOCK_WAIT_MS = 20000 };

typedef struct LockSet {
    int count;
    struct {
        char key[LOCK_KEY_SIZE];
        bool exclusive;
    } items[LOCKS_MAX];
} LockSet;

// Nothing happens when the key is there already, except that exclusive wins.
void lock_set_add(LockSet *set, bool exclusive, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// The keys everybody uses.
void lock_set_domain(LockSet *set, bool exclusive, const char *domain);
void lock_set_image(LockSet *set, bool exclusive, const char *domain, const char *image);
bool lock_set_conflict(const LockSet *one, const LockSet *other);

typedef struct StorageLocks {
    uv_mutex_t mutex; // guards everything here
    uv_cond_t freed;
    List holders;                     // LockHolder
    void (*on_freed)(void *argument); // called without the mutex
    void *argument;
} StorageLocks;

typedef struct LockHolder {
    List node;
    LockSet set;
    char *what; // "creation of volume X", for people
} LockHolder;

void storage_locks_init(StorageLocks *locks);
void storage_locks_done(StorageLocks *locks);
// All or nothing. Takes a copy of `what`. On a conflict returns NULL and, when `ret_blocker` is
// given, who is in the way; the caller frees that text.
LockHolder *storage_lock_try(StorageLocks *locks, const LockSet *set, const char *what,
                             char **ret_blocker);
// Waits up to `timeout_ms`; a VdsmError.
int storage_lock(StorageLocks *locks, const LockSet *set, const char *what, int timeout_ms,
                 LockHolder **ret, Fail *why);
void storage_unlock(StorageLocks *locks, LockHolder *holder);
