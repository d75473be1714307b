// A change: edits of several entities that become true together.
//
//     Change *change = change_new(manager, cause);
//     ApiDocument *draft = change_edit(change, entity);
//     ((ApiVm *)draft->object)->comment = arena_string(&draft->arena, "...");
//     change_event(change, EVENT_USER_UPDATE_VM, ...);
//     change_commit(change, durable, argument);
//
// Committing makes it visible in memory at once and queues it for the store. `durable` is called
// when it is on disk; only then may anybody outside be told. When the store refuses it, memory is
// taken back to what it was and `durable` gets the reason.
#pragma once

#include "manager/inventory/inventory.h"

typedef struct Manager Manager;
typedef struct Change Change;

// Who asks, for events and operations. All strings may be NULL.
typedef struct Cause {
    const char *user, *user_name;
    const char *correlation;
    const char *source; // address of the client
} Cause;

typedef void (*ChangeDone)(const Fail *why, void *argument);

Change *change_new(Manager *manager, const Cause *cause);
const Cause *change_cause(const Change *change);
Manager *change_manager(const Change *change);
// A copy of the entity's object to be edited. The same draft again when it is edited twice.
ApiDocument *change_edit(Change *change, Entity *entity);
// A new object; `id` NULL means a fresh UUID, which is put into the object.
ApiDocument *change_add(Change *change, Kind kind, const char *id);
// The draft of an object added in this change.
ApiDocument *change_added(Change *change, const char *id);
void change_remove(Change *change, Entity *entity);
// An event row that becomes durable with the change; used by events/. Without a document it takes
// the place of the row with its number.
void change_add_event(Change *change, const StoreEvent *event, ApiDocument *document);
void change_commit(Change *change, ChangeDone durable, void *argument);
void change_cancel(Change *change);
