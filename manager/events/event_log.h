// The audit log: events become durable with the change that caused them and get a number that
// only grows. The newest are kept in memory for the API; the store keeps them for 30 days.
#pragma once

#include "manager/inventory/change.h"

typedef enum EventCode {
    EVENT_NONE,
#define EVENT(name, code, severity, text) EVENT_##name,
#include "manager/events/events.def"
#undef EVENT
    _EVENT_MAX,
} EventCode;

// What an event is about. Everything may be NULL.
typedef struct EventFacts {
    const Entity *vm, *host, *disk, *storage_domain, *data_center, *cluster, *network, *template;
    const char *name, *detail;
    const char *vm_name, *disk_name; // when the object is already gone
} EventFacts;

typedef struct EventLog EventLog;

EventLog *event_log_new(int64_t last_id);
void event_log_free(EventLog *log);
// Adds the event to the change; it appears when the change is durable.
void event_add(Change *change, EventCode code, const EventFacts *facts);
// An event from outside (POST /events): the object is copied.
void event_add_external(Change *change, const ApiEvent *event, ApiDocument **ret_document);
// A change with nothing but this event.
void event_write(Manager *manager, const Cause *cause, EventCode code, const EventFacts *facts);

const char *event_name(EventCode code);
int event_number(EventCode code);

// Newest last. Positions shift when old ones leave memory.
size_t event_log_count(const EventLog *log);
ApiDocument *event_log_at(const EventLog *log, size_t position);
ApiDocument *event_log_get(const EventLog *log, int64_t id);
void event_log_append(EventLog *log, ApiDocument *event);
void event_log_load(EventLog *log, const StoreEvent *row);
// Takes an event out of sight (DELETE /events/{id}): its row in the store says so with the change;
// event_log_hide() is called when that is durable. The history keeps it.
void event_hide(Change *change, const ApiDocument *event);
void event_log_hide(EventLog *log, int64_t id);
