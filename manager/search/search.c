#include "manager/search/search.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "manager/events/event_log.h"
#include "manager/search/condition.h"

struct SearchFilter {
    SearchScope scope;
    const Collection *collection;
    Query query;
    const Condition *condition; // NULL: everything matches
    const Field *order;         // NULL: as they stand
    Matching matching;
};

// ---- making

static int filter_object(const SearchFilter *filter, const char *text, Fail *why)
{
    const QueryWord *object = &filter->query.object;
    if (!object->text || collection_find(object->text) == filter->collection)
        return 0;
    query_fail(why, text, object->at, "these are %s, they can't be searched for \"%.60s\"",
               filter->collection->noun, object->text);
    fail_hint(why, "Leave out what stands before the colon; put text with a colon in quotes");
    return fail_to_errno(FAIL_SEARCH);
}

static int filter_order(SearchFilter *filter, Fail *why)
{
    const QueryWord *sort = &filter->query.sort;
    const char *order = sort->text ? sort->text : filter->collection->order;
    filter->order = order ? field_find(filter->collection->id, order) : NULL;
    if (sort->text && !filter->order)
        return condition_unknown_field(&filter->matching, filter->collection, sort, why);
    return 0;
}

static SearchFilter *filter_new(const Manager *manager, Arena *arena, const Collection *collection,
                                const char *text, int flags, Fail *why)
{
    SearchFilter *filter = ARENA_NEW(arena, SearchFilter);
    filter->collection = collection;
    filter->scope = (SearchScope){.manager = (Manager *)manager,
                                  .inventory = manager->inventory,
                                  .now_ms = clock_wall_ms(),
                                  .links = ARENA_ARRAY(arena, Entity *, SCOPE_LINKS)};
    if (query_parse(arena, text, &filter->query, why) || filter_object(filter, text, why))
        return NULL;
    matching_init(&filter->matching, &filter->scope, text, flags & SEARCH_CASE_SENSITIVE, arena);
    if (filter_order(filter, why))
        return NULL;
    if (!filter->query.all)
        return filter;
    filter->condition = condition_new(&filter->matching, collection, filter->query.all, why);
    return filter->condition ? filter : NULL;
}

SearchFilter *search_filter_new(const Manager *manager, Arena *arena, const char *collection,
                                const char *text, int flags, Fail *why)
{
    const Collection *found = collection_find(collection);
    if (found && found->path)
        return filter_new(manager, arena, found, text, flags, why);
    fail_set(why, FAIL_SEARCH, "%s can't be searched.", collection);
    return NULL;
}

// ---- matching

static bool filter_holds(SearchFilter *filter, const Subject *subject)
{
    return !filter->condition || condition_holds(&filter->matching, filter->condition, subject);
}

bool search_filter_match(SearchFilter *filter, const Entity *entity)
{
    return filter_holds(filter, &(Subject){entity, entity->document->object});
}

bool search_filter_match_event(SearchFilter *filter, const ApiDocument *event)
{
    return filter_holds(filter, &(Subject){NULL, event->object});
}

// ---- order

enum { ADDRESS_SIZE = 17, VERSION_PARTS = 4 };

typedef struct Ranked {
    void *item; // as the caller gave it
    Subject subject;
    bool unset;
    double number;
    uint64_t start;   // first eight bytes of `text`, so that most comparisons look no further
    const char *text; // small letters; addresses as bytes
    size_t length;
    const char *name, *id;
} Ranked;

static void rank_text(Ranked *ranked, const char *text, size_t length)
{
    ranked->text = text;
    ranked->length = length;
    for (size_t i = 0; i < sizeof(ranked->start); i++)
        ranked->start = ranked->start << 8 | (i < length ? (unsigned char)text[i] : 0);
}

// Family and bytes: IPv4 before IPv6, each in the order of numbers.
static void rank_address(Ranked *ranked, Arena *arena, const char *text)
{
    char *bytes = arena_alloc(arena, ADDRESS_SIZE);
    bytes[0] = 4;
    if (inet_pton(AF_INET, text, bytes + 1) != 1) {
        bytes[0] = 6;
        if (inet_pton(AF_INET6, text, bytes + 1) != 1)
            bytes[0] = 7;
    }
    rank_text(ranked, bytes, ADDRESS_SIZE);
}

// Each number of it in four bytes.
static void rank_version(Ranked *ranked, Arena *arena, const char *text)
{
    unsigned char *bytes = arena_alloc(arena, VERSION_PARTS * 4);
    for (int i = 0; i < VERSION_PARTS && *text; i++) {
        char *end;
        unsigned long number = strtoul(text, &end, 10);
        for (int k = 0; k < 4; k++)
            bytes[i * 4 + k] = (unsigned char)(number >> (24 - 8 * k));
        if (end == text || *end != '.')
            break;
        text = end + 1;
    }
    rank_text(ranked, (char *)bytes, VERSION_PARTS * 4);
}

static void rank_value(Ranked *ranked, Arena *arena, const Field *field, const FieldValue *value)
{
    if (!field_is_text(field)) {
        ranked->number = value->number;
    } else if (field->type == FIELD_ADDRESS) {
        rank_address(ranked, arena, value->text);
    } else if (field->type == FIELD_VERSION) {
        rank_version(ranked, arena, value->text);
    } else {
        size_t length = strlen(value->text);
        char *folded = arena_alloc(arena, length + 1);
        text_fold(folded, value->text, length);
        rank_text(ranked, folded, length);
    }
}

static Ranked rank(SearchFilter *filter, void *item)
{
    FieldValues *values = &filter->matching.values;
    bool event = filter->collection->id == COLLECTION_EVENT;
    Ranked ranked = {.item = item};
    if (event)
        ranked.subject.object = ((const ApiDocument *)item)->object;
    else
        ranked.subject = (Subject){item, ((const Entity *)item)->document->object};
    ranked.name = event ? "" : entity_name(item);
    ranked.id = event ? "" : ((const Entity *)item)->id;
    field_values(&filter->scope, filter->order, &ranked.subject, values);
    ranked.unset = !values->count;
    if (values->count)
        rank_value(&ranked, filter->matching.arena, filter->order, &values->items[0]);
    return ranked;
}

static int rank_compare(const Ranked *one, const Ranked *other)
{
    if (one->unset != other->unset)
        return other->unset - one->unset;
    if (one->number != other->number)
        return one->number < other->number ? -1 : 1;
    if (one->start != other->start)
        return one->start < other->start ? -1 : 1;
    size_t length = one->length < other->length ? one->length : other->length;
    int compared = length ? memcmp(one->text, other->text, length) : 0;
    return compared ? compared : (one->length > other->length) - (one->length < other->length);
}

// What has no value comes first, or last when descending; equals by name, then by id.
static int by_rank(const void *one, const void *other, void *descending)
{
    const Ranked *left = *(Ranked *const *)one, *right = *(Ranked *const *)other;
    int compared = rank_compare(left, right);
    if (compared)
        return *(bool *)descending ? -compared : compared;
    compared = strcasecmp(left->name, right->name);
    return compared ? compared : strcmp(left->id, right->id);
}

static void filter_sort(SearchFilter *filter, Array *found)
{
    Ranked *ranked = NEW_ARRAY(Ranked, found->count);
    for (size_t i = 0; i < found->count; i++) {
        ranked[i] = rank(filter, found->items[i]);
        found->items[i] = &ranked[i];
    }
    qsort_r(found->items, found->count, sizeof(void *), by_rank, &filter->query.descending);
    for (size_t i = 0; i < found->count; i++)
        found->items[i] = ((const Ranked *)found->items[i])->item;
    free(ranked);
}

void search_filter_arrange(SearchFilter *filter, Array *found, int64_t max)
{
    if (filter->order && found->count > 1)
        filter_sort(filter, found);
    size_t first = 0, size = max < 0 ? found->count : (size_t)max;
    if (filter->query.page) {
        size = max < 0 ? SEARCH_PAGE_SIZE : (size_t)max;
        if (__builtin_mul_overflow((size_t)filter->query.page - 1, size, &first) ||
            first > found->count)
            first = found->count;
    }
    if (size > found->count - first)
        size = found->count - first;
    if (size)
        memmove(found->items, found->items + first, size * sizeof(void *));
    found->count = size;
}

// Entities, their documents and their objects lie all over the memory: waiting for it is most of
// the time. So what comes next is asked for while the present one is looked at.
static void select_entities(SearchFilter *filter, Kind kind, Array *found)
{
    enum { AHEAD = 4 };
    Entity *const *all = inventory_all(filter->scope.inventory, kind);
    size_t count = inventory_count(filter->scope.inventory, kind);
    for (size_t i = 0; i < count; i++) {
        if (i + 3 * AHEAD < count)
            __builtin_prefetch(all[i + 3 * AHEAD]);
        if (i + 2 * AHEAD < count) {
            __builtin_prefetch(all[i + 2 * AHEAD]->document);
            __builtin_prefetch(all[i + 2 * AHEAD]->state);
        }
        if (i + AHEAD < count)
            __builtin_prefetch(all[i + AHEAD]->document->object);
        if (search_filter_match(filter, all[i]))
            array_add(found, all[i]);
    }
}

void search_filter_select(SearchFilter *filter, Array *found, int64_t max)
{
    const EventLog *log = filter->scope.manager->events;
    if (filter->collection->kind != _KIND_MAX) {
        select_entities(filter, filter->collection->kind, found);
    } else if (log) {
        for (size_t i = event_log_count(log); i-- > 0;)
            if (search_filter_match_event(filter, event_log_at(log, i)))
                array_add(found, event_log_at(log, i));
    }
    search_filter_arrange(filter, found, max);
}

// ---- requests

int search_collect(Request *request, Items *items, Kind kind, const char *text, int64_t max)
{
    const Collection *collection = collection_of_kind(kind);
    int flags = request_flag(request, "case_sensitive", false) ? SEARCH_CASE_SENSITIVE : 0;
    if (!collection)
        return fail_set(&request->why, FAIL_SEARCH, "A %s can't be searched for.", kind_noun(kind));
    SearchFilter *filter =
        filter_new(request->manager, &request->arena, collection, text, flags, &request->why);
    if (!filter)
        return fail_to_errno(FAIL_SEARCH);
    AUTO_ARRAY found = {0};
    search_filter_select(filter, &found, max);
    for (size_t i = 0; i < found.count; i++)
        items_add_entity(items, found.items[i]);
    return 0;
}
