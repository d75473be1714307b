#include "manager/events/event_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "manager/manager.h"

enum { EVENTS_IN_MEMORY = 20000 };

typedef struct EventRow {
    const char *name, *text;
    int number;
    ApiLogSeverity severity;
} EventRow;

static const EventRow event_rows[_EVENT_MAX] = {
#define EVENT(name, code, severity, text) \
    [EVENT_##name] = {#name, text, code, API_LOG_SEVERITY_##severity},
#include "manager/events/events.def"
#undef EVENT
};

struct EventLog {
    ApiDocument **ring; // EVENTS_IN_MEMORY places
    size_t first, count;
    int64_t last_id; // given out, not only durable
};

EventLog *event_log_new(int64_t last_id)
{
    EventLog *log = NEW(EventLog);
    log->ring = NEW_ARRAY(ApiDocument *, EVENTS_IN_MEMORY);
    log->last_id = last_id;
    return log;
}

void event_log_free(EventLog *log)
{
    if (!log)
        return;
    for (size_t i = 0; i < log->count; i++)
        api_document_unref(event_log_at(log, i));
    free(log->ring);
    free(log);
}

const char *event_name(EventCode code)
{
    return event_rows[code].name;
}

int event_number(EventCode code)
{
    return event_rows[code].number;
}

// ---- making events

static const char *fact_entity(const Entity *entity, const char *fallback)
{
    return entity ? entity_name(entity) : fallback;
}

static const char *fact_disk(const EventFacts *facts)
{
    if (!facts->disk)
        return facts->disk_name;
    const ApiDisk *disk = ENTITY_OBJECT(facts->disk, Disk);
    return disk->alias ? disk->alias : disk->name ? disk->name : facts->disk->id;
}

static const char *fact_value(const Change *change, const EventFacts *facts, const char *key,
                              size_t length)
{
    const Cause *cause = change_cause(change);
    const struct {
        const char *key, *value;
    } rows[] = {
        {"user", cause->user_name ? cause->user_name : "the system"},
        {"vm", fact_entity(facts->vm, facts->vm_name)},
        {"host", fact_entity(facts->host, "none")},
        {"disk", fact_disk(facts)},
        {"storage_domain", fact_entity(facts->storage_domain, facts->name)},
        {"data_center", fact_entity(facts->data_center, facts->name)},
        {"cluster", fact_entity(facts->cluster, facts->name)},
        {"network", fact_entity(facts->network, facts->name)},
        {"template", fact_entity(facts->template, facts->name)},
        {"name", facts->name},
        {"detail", facts->detail},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strlen(rows[i].key) == length && !memcmp(rows[i].key, key, length))
            return rows[i].value ? rows[i].value : "";
    return "";
}

static char *event_text(const Change *change, const char *template, const EventFacts *facts)
{
    AUTO_STRBUF text = {0};
    const char *at = template;
    for (const char *mark; (mark = strstr(at, "${"));) {
        const char *end = strchr(mark, '}');
        strbuf_add(&text, at, (size_t)(mark - at));
        strbuf_adds(&text, fact_value(change, facts, mark + 2, (size_t)(end - mark - 2)));
        at = end + 1;
    }
    strbuf_adds(&text, at);
    while (text.length && text.data[text.length - 1] == ' ')
        text.data[--text.length] = 0;
    return strbuf_take(&text);
}

#define EVENT_LINK(member, Type)                                    \
    if (facts->member) {                                            \
        event->member = ARENA_NEW(arena, Type);                     \
        event->member->id = arena_string(arena, facts->member->id); \
    }

static void event_link(Arena *arena, ApiEvent *event, const Cause *cause, const EventFacts *facts)
{
    EVENT_LINK(vm, ApiVm)
    EVENT_LINK(host, ApiHost)
    EVENT_LINK(storage_domain, ApiStorageDomain)
    EVENT_LINK(data_center, ApiDataCenter)
    EVENT_LINK(cluster, ApiCluster)
    EVENT_LINK(template, ApiTemplate)
    if (cause->user) {
        event->user = ARENA_NEW(arena, ApiUser);
        event->user->id = arena_string(arena, cause->user);
    }
}

static void event_store(Change *change, const ApiEvent *event, ApiDocument *document)
{
    AUTO_STRBUF text = {0};
    api_store(&text, &api_type_event, event);
    StoreEvent row = {.id = event->index.value,
                      .time_ms = event->time.value,
                      .code = (int)event->code.value,
                      .severity = event->severity,
                      .document = text.data};
    change_add_event(change, &row, document);
}

static void event_submit(Change *change, EventLog *log, ApiDocument *document)
{
    ApiEvent *event = document->object;
    int64_t id = ++log->last_id;
    event->id = arena_format(&document->arena, "%lld", (long long)id);
    event->index = API_INT(id);
    event->time = API_INT(clock_wall_ms());
    event_store(change, event, document);
}

void event_hide(Change *change, const ApiDocument *document)
{
    ApiEvent hidden = *(const ApiEvent *)document->object;
    hidden.deleted = API_TRUE;
    event_store(change, &hidden, NULL);
}

void event_add(Change *change, EventCode code, const EventFacts *facts)
{
    static const EventFacts nothing;
    const EventRow *row = &event_rows[code];
    if (code == EVENT_NONE)
        return;
    ApiDocument *document = api_document_new(&api_type_event);
    ApiEvent *event = document->object;
    const Cause *cause = change_cause(change);
    AUTO_FREE char *text = event_text(change, row->text, facts ? facts : &nothing);
    event->description = arena_string(&document->arena, text);
    event->code = API_INT(row->number);
    event->severity = row->severity;
    event->origin = "oVirt";
    event->custom_id = API_INT(-1);
    event->flood_rate = API_INT(30);
    event->correlation_id = arena_string(&document->arena, cause->correlation);
    event_link(&document->arena, event, cause, facts ? facts : &nothing);
    event_submit(change, change_manager(change)->events, document);
}

void event_add_external(Change *change, const ApiEvent *given, ApiDocument **ret_document)
{
    static const EventCode codes[] = {
        [API_LOG_SEVERITY_NORMAL] = EVENT_EXTERNAL_EVENT_NORMAL,
        [API_LOG_SEVERITY_WARNING] = EVENT_EXTERNAL_EVENT_WARNING,
        [API_LOG_SEVERITY_ERROR] = EVENT_EXTERNAL_EVENT_ERROR,
        [API_LOG_SEVERITY_ALERT] = EVENT_EXTERNAL_ALERT,
    };
    ApiDocument *document = api_document_clone(&api_type_event, given);
    ApiEvent *event = document->object;
    const Cause *cause = change_cause(change);
    event->code = API_INT(event_number(codes[event->severity]));
    if (!event->correlation_id)
        event->correlation_id = arena_string(&document->arena, cause->correlation);
    if (!event->user && cause->user) {
        event->user = ARENA_NEW(&document->arena, ApiUser);
        event->user->id = arena_string(&document->arena, cause->user);
    }
    event_submit(change, change_manager(change)->events, document);
    *ret_document = document;
}

void event_write(Manager *manager, const Cause *cause, EventCode code, const EventFacts *facts)
{
    Change *change = change_new(manager, cause);
    event_add(change, code, facts);
    change_commit(change, NULL, NULL);
}

// ---- the ring

size_t event_log_count(const EventLog *log)
{
    return log->count;
}

ApiDocument *event_log_at(const EventLog *log, size_t position)
{
    return log->ring[(log->first + position) % EVENTS_IN_MEMORY];
}

static int64_t event_id(const ApiDocument *event)
{
    return ((const ApiEvent *)event->object)->index.value;
}

// Numbers grow with the position, with gaps where events were hidden or lost.
static size_t event_log_find(const EventLog *log, int64_t id)
{
    size_t low = 0, high = log->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (event_id(event_log_at(log, middle)) < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

ApiDocument *event_log_get(const EventLog *log, int64_t id)
{
    size_t at = event_log_find(log, id);
    return at < log->count && event_id(event_log_at(log, at)) == id ? event_log_at(log, at) : NULL;
}

void event_log_append(EventLog *log, ApiDocument *event)
{
    if (log->count == EVENTS_IN_MEMORY) {
        api_document_unref(log->ring[log->first]);
        log->first = (log->first + 1) % EVENTS_IN_MEMORY;
        log->count--;
    }
    log->ring[(log->first + log->count++) % EVENTS_IN_MEMORY] = api_document_pack(event);
    if (event_id(event) > log->last_id)
        log->last_id = event_id(event);
}

void event_log_load(EventLog *log, const StoreEvent *row)
{
    AUTO_ARENA arena = {0};
    arena_init(&arena, 4096);
    Json *json = json_parse(&arena, row->document, strlen(row->document), NULL, NULL);
    ApiDocument *document = api_document_new(&api_type_event);
    void *object = json ? api_load(&document->arena, &api_type_event, json, NULL) : NULL;
    if (row->id > log->last_id)
        log->last_id = row->id;
    if (object && ((const ApiEvent *)object)->deleted != API_TRUE) {
        document->object = object;
        event_log_append(log, document);
    }
    api_document_unref(document);
}

void event_log_hide(EventLog *log, int64_t id)
{
    size_t at = event_log_find(log, id);
    if (at >= log->count || event_id(event_log_at(log, at)) != id)
        return;
    api_document_unref(event_log_at(log, at));
    for (; at + 1 < log->count; at++)
        log->ring[(log->first + at) % EVENTS_IN_MEMORY] = event_log_at(log, at + 1);
    log->count--;
}
