// The durable store behind the inventory. A change is a list of puts and deletes that becomes
// durable as a whole; changes are committed in order, many in one transaction when they come fast.
//
// One thread writes; every function here is called from the loop's thread, callbacks come there.
#pragma once

#include <uv.h>

#include "base/fail.h"
#include "base/strbuf.h"

typedef struct Store Store;
typedef struct StoreChange StoreChange;

typedef struct StoreEvent {
    int64_t id, time_ms;
    int code, severity;
    const char *document; // JSON
} StoreEvent;

// A new, empty change.
StoreChange *store_change_new(void);
void store_change_free(StoreChange *change);
// All strings are copied.
void store_change_put(StoreChange *change, const char *kind, const char *id, uint64_t revision,
                      const char *document);
void store_change_delete(StoreChange *change, const char *kind, const char *id);
void store_change_event(StoreChange *change, const StoreEvent *event);
// Called in place of the StoreDone when the store is closed before that came, to free its argument.
void store_change_on_dropped(StoreChange *change, void (*dropped)(void *argument));

// Called when the change is on disk, or with the reason why it is not. After a failure all changes
// that were queued behind it fail too, in reverse order of queueing, so that the owner can take
// them back one by one.
typedef void (*StoreDone)(const Fail *why, void *argument);

typedef void (*StoreLoadEntity)(const char *kind, const char *id, uint64_t revision,
                                const char *document, size_t length, void *argument);
typedef void (*StoreLoadEvent)(const StoreEvent *event, void *argument);

// Opens or creates; brings an older schema up to date.
Store *store_open(uv_loop_t *loop, const char *path, Fail *why);
// Reads everything; before the first change only. Events: the newest `events`, oldest first.
int store_load(Store *store, StoreLoadEntity entity, int events, StoreLoadEvent event,
               void *argument, Fail *why);
// Takes the change over.
void store_submit(Store *store, StoreChange *change, StoreDone done, void *argument);
// A consistent copy of the whole store into one file, while running.
void store_backup(Store *store, const char *path, StoreDone done, void *argument);
// Removes events older than `before_ms`.
void store_expire_events(Store *store, int64_t before_ms);
// Waits for what is queued; no callbacks come any more but those of store_change_on_dropped().
void store_close(Store *store);

typedef struct StoreStats {
    uint64_t changes, commits;
    int queued;
} StoreStats;
StoreStats store_stats(const Store *store);
