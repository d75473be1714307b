// What can be searched: collections.def, fields.def, choices.def and references.def as C.
#pragma once

#include "base/strbuf.h"
#include "manager/inventory/state.h"
#include "manager/manager.h"

// One thing a condition is asked about: an entity, or an object of the API that is none (an event,
// a NIC). Objects of entities that are gone have no entity.
typedef struct Subject {
    const Entity *entity;
    const void *object;
} Subject;

typedef struct Subjects {
    Arena *arena;
    Subject *items;
    size_t count, capacity;
} Subjects;

// A value as fields give it: text of text-like fields, otherwise a number.
typedef struct FieldValue {
    const char *text;
    double number;
} FieldValue;

// What a field holds: nothing when it is unset, several values when it is a list.
typedef struct FieldValues {
    Arena *arena; // for text that is made up
    FieldValue *items;
    size_t count, capacity;
} FieldValues;

enum { SCOPE_LINKS = 64 };

typedef struct SearchScope {
    Manager *manager; // only read; what computes states wants it so
    const Inventory *inventory;
    int64_t now_ms;
    Entity **links; // SCOPE_LINKS entities that were looked up lately; thousands of VMs share
                    // few clusters. NULL: none are kept
} SearchScope;

typedef enum FieldType {
    FIELD_TEXT,    // compared as LIKE does
    FIELD_UUID,    // text in either case
    FIELD_ADDRESS, // text, in the order of IP addresses
    FIELD_VERSION, // "4.7": text, in the order of numbers
    FIELD_CHOICE,  // one of the names of a Choice
    FIELD_NUMBER,
    FIELD_SIZE, // bytes; written in units of Field.unit
    FIELD_BOOLEAN,
    FIELD_DATE, // milliseconds since 1970
    FIELD_SPAN, // seconds
} FieldType;

typedef enum FieldFlags {
    FIELD_HIDDEN = 1 << 0,   // not looked at by text without a field
    FIELD_NULLABLE = 1 << 1, // the text "null" means unset
    FIELD_INSIDE = 1 << 2,   // text matches anywhere in the value
} FieldFlags;

// A fixed set of values, written as names.
typedef struct Choice {
    const ApiEnum *api; // whose names it takes; may be NULL
    bool ordered;       // < and > make sense
} Choice;

// Values of choices that are no enumeration of the API.
enum { SEARCH_PREALLOCATED = 1, SEARCH_SPARSE };
enum { SEARCH_USER = 1 };

typedef enum CollectionId {
#define COLLECTION(upper, kind, path, object, noun, order) COLLECTION_##upper,
#include "manager/search/collections.def"
#undef COLLECTION
    _COLLECTION_MAX,
} CollectionId;

typedef struct Field Field;
typedef void FieldGet(const SearchScope *scope, const Subject *subject, FieldValues *ret);

struct Field {
    CollectionId collection;
    const char *name;
    FieldType type;
    int flags;
    const Choice *choice;
    double unit;   // bytes
    FieldGet *get; // NULL: the member at `offset`, or never set
    size_t offset; // of a member of the subject's object; 0: none
};

typedef struct Collection {
    CollectionId id;
    Kind kind;          // _KIND_MAX: not entities
    const char *path;   // "vms", as in URLs
    const char *object; // "vm", as in searches
    const char *noun;   // "VMs", in messages
    const char *order;  // field; NULL: as they stand
} Collection;

// The links of a subject: adds other subjects to `ret`.
typedef void SearchLink(const SearchScope *scope, const Subject *subject, Subjects *ret);

typedef struct Reference {
    CollectionId from, to;
    SearchLink *link; // NULL: there is no such data yet
    bool inverse;     // `link` leads from a subject of `to` to those of `from`
} Reference;

// By any of its names in either case, singular or plural; NULL when there is none.
const Collection *collection_find(const char *name);
const Collection *collection_of_kind(Kind kind);
const Collection *collection_get(CollectionId id);
const Field *fields_of(CollectionId collection, size_t *ret_count);
const Field *field_find(CollectionId collection, const char *name);
// NULL when there is none from one to the other.
const Reference *reference_find(CollectionId from, CollectionId to);
// Next one of a collection; begins with NULL.
const Reference *reference_next(CollectionId from, const Reference *before);
// Value of a name, compared without case and underscores; false when it is unknown.
bool choice_find(const Choice *choice, const char *name, int *ret);
// Adds all names, separated by commas.
void choice_list(const Choice *choice, StrBuf *ret);

// Replaces what is in `ret`.
void field_values(const SearchScope *scope, const Field *field, const Subject *subject,
                  FieldValues *ret);
bool field_is_text(const Field *field);
// All there are of a collection: entities in no order, events from the newest on.
void scope_subjects(const SearchScope *scope, const Collection *collection, Subjects *ret);

// ---- for getters and links

void values_add_text(FieldValues *values, const char *text); // NULL: nothing
void values_add_number(FieldValues *values, double number);
void values_add_integer(FieldValues *values, ApiInteger number);
void values_add_boolean(FieldValues *values, bool truth);
void values_add_choice(FieldValues *values, int value); // 0: nothing
void values_add_version(FieldValues *values, const ApiVersion *version);
void values_add_name(FieldValues *values, const Entity *entity); // NULL: nothing
void subjects_add(Subjects *subjects, const Entity *entity, const void *object);
void subjects_add_entity(Subjects *subjects, const Entity *entity); // NULL: nothing

// The entity of a link such as vm->cluster; NULL when there is none.
Entity *scope_entity(const SearchScope *scope, Kind kind, const void *link);
Entity *scope_cluster_data_center(const SearchScope *scope, const void *cluster);
// The names of an object's tags and of the tags these lie under: who searches for a tag means its
// children too. `tags` is the list of references the object keeps.
void values_add_tags(FieldValues *values, const SearchScope *scope, ApiTag *const *tags,
                     uint32_t count);

// The getters and links of the tables; they live in *_fields.c and search_links.c.
#define FIELD_MEMBER(collection, name, type, Type, member)
#define FIELD_UNSET(collection, name, type)
#define FIELD_GET(collection, name, type, getter) FieldGet get_##getter;
#include "manager/search/fields.def"
#undef FIELD_GET
#undef FIELD_UNSET
#undef FIELD_MEMBER
#define REFERENCE(from, to, link)         SearchLink link_##link;
#define REFERENCE_INVERSE(from, to, link) SearchLink link_##link;
#define REFERENCE_NONE(from, to)
#include "manager/search/references.def"
#undef REFERENCE_NONE
#undef REFERENCE_INVERSE
#undef REFERENCE
