#include "agent/storage/storage_lock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

void lock_set_add(LockSet *set, bool exclusive, const char *format, ...)
{
    char key[LOCK_KEY_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(key, sizeof(key), format, args);
    va_end(args);
    uuid_lower(key);
    for (int i = 0; i < set->count; i++)
        if (!strcmp(set->items[i].key, key)) {
            set->items[i].exclusive |= exclusive;
            return;
        }
    if (set->count == LOCKS_MAX)
        abort(); // a kind of task with more locks than were thought of
    memcpy(set->items[set->count].key, key, sizeof(key));
    set->items[set->count++].exclusive = exclusive;
}

void lock_set_domain(LockSet *set, bool exclusive, const char *domain)
{
    lock_set_add(set, exclusive, "domain:%s", domain);
}

void lock_set_image(LockSet *set, bool exclusive, const char *domain, const char *image)
{
    lock_set_add(set, exclusive, "image:%s/%s", domain, image);
}

bool lock_set_conflict(const LockSet *one, const LockSet *other)
{
    for (int i = 0; i < one->count; i++)
        for (int k = 0; k < other->count; k++)
            if ((one->items[i].exclusive || other->items[k].exclusive) &&
                !strcmp(one->items[i].key, other->items[k].key))
                return true;
    return false;
}

void storage_locks_init(StorageLocks *locks)
{
    *locks = (StorageLocks){0};
    uv_mutex_init(&locks->mutex);
    uv_cond_init(&locks->freed);
    list_init(&locks->holders);
}

void storage_locks_done(StorageLocks *locks)
{
    uv_cond_destroy(&locks->freed);
    uv_mutex_destroy(&locks->mutex);
}

static LockHolder *locks_blocker(const StorageLocks *locks, const LockSet *set)
{
    LIST_EACH(&locks->holders, LockHolder, node, holder)
        if (lock_set_conflict(&holder->set, set))
            return holder;
    return NULL;
}

// With the mutex held.
static LockHolder *locks_take(StorageLocks *locks, const LockSet *set, const char *what,
                              char **ret_blocker)
{
    LockHolder *blocker = locks_blocker(locks, set);
    if (blocker) {
        if (ret_blocker)
            *ret_blocker = memory_string(blocker->what);
        return NULL;
    }
    LockHolder *holder = NEW(LockHolder);
    holder->set = *set;
    holder->what = memory_string(what);
    list_append(&locks->holders, &holder->node);
    return holder;
}

LockHolder *storage_lock_try(StorageLocks *locks, const LockSet *set, const char *what,
                             char **ret_blocker)
{
    uv_mutex_lock(&locks->mutex);
    LockHolder *holder = locks_take(locks, set, what, ret_blocker);
    uv_mutex_unlock(&locks->mutex);
    return holder;
}

int storage_lock(StorageLocks *locks, const LockSet *set, const char *what, int timeout_ms,
                 LockHolder **ret, Fail *why)
{
    int64_t deadline = clock_monotonic_ms() + timeout_ms;
    AUTO_FREE char *blocker = NULL;
    uv_mutex_lock(&locks->mutex);
    LockHolder *holder;
    for (;;) {
        free(TAKE(blocker));
        holder = locks_take(locks, set, what, &blocker);
        int64_t left = deadline - clock_monotonic_ms();
        if (holder || left <= 0)
            break;
        uv_cond_timedwait(&locks->freed, &locks->mutex, (uint64_t)left * 1000000);
    }
    uv_mutex_unlock(&locks->mutex);
    if (holder) {
        *ret = holder;
        return 0;
    }
    storage_fail(why, VDSM_RESOURCE_TIMEOUT, "The %s has to wait for the %s", what, blocker);
    fail_hint(why, "Try again when that has ended; Host.getAllTasksInfo and Host.getJobs list "
                   "what is running.");
    return VDSM_RESOURCE_TIMEOUT;
}

void storage_unlock(StorageLocks *locks, LockHolder *holder)
{
    if (!holder)
        return;
    uv_mutex_lock(&locks->mutex);
    list_remove(&holder->node);
    uv_cond_broadcast(&locks->freed);
    uv_mutex_unlock(&locks->mutex);
    free(holder->what);
    free(holder);
    if (locks->on_freed)
        locks->on_freed(locks->argument);
}
