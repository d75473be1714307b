#include "manager/search/search_fields.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "manager/events/event_log.h"

// ---- the tables

static const Collection collections[_COLLECTION_MAX] = {
#define COLLECTION(upper, kind, path, object, noun, order) \
    {COLLECTION_##upper, kind, path, object, noun, order},
#include "manager/search/collections.def"
#undef COLLECTION
};

typedef enum ChoiceId {
#define CHOICE(name, enumeration, ordered) CHOICE_##name,
#define CHOICE_NAME(choice, name, value)
#include "manager/search/choices.def"
#undef CHOICE
} ChoiceId;

static const Choice choices[] = {
#define CHOICE(name, enumeration, ordered) {enumeration, ordered},
#include "manager/search/choices.def"
#undef CHOICE_NAME
#undef CHOICE
};

static const struct {
    ChoiceId choice;
    const char *name;
    int value;
} choice_names[] = {
#define CHOICE(name, enumeration, ordered)
#define CHOICE_NAME(choice, name, value) {CHOICE_##choice, name, value},
#include "manager/search/choices.def"
#undef CHOICE_NAME
#undef CHOICE
};

#define KIB           1024.0
#define MIB           (1024.0 * KIB)
#define GIB           (1024.0 * MIB)
#define TEXT          .type = FIELD_TEXT
#define TEXT_NULLABLE .type = FIELD_TEXT, .flags = FIELD_NULLABLE
#define TEXT_HIDDEN   .type = FIELD_TEXT, .flags = FIELD_HIDDEN
#define TEXT_INSIDE   .type = FIELD_TEXT, .flags = FIELD_HIDDEN | FIELD_INSIDE
#define UUID          .type = FIELD_UUID
#define ADDRESS       .type = FIELD_ADDRESS
#define VERSION       .type = FIELD_VERSION
#define NUMBER        .type = FIELD_NUMBER
#define BOOLEAN       .type = FIELD_BOOLEAN
#define DATE          .type = FIELD_DATE
#define SPAN          .type = FIELD_SPAN
#define SIZE(bytes)   .type = FIELD_SIZE, .unit = (bytes)
#define CHOICE(set)   .type = FIELD_CHOICE, .choice = &choices[CHOICE_##set]

// Rows of a collection stand together.
static const Field fields[] = {
#define FIELD_MEMBER(where, as, kind, Type, member) \
    {.collection = COLLECTION_##where, .name = as, kind, .offset = offsetof(Api##Type, member)},
#define FIELD_GET(where, as, kind, getter) \
    {.collection = COLLECTION_##where, .name = as, kind, .get = get_##getter},
#define FIELD_UNSET(where, as, kind) {.collection = COLLECTION_##where, .name = as, kind},
#include "manager/search/fields.def"
#undef FIELD_UNSET
#undef FIELD_GET
#undef FIELD_MEMBER
};
#undef CHOICE

static const Reference references[] = {
#define REFERENCE(from, to, link)         {COLLECTION_##from, COLLECTION_##to, link_##link, false},
#define REFERENCE_INVERSE(from, to, link) {COLLECTION_##from, COLLECTION_##to, link_##link, true},
#define REFERENCE_NONE(from, to)          {COLLECTION_##from, COLLECTION_##to, NULL, false},
#include "manager/search/references.def"
#undef REFERENCE_NONE
#undef REFERENCE_INVERSE
#undef REFERENCE
};

// ---- finding rows

// Names are the same without case and the characters to be skipped.
static bool names_equal(const char *one, const char *other, const char *skipped)
{
    for (;; one++, other++) {
        one += strspn(one, skipped);
        other += strspn(other, skipped);
        if (tolower((unsigned char)*one) != tolower((unsigned char)*other))
            return false;
        if (!*one)
            return true;
    }
}

static bool noun_equal(const char *given, const char *noun)
{
    char singular[64], base[64];
    size_t length = strlen(given), full = strlen(noun);
    if (length >= sizeof(singular) || full >= sizeof(base))
        return false;
    memcpy(singular, given, length + 1);
    memcpy(base, noun, full + 1);
    if (length && tolower((unsigned char)singular[length - 1]) == 's')
        singular[length - 1] = 0;
    if (full && base[full - 1] == 's')
        base[full - 1] = 0;
    return names_equal(singular, base, "_");
}

const Collection *collection_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(collections); i++)
        if (noun_equal(name, collections[i].object) ||
            (collections[i].path && noun_equal(name, collections[i].path)))
            return &collections[i];
    return NULL;
}

const Collection *collection_of_kind(Kind kind)
{
    for (size_t i = 0; i < COUNT_OF(collections); i++)
        if (collections[i].kind == kind && kind != _KIND_MAX)
            return &collections[i];
    return NULL;
}

const Collection *collection_get(CollectionId id)
{
    return &collections[id];
}

const Field *fields_of(CollectionId collection, size_t *ret_count)
{
    size_t first = 0, end;
    while (first < COUNT_OF(fields) && fields[first].collection != collection)
        first++;
    for (end = first; end < COUNT_OF(fields) && fields[end].collection == collection;)
        end++;
    *ret_count = end - first;
    return &fields[first];
}

const Field *field_find(CollectionId collection, const char *name)
{
    size_t count;
    const Field *field = fields_of(collection, &count);
    for (size_t i = 0; i < count; i++)
        if (names_equal(field[i].name, name, " "))
            return &field[i];
    return NULL;
}

const Reference *reference_next(CollectionId from, const Reference *before)
{
    for (size_t i = before ? (size_t)(before - references) + 1 : 0; i < COUNT_OF(references); i++)
        if (references[i].from == from)
            return &references[i];
    return NULL;
}

const Reference *reference_find(CollectionId from, CollectionId to)
{
    const Reference *reference = NULL;
    while ((reference = reference_next(from, reference)))
        if (reference->to == to)
            return reference;
    return NULL;
}

bool choice_find(const Choice *choice, const char *name, int *ret)
{
    for (int i = 1; choice->api && i < choice->api->count; i++)
        if (names_equal(choice->api->values[i], name, "_-")) {
            *ret = i;
            return true;
        }
    for (size_t i = 0; i < COUNT_OF(choice_names); i++)
        if (&choices[choice_names[i].choice] == choice &&
            names_equal(choice_names[i].name, name, "_-")) {
            *ret = choice_names[i].value;
            return true;
        }
    return false;
}

void choice_list(const Choice *choice, StrBuf *ret)
{
    for (int i = 1; choice->api && i < choice->api->count; i++)
        strbuf_addf(ret, "%s%s", i > 1 ? ", " : "", choice->api->values[i]);
    for (size_t i = 0; !choice->api && i < COUNT_OF(choice_names); i++)
        if (&choices[choice_names[i].choice] == choice)
            strbuf_addf(ret, "%s%s", ret->length ? ", " : "", choice_names[i].name);
}

// ---- values

static void values_add(FieldValues *values, FieldValue value)
{
    if (values->count == values->capacity) {
        FieldValue *old = values->items;
        values->capacity = values->capacity ? values->capacity * 2 : 8;
        values->items = ARENA_ARRAY(values->arena, FieldValue, values->capacity);
        if (values->count)
            memcpy(values->items, old, values->count * sizeof(*old));
    }
    values->items[values->count++] = value;
}

void values_add_text(FieldValues *values, const char *text)
{
    if (text)
        values_add(values, (FieldValue){.text = text});
}

void values_add_number(FieldValues *values, double number)
{
    values_add(values, (FieldValue){.number = number});
}

void values_add_integer(FieldValues *values, ApiInteger number)
{
    if (number.set)
        values_add_number(values, (double)number.value);
}

void values_add_boolean(FieldValues *values, bool truth)
{
    values_add_number(values, truth);
}

void values_add_choice(FieldValues *values, int value)
{
    if (value)
        values_add_number(values, value);
}

void values_add_version(FieldValues *values, const ApiVersion *version)
{
    if (version && version->full_version)
        values_add_text(values, version->full_version);
    else if (version && version->major.set)
        values_add_text(values,
                        arena_format(values->arena, "%lld.%lld", (long long)version->major.value,
                                     (long long)version->minor.value));
}

void values_add_name(FieldValues *values, const Entity *entity)
{
    if (entity)
        values_add_text(values, entity_name(entity));
}

bool field_is_text(const Field *field)
{
    return field->type == FIELD_TEXT || field->type == FIELD_UUID || field->type == FIELD_ADDRESS ||
           field->type == FIELD_VERSION;
}

static void member_values(const Field *field, const void *object, FieldValues *ret)
{
    const void *member = (const char *)object + field->offset;
    switch (field->type) {
    case FIELD_TEXT:
    case FIELD_UUID:
    case FIELD_ADDRESS:
    case FIELD_VERSION: values_add_text(ret, *(const char *const *)member); break;
    case FIELD_CHOICE: values_add_choice(ret, *(const int *)member); break;
    case FIELD_BOOLEAN:
        if (*(const ApiBoolean *)member)
            values_add_boolean(ret, *(const ApiBoolean *)member == API_TRUE);
        break;
    case FIELD_NUMBER:
    case FIELD_SIZE:
    case FIELD_DATE:
    case FIELD_SPAN: values_add_integer(ret, *(const ApiInteger *)member); break;
    }
}

void field_values(const SearchScope *scope, const Field *field, const Subject *subject,
                  FieldValues *ret)
{
    ret->count = 0;
    // Getters of kinds may look at the entity; of what is gone there is only what links tell.
    bool gone = !subject->entity && collections[field->collection].kind != _KIND_MAX;
    if (field->offset)
        member_values(field, subject->object, ret);
    else if (field->get && (!gone || field->get == get_id))
        field->get(scope, subject, ret);
}

// ---- subjects

void subjects_add(Subjects *subjects, const Entity *entity, const void *object)
{
    if (subjects->count == subjects->capacity) {
        Subject *old = subjects->items;
        subjects->capacity = subjects->capacity ? subjects->capacity * 2 : 8;
        subjects->items = ARENA_ARRAY(subjects->arena, Subject, subjects->capacity);
        if (subjects->count)
            memcpy(subjects->items, old, subjects->count * sizeof(*old));
    }
    subjects->items[subjects->count++] = (Subject){entity, object};
}

void subjects_add_entity(Subjects *subjects, const Entity *entity)
{
    if (entity)
        subjects_add(subjects, entity, entity->document->object);
}

void scope_subjects(const SearchScope *scope, const Collection *collection, Subjects *ret)
{
    const EventLog *log = scope->manager->events;
    if (collection->kind != _KIND_MAX) {
        INVENTORY_EACH(scope->inventory, collection->kind, entity)
            subjects_add_entity(ret, entity);
    } else if (collection->id == COLLECTION_EVENT && log) {
        for (size_t i = event_log_count(log); i-- > 0;)
            subjects_add(ret, NULL, event_log_at(log, i)->object);
    }
}

Entity *scope_entity(const SearchScope *scope, Kind kind, const void *link)
{
    const ApiHead *head = link;
    unsigned place = (unsigned)kind;
    if (!head || !head->id)
        return NULL;
    if (!scope->links)
        return inventory_get(scope->inventory, kind, head->id);
    for (int i = 0; i < 8 && head->id[i]; i++)
        place = place * 31 + (unsigned char)head->id[i];
    Entity **kept = &scope->links[place % SCOPE_LINKS];
    if (!*kept || (*kept)->kind != kind || strcmp((*kept)->id, head->id))
        *kept = inventory_get(scope->inventory, kind, head->id);
    return *kept;
}

Entity *scope_cluster_data_center(const SearchScope *scope, const void *cluster)
{
    const Entity *entity = scope_entity(scope, KIND_CLUSTER, cluster);
    return entity
               ? scope_entity(scope, KIND_DATA_CENTER, ENTITY_OBJECT(entity, Cluster)->data_center)
               : NULL;
}

void values_add_tags(FieldValues *values, const SearchScope *scope, ApiTag *const *tags,
                     uint32_t count)
{
    enum { DEPTH_MAX = 64 };
    for (uint32_t i = 0; i < count; i++) {
        const Entity *tag = scope_entity(scope, KIND_TAG, tags[i]);
        for (int depth = 0; tag && depth < DEPTH_MAX; depth++) {
            values_add_text(values, entity_name(tag));
            tag = scope_entity(scope, KIND_TAG, ENTITY_OBJECT(tag, Tag)->parent);
        }
    }
}

// ---- getters of any kind

// What every object of the API begins with.
typedef struct NamedObject {
    const char *id, *href, *name, *description, *comment;
} NamedObject;

void get_id(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiHead *head = subject->object;
    values_add_text(ret, subject->entity ? subject->entity->id : head->id);
}

// People leave these empty, so empty and unset are the same.
void get_comment(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const char *comment = ((const NamedObject *)subject->object)->comment;
    values_add_text(ret, comment ? comment : "");
}

void get_description(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const char *description = ((const NamedObject *)subject->object)->description;
    values_add_text(ret, description ? description : "");
}
