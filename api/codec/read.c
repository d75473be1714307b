// Reading API objects from XML and JSON, by the tables.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/codec/document.h"
#include "base/clock.h"

typedef struct ReadPath {
    const struct ReadPath *parent;
    const char *name;
} ReadPath;

typedef struct Reader {
    Arena *arena;
    Fail *why;
    bool store; // the store's own form: internal fields are accepted
} Reader;

static void read_add_path(StrBuf *out, const ReadPath *path)
{
    if (path->parent) {
        read_add_path(out, path->parent);
        strbuf_addc(out, '.');
    }
    strbuf_adds(out, path->name);
}

static bool read_fail(Reader *reader, const ReadPath *path, const char *text, const char *expected)
{
    AUTO_STRBUF where = {0};
    read_add_path(&where, path);
    fail_set(reader->why, FAIL_INVALID, "%s: \"%.100s\" is not %s.", where.data, text ? text : "",
             expected);
    return false;
}

static bool read_enum(Reader *reader, const ReadPath *path, const ApiEnum *type, const char *text,
                      int *ret)
{
    *ret = api_enum_find(type, text);
    if (*ret)
        return true;
    AUTO_STRBUF allowed = {0};
    for (int i = 1; i < type->count; i++)
        strbuf_addf(&allowed, "%s%s", i > 1 ? ", " : "", type->values[i]);
    read_fail(reader, path, text, "a known value");
    fail_hint(reader->why, "Use one of: %s.", allowed.data ? allowed.data : "");
    return false;
}

static bool read_boolean(const char *text, ApiBoolean *ret)
{
    bool yes = !strcasecmp(text, "true") || !strcmp(text, "1");
    bool no = !strcasecmp(text, "false") || !strcmp(text, "0");
    *ret = yes ? API_TRUE : API_FALSE;
    return yes || no;
}

static bool read_integer(const char *text, ApiInteger *ret)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end || errno || *text == ' ')
        return false;
    *ret = API_INT(number);
    return true;
}

static bool read_decimal(const char *text, ApiDecimal *ret)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end || !isfinite(number) || strpbrk(text, "xX"))
        return false;
    *ret = API_REAL(number);
    return true;
}

static bool read_date(const char *text, ApiDate *ret)
{
    ret->set = clock_parse_iso(text, &ret->value);
    return ret->set;
}

// One scalar from text, into its place.
static bool read_scalar(Reader *reader, const ReadPath *path, const ApiField *field,
                        const char *text, void *to)
{
    // People write bodies by hand; spaces around a number are no error.
    AUTO_FREE char *trimmed = NULL;
    if (field->kind != API_STRING) {
        text += strspn(text, " \t\r\n");
        size_t length = strlen(text);
        while (length && strchr(" \t\r\n", text[length - 1]))
            length--;
        text = trimmed = memory_bytes(text, length);
    }
    switch ((ApiKind)field->kind) {
    case API_STRING: *(char **)to = arena_string(reader->arena, text); return true;
    case API_BOOLEAN:
        return read_boolean(text, to) || read_fail(reader, path, text, "a boolean (true or false)");
    case API_INTEGER: return read_integer(text, to) || read_fail(reader, path, text, "an integer");
    case API_DECIMAL: return read_decimal(text, to) || read_fail(reader, path, text, "a number");
    case API_DATE:
        return read_date(text, to) ||
               read_fail(reader, path, text, "a date such as 2026-11-22T10:00:00Z");
    case API_ENUM: return read_enum(reader, path, field->type, text, to);
    case API_STRUCT: break;
    }
    return false;
}

static const ApiField *read_field(const Reader *reader, const ApiType *type, const char *name)
{
    const ApiField *field = api_field_find(type, name);
    return field && ((field->flags & API_INTERNAL) == 0 || reader->store) ? field : NULL;
}

// ---- XML

static void *read_xml_object(Reader *reader, const ReadPath *path, const ApiType *type,
                             const Xml *element);

static bool read_xml_value(Reader *reader, const ReadPath *path, const ApiField *field,
                           const Xml *element, void *to)
{
    if (field->kind != API_STRUCT)
        return read_scalar(reader, path, field, element->text, to);
    *(void **)to = read_xml_object(reader, path, field->type, element);
    return *(void **)to != NULL;
}

static bool read_xml_list(Reader *reader, const ReadPath *path, const ApiField *field,
                          const Xml *element, ApiList *list)
{
    uint32_t count = 0;
    size_t size = api_item_size(field);
    XML_EACH(element, child)
        count += !strcmp(child->name, field->item);
    char *items = arena_alloc(reader->arena, count * size + 1);
    *list = (ApiList){items, count, true};
    XML_EACH(element, child) {
        ReadPath inner = {path, child->name};
        if (strcmp(child->name, field->item))
            continue;
        if (!read_xml_value(reader, &inner, field, child, items))
            return false;
        items += size;
    }
    return true;
}

static void *read_xml_object(Reader *reader, const ReadPath *path, const ApiType *type,
                             const Xml *element)
{
    char *object = arena_alloc(reader->arena, type->size);
    ApiHead *head = (ApiHead *)object;
    const char *id = xml_attribute(element, "id"), *href = xml_attribute(element, "href");
    head->id = arena_string(reader->arena, id ? id : xml_child_text(element, "id"));
    head->href = arena_string(reader->arena, href);
    XML_EACH(element, child) {
        const ApiField *field = read_field(reader, type, child->name);
        ReadPath inner = {path, child->name};
        if (!field)
            continue;
        void *to = object + field->offset;
        if (!(field->flags & API_LIST ? read_xml_list(reader, &inner, field, child, to)
                                      : read_xml_value(reader, &inner, field, child, to)))
            return NULL;
    }
    return object;
}

void *api_read_xml(Arena *arena, const ApiType *type, const Xml *element, Fail *why)
{
    Reader reader = {.arena = arena, .why = why};
    ReadPath path = {NULL, element->name};
    return read_xml_object(&reader, &path, type, element);
}

// ---- JSON

static void *read_json_object(Reader *reader, const ReadPath *path, const ApiType *type,
                              const Json *value);

static const char *read_json_text(const Json *value, char buffer[40])
{
    JsonWriter writer;
    AUTO_STRBUF text = {0};
    switch (value->kind) {
    case JSON_STRING: return value->string;
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    case JSON_INTEGER:
    case JSON_DECIMAL:
        writer = (JsonWriter){.out = &text};
        json_put(&writer, value);
        strncpy(buffer, text.data, 39);
        buffer[39] = 0;
        return buffer;
    default: return NULL;
    }
}

static bool read_json_value(Reader *reader, const ReadPath *path, const ApiField *field,
                            const Json *value, void *to)
{
    char buffer[40];
    if (field->kind == API_STRUCT) {
        *(void **)to = read_json_object(reader, path, field->type, value);
        return *(void **)to != NULL;
    }
    if (field->kind == API_DATE && value->kind == JSON_INTEGER) {
        *(ApiDate *)to = API_INT(value->integer);
        return true;
    }
    const char *text = read_json_text(value, buffer);
    if (!text)
        return read_fail(reader, path, value->kind == JSON_OBJECT ? "{...}" : "[...]",
                         "a single value");
    if (field->kind == API_DATE && *text && !text[strspn(text, "0123456789")])
        return read_integer(text, to);
    return read_scalar(reader, path, field, text, to);
}

// {"nics":{"nic":[..]}}, {"nics":{"nic":{..}}} and {"nics":[..]} are all understood.
static const Json *read_json_items(const ApiField *field, const Json *value)
{
    if (value->kind == JSON_OBJECT && field->item) {
        const Json *inner = json_get(value, field->item);
        return inner ? inner : value->count ? NULL : value;
    }
    return value;
}

static bool read_json_list(Reader *reader, const ReadPath *path, const ApiField *field,
                           const Json *value, ApiList *list)
{
    size_t size = api_item_size(field);
    const Json *items = read_json_items(field, value);
    bool single = items && items->kind != JSON_ARRAY && items != value;
    uint32_t count = !items ? 0 : single ? 1 : items->count;
    char *to = arena_alloc(reader->arena, count * size + 1);
    *list = (ApiList){to, count, true};
    ReadPath inner = {path, field->item ? field->item : "item"};
    if (single)
        return read_json_value(reader, &inner, field, items, to);
    if (items && items->kind != JSON_ARRAY && (items->kind != JSON_OBJECT || items->count)) {
        char buffer[40];
        const char *text = read_json_text(items, buffer);
        return read_fail(reader, path, text ? text : "{...}", "a list");
    }
    JSON_EACH(items, item) {
        if (!read_json_value(reader, &inner, field, item, to))
            return false;
        to += size;
    }
    return true;
}

// Some ids are numbers (of a VLAN, a permit, an event): they may come as such.
static bool read_json_head(Reader *reader, const ReadPath *path, const Json *object,
                           const char *name, const char **ret)
{
    char buffer[40];
    ReadPath inner = {path, name};
    const Json *value = json_get(object, name);
    if (!value || value->kind == JSON_NULL)
        return true;
    *ret = arena_string(reader->arena, read_json_text(value, buffer));
    return *ret || read_fail(reader, &inner, value->kind == JSON_OBJECT ? "{...}" : "[...]",
                             "a single value");
}

static void *read_json_object(Reader *reader, const ReadPath *path, const ApiType *type,
                              const Json *value)
{
    if (value->kind != JSON_OBJECT) {
        char buffer[40];
        const char *text = read_json_text(value, buffer);
        read_fail(reader, path, text ? text : "[...]", "an object");
        return NULL;
    }
    char *object = arena_alloc(reader->arena, type->size);
    ApiHead *head = (ApiHead *)object;
    if (!read_json_head(reader, path, value, "id", &head->id) ||
        !read_json_head(reader, path, value, "href", &head->href))
        return NULL;
    JSON_EACH(value, child) {
        const ApiField *field = read_field(reader, type, child->key);
        ReadPath inner = {path, child->key};
        if (!field || child->kind == JSON_NULL)
            continue;
        void *to = object + field->offset;
        if (!(field->flags & API_LIST ? read_json_list(reader, &inner, field, child, to)
                                      : read_json_value(reader, &inner, field, child, to)))
            return NULL;
    }
    return object;
}

void *api_read_json(Arena *arena, const ApiType *type, const Json *value, Fail *why)
{
    Reader reader = {.arena = arena, .why = why};
    ReadPath path = {NULL, type->one};
    return read_json_object(&reader, &path, type, value);
}

void *api_load(Arena *arena, const ApiType *type, const Json *value, Fail *why)
{
    Reader reader = {.arena = arena, .why = why, .store = true};
    ReadPath path = {NULL, type->one};
    return read_json_object(&reader, &path, type, value);
}
