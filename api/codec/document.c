#include "api/codec/document.h"

#include <stdlib.h>
#include <string.h>

ApiDocument *api_document_new(const ApiType *type)
{
    ApiDocument *document = NEW(ApiDocument);
    arena_init(&document->arena, type->size + 512);
    document->type = type;
    document->references = 1;
    document->object = arena_alloc(&document->arena, type->size);
    return document;
}

static ApiDocument *api_document_copy(const ApiType *type, const void *object, size_t size)
{
    ApiDocument *document = NEW(ApiDocument);
    arena_init(&document->arena, size);
    document->type = type;
    document->references = 1;
    document->object = api_clone(&document->arena, type, object);
    return document;
}

ApiDocument *api_document_clone(const ApiType *type, const void *object)
{
    return api_document_copy(type, object, type->size + 1024);
}

// ---- what a deep copy takes of an arena

static size_t object_extent(const ApiType *type, const void *object);

static size_t string_extent(const char *text)
{
    return text ? arena_rounded(strlen(text) + 1) : 0;
}

static size_t value_extent(const ApiField *field, const void *at)
{
    const void *pointer = *(void *const *)at;
    if (field->kind == API_STRING)
        return string_extent(pointer);
    return pointer ? object_extent(field->type, pointer) : 0;
}

static size_t field_extent(const ApiField *field, const void *at)
{
    bool pointers = field->kind == API_STRING || field->kind == API_STRUCT;
    if (!(field->flags & API_LIST))
        return pointers ? value_extent(field, at) : 0;
    const ApiList *list = at;
    if (!list->set)
        return 0;
    size_t extent = arena_rounded(list->count * api_item_size(field) + 1);
    for (uint32_t i = 0; pointers && i < list->count; i++)
        extent += value_extent(field, (char *)list->items + i * sizeof(void *));
    return extent;
}

static size_t object_extent(const ApiType *type, const void *object)
{
    const ApiHead *head = object;
    size_t extent = arena_rounded(type->size) + string_extent(head->id) + string_extent(head->href);
    for (int i = 0; i < type->count; i++)
        extent += field_extent(&type->fields[i], (const char *)object + type->fields[i].offset);
    return extent;
}

ApiDocument *api_document_pack(const ApiDocument *document)
{
    return api_document_copy(document->type, document->object,
                             object_extent(document->type, document->object));
}

// ---- references

ApiDocument *api_document_ref(ApiDocument *document)
{
    if (document)
        document->references++;
    return document;
}

void api_document_unref(ApiDocument *document)
{
    if (!document || --document->references)
        return;
    arena_done(&document->arena);
    free(document);
}

// The strings and objects a value points to move into the arena.
static void api_clone_value(Arena *arena, const ApiField *field, void *to)
{
    void **pointer = to;
    if (field->kind == API_STRING)
        *pointer = arena_string(arena, *pointer);
    else if (field->kind == API_STRUCT && *pointer)
        *pointer = api_clone(arena, field->type, *pointer);
}

static void api_clone_list(Arena *arena, const ApiField *field, ApiList *list)
{
    size_t size = api_item_size(field);
    list->items = arena_bytes(arena, list->items, list->count * size);
    for (uint32_t i = 0; i < list->count; i++)
        api_clone_value(arena, field, (char *)list->items + i * size);
}

static void api_clone_field(Arena *arena, const ApiField *field, void *to)
{
    if (!(field->flags & API_LIST))
        api_clone_value(arena, field, to);
    else if (((ApiList *)to)->set)
        api_clone_list(arena, field, to);
}

void *api_clone(Arena *arena, const ApiType *type, const void *object)
{
    char *copy = arena_alloc(arena, type->size);
    memcpy(copy, object, type->size);
    ApiHead *head = (ApiHead *)copy;
    head->id = arena_string(arena, head->id);
    head->href = arena_string(arena, head->href);
    for (int i = 0; i < type->count; i++)
        api_clone_field(arena, &type->fields[i], copy + type->fields[i].offset);
    return copy;
}

static size_t api_field_size(const ApiField *field)
{
    return field->flags & API_LIST ? sizeof(ApiList) : api_item_size(field);
}

void api_merge(Arena *arena, const ApiType *type, void *into, const void *from)
{
    for (int i = 0; i < type->count; i++) {
        const ApiField *field = &type->fields[i];
        if (!api_field_is_set(field, from))
            continue;
        char *to = (char *)into + field->offset;
        const char *source = (const char *)from + field->offset;
        bool nested = field->kind == API_STRUCT && !(field->flags & (API_LIST | API_LINK));
        if (nested && *(void **)to) {
            api_merge(arena, field->type, *(void **)to, *(void *const *)source);
            continue;
        }
        memcpy(to, source, api_field_size(field));
        api_clone_field(arena, field, to);
    }
}

static bool api_string_equal(const char *one, const char *other)
{
    return one == other || (one && other && !strcmp(one, other));
}

static bool api_value_equal(const ApiField *field, const void *one, const void *other)
{
    switch ((ApiKind)field->kind) {
    case API_STRING: return api_string_equal(*(char *const *)one, *(char *const *)other);
    case API_BOOLEAN: return *(const ApiBoolean *)one == *(const ApiBoolean *)other;
    case API_ENUM: return *(const int *)one == *(const int *)other;
    case API_INTEGER:
    case API_DATE:
        return ((const ApiInteger *)one)->set == ((const ApiInteger *)other)->set &&
               ((const ApiInteger *)one)->value == ((const ApiInteger *)other)->value;
    case API_DECIMAL:
        return ((const ApiDecimal *)one)->set == ((const ApiDecimal *)other)->set &&
               ((const ApiDecimal *)one)->value == ((const ApiDecimal *)other)->value;
    case API_STRUCT: {
        const void *left = *(void *const *)one, *right = *(void *const *)other;
        return left == right || (left && right && api_equal(field->type, left, right));
    }
    }
    return false;
}

static bool api_list_equal(const ApiField *field, const ApiList *one, const ApiList *other)
{
    size_t size = api_item_size(field);
    if (one->set != other->set || one->count != other->count)
        return false;
    for (uint32_t i = 0; i < one->count; i++)
        if (!api_value_equal(field, (char *)one->items + i * size, (char *)other->items + i * size))
            return false;
    return true;
}

bool api_equal(const ApiType *type, const void *one, const void *other)
{
    const ApiHead *left = one, *right = other;
    if (!api_string_equal(left->id, right->id))
        return false;
    for (int i = 0; i < type->count; i++) {
        const ApiField *field = &type->fields[i];
        const char *a = (const char *)one + field->offset, *b = (const char *)other + field->offset;
        if (field->flags & API_LIST ? !api_list_equal(field, (const void *)a, (const void *)b)
                                    : !api_value_equal(field, a, b))
            return false;
    }
    return true;
}

void api_list_add(Arena *arena, void *list, void *item)
{
    ApiList *to = list;
    void **items = ARENA_ARRAY(arena, void *, to->count + 1);
    if (to->count)
        memcpy(items, to->items, to->count * sizeof(void *));
    items[to->count++] = item;
    to->items = items;
    to->set = true;
}

void api_list_remove(void *list, const void *item)
{
    ApiList *from = list;
    void **items = from->items;
    for (uint32_t i = 0; i < from->count; i++) {
        if (items[i] != item)
            continue;
        memmove(&items[i], &items[i + 1], (from->count - i - 1) * sizeof(void *));
        from->count--;
        return;
    }
}

void *api_reference_new(Arena *arena, const ApiType *type, const char *id)
{
    ApiHead *head = arena_alloc(arena, type->size);
    head->id = arena_string(arena, id);
    return head;
}
