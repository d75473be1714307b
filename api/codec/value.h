// How the values of the API lie in memory, and the tables that describe them.
//
// All bytes zero means "not set" for every kind of value, so a fresh struct is an empty object.
// Strings and nested objects are pointers into the arena of the document they belong to.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ApiBoolean {
    API_UNSET,
    API_FALSE,
    API_TRUE,
} __attribute__((packed)) ApiBoolean;

typedef struct ApiInteger {
    int64_t value;
    bool set;
} ApiInteger;

typedef ApiInteger ApiDate; // milliseconds since 1970 UTC

typedef struct ApiDecimal {
    double value;
    bool set;
} ApiDecimal;

typedef struct ApiList { // the common shape of all lists
    void *items;         // array of pointers (strings, objects), ints (enums) or values
    uint32_t count;
    bool set;
} ApiList;

#define API_INT(number)  ((ApiInteger){(number), true})
#define API_BOOL(truth)  ((truth) ? API_TRUE : API_FALSE)
#define API_REAL(number) ((ApiDecimal){(number), true})

typedef enum ApiKind {
    API_STRING,
    API_BOOLEAN,
    API_INTEGER,
    API_DECIMAL,
    API_DATE,
    API_ENUM,
    API_STRUCT,
} ApiKind;

typedef enum ApiFlags {
    API_LIST = 1 << 0,
    API_LINK = 1 << 1,        // shown as href and id, or as a <link>, unless followed
    API_ALL_CONTENT = 1 << 2, // shown only to who asks for all content
    API_SECRET = 1 << 3,      // kept, never shown
    API_INTERNAL = 1 << 4,    // kept in the store, neither shown nor accepted
    API_DEPRECATED = 1 << 5,
} ApiFlags;

typedef struct ApiEnum {
    const char *name;
    const char *const *values; // values[0] is NULL: not set
    int count;
} ApiEnum;

typedef struct ApiField {
    const char *name;         // on the wire
    const char *open, *close; // "<name>", "</name>"
    const char *json;         // "\"name\":"
    uint16_t length;          // of the name
    uint8_t kind;             // ApiKind
    uint8_t flags;            // ApiFlags
    uint32_t offset;          // in the struct
    const void *type;         // ApiType or ApiEnum
    const char *item;         // name of a list's elements
    const char *rel;          // of a collection's link
} ApiField;

typedef struct ApiType {
    const char *name;
    const char *one, *many; // element names alone and as a collection
    const char *home;       // top-level collection where such objects live, or NULL
    const ApiField *fields;
    int count;
    uint32_t size; // of the struct
} ApiType;

// Every struct begins like this.
typedef struct ApiHead {
    const char *id, *href;
} ApiHead;

// 0 when there is no such value.
int api_enum_find(const ApiEnum *enumeration, const char *value);
const char *api_enum_name(const ApiEnum *enumeration, int value);
const ApiField *api_field_find(const ApiType *type, const char *name);
// Bytes of one value, in a list or alone.
size_t api_item_size(const ApiField *field);

static inline bool api_field_is_set(const ApiField *field, const void *object)
{
    const char *at = (const char *)object + field->offset;
    if (field->flags & API_LIST)
        return ((const ApiList *)at)->set;
    switch ((ApiKind)field->kind) {
    case API_STRING:
    case API_STRUCT: return *(void *const *)at != NULL;
    case API_BOOLEAN: return *(const ApiBoolean *)at != API_UNSET;
    case API_INTEGER:
    case API_DATE: return ((const ApiInteger *)at)->set;
    case API_DECIMAL: return ((const ApiDecimal *)at)->set;
    case API_ENUM: return *(const int *)at != 0;
    }
    return false;
}
