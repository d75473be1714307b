#include "api/codec/write.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "api/codec/document.h"
#include "base/clock.h"

// ---- pieces

static inline void put(ApiWriter *writer, const char *text, size_t length)
{
    strbuf_add(writer->out, text, length);
}

#define PUT(writer, literal) put((writer), (literal), sizeof(literal) - 1)

static void write_comma(ApiWriter *writer)
{
    if (writer->comma)
        PUT(writer, ",");
    writer->comma = true;
}

static void write_text(ApiWriter *writer, const char *text)
{
    if (writer->json)
        json_quote(writer->out, text, strlen(text));
    else
        xml_escape(writer->out, text, strlen(text));
}

static void write_quoted(ApiWriter *writer, const char *text)
{
    if (writer->json)
        PUT(writer, "\"");
    strbuf_adds(writer->out, text);
    if (writer->json)
        PUT(writer, "\"");
}

static void write_number(ApiWriter *writer, int64_t number)
{
    if (writer->json)
        PUT(writer, "\""); // integers are strings in JSON: JavaScript has only 53 bits
    strbuf_addi(writer->out, number);
    if (writer->json)
        PUT(writer, "\"");
}

static void write_date(ApiWriter *writer, int64_t wall_ms)
{
    char text[CLOCK_ISO_SIZE];
    if (writer->json)
        strbuf_addi(writer->out, wall_ms);
    else
        strbuf_adds(writer->out, clock_iso(wall_ms, text));
}

static void write_decimal(ApiWriter *writer, double number)
{
    JsonWriter plain = {.out = writer->out};
    json_put_decimal(&plain, number);
}

static void write_scalar(ApiWriter *writer, const ApiField *field, const void *at)
{
    switch ((ApiKind)field->kind) {
    case API_STRING: write_text(writer, *(char *const *)at); break;
    case API_BOOLEAN:
        write_quoted(writer, *(const ApiBoolean *)at == API_TRUE ? "true" : "false");
        break;
    case API_INTEGER: write_number(writer, ((const ApiInteger *)at)->value); break;
    case API_DATE: write_date(writer, ((const ApiDate *)at)->value); break;
    case API_DECIMAL: write_decimal(writer, ((const ApiDecimal *)at)->value); break;
    case API_ENUM:
        write_quoted(writer, ((const ApiEnum *)field->type)->values[*(const int *)at]);
        break;
    case API_STRUCT: break;
    }
}

static void write_key(ApiWriter *writer, const char *name)
{
    write_comma(writer);
    PUT(writer, "\"");
    strbuf_adds(writer->out, name);
    PUT(writer, "\":");
}

static void write_end_tag(ApiWriter *writer, const char *element)
{
    PUT(writer, "</");
    strbuf_adds(writer->out, element);
    PUT(writer, ">");
}

static void write_string_member(ApiWriter *writer, const char *name, const char *text)
{
    write_key(writer, name);
    json_quote(writer->out, text, strlen(text));
}

// ---- href, id, links, actions

// Bytes of the output that are copied: the object's own href, with which its first link begins, and
// then that link's beginning, with which the others do.
typedef struct Span {
    size_t start, length;
    bool is_link;
} Span;

static Span write_href(ApiWriter *writer, const char *href)
{
    size_t start = writer->out->length;
    strbuf_adds(writer->out, writer->prefix);
    xml_escape(writer->out, href, strlen(href));
    return (Span){start, writer->out->length - start, false};
}

static void write_tail(ApiWriter *writer, Span *base, const ApiTail *tail)
{
    StrBuf *out = writer->out;
    size_t length = writer->json ? tail->json_length : tail->xml_length;
    if (writer->json)
        write_comma(writer);
    size_t start = out->length;
    if (!base->is_link)
        strbuf_adds(out, writer->json ? "{\"href\":\"" : "<link href=\"");
    strbuf_reserve(out, base->length + length);
    char *at = mempcpy(out->data + out->length, out->data + base->start, base->length);
    at = mempcpy(at, writer->json ? tail->json : tail->xml, length);
    *at = 0;
    out->length = (size_t)(at - out->data);
    *base = (Span){start, out->length - start - length, true};
}

static void write_extra_link(ApiWriter *writer, const ApiExtraLink *link)
{
    if (writer->json) {
        write_comma(writer);
        PUT(writer, "{\"href\":\"");
    } else
        PUT(writer, "<link href=\"");
    write_href(writer, link->href);
    strbuf_adds(writer->out, writer->json ? "\",\"rel\":\"" : "\" rel=\"");
    strbuf_adds(writer->out, link->rel);
    strbuf_adds(writer->out, writer->json ? "\"}" : "\"/>");
}

static void write_actions(ApiWriter *writer, const ApiPlace *place, Span *base)
{
    if (!place || !place->href || !place->actions)
        return;
    if (writer->json) {
        write_key(writer, "actions");
        PUT(writer, "{\"link\":[");
        writer->comma = false;
    } else
        PUT(writer, "<actions>");
    for (const ApiTail *action = place->actions; action->rel; action++)
        write_tail(writer, base, action);
    if (writer->json) {
        PUT(writer, "]}");
        writer->comma = true;
    } else
        PUT(writer, "</actions>");
}

static bool write_is_followed(const ApiType *type, const ApiFollow *follow, const char *rel)
{
    if (!follow)
        return false;
    for (int i = 0; i < type->count; i++) {
        const ApiField *field = &type->fields[i];
        if (field->rel && !strcmp(field->rel, rel) && api_follow_find(follow, field->name))
            return true;
    }
    return api_follow_find(follow, rel) != NULL;
}

static void write_links_open(ApiWriter *writer, bool *opened)
{
    if (writer->json && !*opened) {
        write_key(writer, "link");
        PUT(writer, "[");
        writer->comma = false;
    }
    *opened = true;
}

static void write_links(ApiWriter *writer, const ApiType *type, const ApiPlace *place, Span *base,
                        const ApiFollow *follow)
{
    bool opened = false;
    if (!place || !place->href)
        return;
    for (const ApiTail *link = place->links; link && link->rel; link++) {
        if (write_is_followed(type, follow, link->rel))
            continue;
        write_links_open(writer, &opened);
        write_tail(writer, base, link);
    }
    for (const ApiExtraLink *link = place->extra; link && link->rel; link++) {
        write_links_open(writer, &opened);
        write_extra_link(writer, link);
    }
    if (writer->json && opened) {
        PUT(writer, "]");
        writer->comma = true;
    }
}

// ---- fields

static void write_object(ApiWriter *writer, const ApiType *type, const void *object,
                         const ApiPlace *place, const char *element, const ApiFollow *follow);

static void write_value(ApiWriter *writer, const ApiField *field, const void *at,
                        const char *element)
{
    if (field->kind == API_STRUCT) {
        write_object(writer, field->type, *(void *const *)at, NULL, element, NULL);
        return;
    }
    if (writer->json) {
        write_comma(writer);
        write_scalar(writer, field, at);
        return;
    }
    PUT(writer, "<");
    strbuf_adds(writer->out, element);
    PUT(writer, ">");
    write_scalar(writer, field, at);
    write_end_tag(writer, element);
}

static void write_list_open(ApiWriter *writer, const ApiField *field)
{
    if (!writer->json) {
        put(writer, field->open, field->length + 2u);
        return;
    }
    write_comma(writer);
    put(writer, field->json, field->length + 3u);
    PUT(writer, "{\"");
    strbuf_adds(writer->out, field->item);
    PUT(writer, "\":[");
    writer->comma = false;
}

static void write_list_close(ApiWriter *writer, const ApiField *field)
{
    if (writer->json)
        PUT(writer, "]}");
    else
        put(writer, field->close, field->length + 3u);
    writer->comma = true;
}

static void write_reference(ApiWriter *writer, const ApiField *field, const char *element,
                            const void *object);

static void write_list(ApiWriter *writer, const ApiField *field, const ApiList *list)
{
    size_t size = api_item_size(field);
    write_list_open(writer, field);
    for (uint32_t i = 0; i < list->count; i++) {
        const char *at = (const char *)list->items + i * size;
        if (field->flags & API_LINK && field->kind == API_STRUCT)
            write_reference(writer, field, field->item, *(void *const *)at);
        else
            write_value(writer, field, at, field->item);
    }
    write_list_close(writer, field);
}

// A reference: href and id, or everything when the object has no place of its own.
static void write_reference(ApiWriter *writer, const ApiField *field, const char *element,
                            const void *object)
{
    const ApiHead *head = object;
    const ApiType *type = field->type;
    if (!head->id || (!type->home && !head->href)) {
        write_object(writer, type, object, NULL, element, NULL);
        return;
    }
    if (writer->json) {
        write_comma(writer);
        PUT(writer, "{\"href\":\"");
    } else {
        PUT(writer, "<");
        strbuf_adds(writer->out, element);
        PUT(writer, " href=\"");
    }
    strbuf_adds(writer->out, writer->prefix);
    if (head->href)
        strbuf_adds(writer->out, head->href);
    else {
        PUT(writer, "/");
        strbuf_adds(writer->out, type->home);
        PUT(writer, "/");
        xml_escape(writer->out, head->id, strlen(head->id));
    }
    if (writer->json) {
        PUT(writer, "\",\"id\":");
        json_quote(writer->out, head->id, strlen(head->id));
        PUT(writer, "}");
    } else {
        PUT(writer, "\" id=\"");
        xml_escape(writer->out, head->id, strlen(head->id));
        PUT(writer, "\"/>");
    }
}

static void write_json_key(ApiWriter *writer, const ApiField *field)
{
    if (!writer->json)
        return;
    write_comma(writer);
    put(writer, field->json, field->length + 3u);
    writer->comma = false;
}

static bool write_followed(ApiWriter *writer, const ApiField *field, const void *object,
                           const ApiPlace *place, const ApiFollow *follow)
{
    const ApiFollow *inner = follow ? api_follow_find(follow, field->name) : NULL;
    if (!inner && follow && field->rel)
        inner = api_follow_find(follow, field->rel);
    if (!inner || !writer->expand)
        return false;
    if (field->flags & API_LIST) {
        write_list_open(writer, field);
        writer->expand(writer, object, place, field, inner);
        write_list_close(writer, field);
        return true;
    }
    size_t before = writer->out->length;
    bool comma = writer->comma;
    write_json_key(writer, field);
    bool good = writer->expand(writer, object, place, field, inner);
    if (!good) { // the target is gone or hidden: the reference stays
        writer->out->length = before;
        writer->comma = comma;
    } else
        writer->comma = true;
    return good;
}

static bool place_has_link(const ApiPlace *place, const char *rel)
{
    const ApiTail *link = place && place->href && rel ? place->links : NULL;
    for (; link && link->rel; link++)
        if (link->rel[0] == rel[0] && !strcmp(link->rel, rel))
            return true;
    return false;
}

static void write_field(ApiWriter *writer, const ApiField *field, const void *object,
                        const ApiPlace *place, const ApiFollow *follow)
{
    const char *at = (const char *)object + field->offset;
    if (field->flags & (API_SECRET | API_INTERNAL) ||
        (field->flags & API_ALL_CONTENT && !writer->all_content))
        return;
    if (field->flags & API_LINK) {
        if (follow && (field->flags & API_LIST || *(void *const *)at) &&
            write_followed(writer, field, object, place, follow))
            return;
        // Collections that have a URL are links already; others are shown.
        if (field->flags & API_LIST) {
            if (((const ApiList *)at)->set && !place_has_link(place, field->rel))
                write_list(writer, field, (const ApiList *)at);
        } else if (*(void *const *)at) {
            write_json_key(writer, field);
            write_reference(writer, field, field->name, *(void *const *)at);
        }
        return;
    }
    if (!api_field_is_set(field, object))
        return;
    if (field->flags & API_LIST) {
        write_list(writer, field, (const ApiList *)at);
        return;
    }
    if (field->kind == API_STRUCT) {
        write_json_key(writer, field);
        write_object(writer, field->type, *(void *const *)at, NULL, field->name, NULL);
        return;
    }
    if (writer->json) {
        write_json_key(writer, field);
        write_scalar(writer, field, at);
        writer->comma = true;
        return;
    }
    put(writer, field->open, field->length + 2u);
    write_scalar(writer, field, at);
    put(writer, field->close, field->length + 3u);
}

static Span write_xml_head(ApiWriter *writer, const ApiHead *head, const ApiPlace *place,
                           const char *element)
{
    Span base = {0};
    const char *href = place && place->href ? place->href : head->href;
    PUT(writer, "<");
    strbuf_adds(writer->out, element);
    if (href) {
        PUT(writer, " href=\"");
        base = write_href(writer, href);
        PUT(writer, "\"");
    }
    if (head->id) {
        PUT(writer, " id=\"");
        xml_escape(writer->out, head->id, strlen(head->id));
        PUT(writer, "\"");
    }
    PUT(writer, ">");
    return base;
}

static Span write_json_head(ApiWriter *writer, const ApiHead *head, const ApiPlace *place)
{
    Span base = {0};
    const char *href = place && place->href ? place->href : head->href;
    write_comma(writer);
    PUT(writer, "{");
    writer->comma = false;
    if (href) {
        write_key(writer, "href");
        PUT(writer, "\"");
        base = write_href(writer, href);
        PUT(writer, "\"");
    }
    if (head->id)
        write_string_member(writer, "id", head->id);
    return base;
}

static void write_creation(ApiWriter *writer, const char *status)
{
    if (writer->json)
        write_string_member(writer, "creation_status", status);
    else
        strbuf_addf(writer->out, "<creation_status>%s</creation_status>", status);
}

static void write_object(ApiWriter *writer, const ApiType *type, const void *object,
                         const ApiPlace *place, const char *element, const ApiFollow *follow)
{
    Span base = writer->json ? write_json_head(writer, object, place)
                             : write_xml_head(writer, object, place, element);
    size_t empty = writer->out->length;
    write_actions(writer, place, &base);
    if (place && place->creation)
        write_creation(writer, place->creation);
    write_links(writer, type, place, &base, follow);
    for (int i = 0; i < type->count; i++)
        write_field(writer, &type->fields[i], object, place, follow);
    if (writer->json) {
        PUT(writer, "}");
        writer->comma = true;
    } else if (writer->out->length == empty) {
        writer->out->length--; // "<x>" becomes "<x/>"
        PUT(writer, "/>");
    } else
        write_end_tag(writer, element);
}

void api_write_object(ApiWriter *writer, const ApiType *type, const void *object,
                      const ApiPlace *place, const char *element, const ApiFollow *follow)
{
    write_object(writer, type, object, place, element ? element : type->one, follow);
}

void api_write_collection_begin(ApiWriter *writer, const ApiType *type)
{
    if (writer->json)
        strbuf_addf(writer->out, "{\"%s\":[", type->one);
    else
        strbuf_addf(writer->out, "<%s>", type->many);
    writer->comma = false;
}

void api_write_collection_end(ApiWriter *writer, const ApiType *type, bool empty)
{
    if (writer->json && empty) { // an empty collection is {}
        writer->out->length -= strlen(type->one) + 4;
        PUT(writer, "}");
    } else if (writer->json)
        PUT(writer, "]}");
    else if (empty) {
        writer->out->length--;
        PUT(writer, "/>");
    } else
        strbuf_addf(writer->out, "</%s>", type->many);
}

// ---- follow

// Case and underscores don't count: reported_devices, reportedDevices and reporteddevices are one.
static bool follow_same(const char *one, const char *other)
{
    for (;;) {
        while (*one == '_')
            one++;
        while (*other == '_')
            other++;
        if (tolower((unsigned char)*one) != tolower((unsigned char)*other))
            return false;
        if (!*one)
            return true;
        one++;
        other++;
    }
}

const ApiFollow *api_follow_find(const ApiFollow *follow, const char *name)
{
    for (const ApiFollow *at = follow ? follow->children : NULL; at; at = at->next)
        if (follow_same(at->name, name))
            return at;
    return NULL;
}

static ApiFollow *follow_child(Arena *arena, ApiFollow *parent, const char *name)
{
    for (ApiFollow *at = parent->children; at; at = at->next)
        if (follow_same(at->name, name))
            return at;
    ApiFollow *child = ARENA_NEW(arena, ApiFollow);
    child->name = name;
    child->next = parent->children;
    parent->children = child;
    return child;
}

ApiFollow *api_follow_parse(Arena *arena, const char *text)
{
    ApiFollow *root = ARENA_NEW(arena, ApiFollow);
    char *rest = arena_string(arena, text ? text : "");
    for (char *path; (path = strsep(&rest, ","));) {
        ApiFollow *at = root;
        for (char *name; (name = strsep(&path, "."));) {
            name += strspn(name, " ");
            name[strcspn(name, " ")] = 0;
            if (*name)
                at = follow_child(arena, at, name);
        }
    }
    return root->children ? root : NULL;
}

// ---- the store's form

static void store_object(JsonWriter *writer, const ApiType *type, const void *object);

static void store_value(JsonWriter *writer, const ApiField *field, const void *at)
{
    switch ((ApiKind)field->kind) {
    case API_STRING: json_put_string(writer, *(char *const *)at); break;
    case API_BOOLEAN: json_put_bool(writer, *(const ApiBoolean *)at == API_TRUE); break;
    case API_INTEGER:
    case API_DATE: json_put_integer(writer, ((const ApiInteger *)at)->value); break;
    case API_DECIMAL: json_put_decimal(writer, ((const ApiDecimal *)at)->value); break;
    case API_ENUM:
        json_put_string(writer, ((const ApiEnum *)field->type)->values[*(const int *)at]);
        break;
    case API_STRUCT: store_object(writer, field->type, *(void *const *)at); break;
    }
}

static void store_list(JsonWriter *writer, const ApiField *field, const ApiList *list)
{
    size_t size = api_item_size(field);
    json_open(writer, '[');
    for (uint32_t i = 0; i < list->count; i++)
        store_value(writer, field, (const char *)list->items + i * size);
    json_close(writer, ']');
}

static void store_object(JsonWriter *writer, const ApiType *type, const void *object)
{
    const ApiHead *head = object;
    json_open(writer, '{');
    if (head->id)
        json_add_string(writer, "id", head->id);
    for (int i = 0; i < type->count; i++) {
        const ApiField *field = &type->fields[i];
        const char *at = (const char *)object + field->offset;
        if (!api_field_is_set(field, object))
            continue;
        json_key(writer, field->name);
        if (field->flags & API_LIST)
            store_list(writer, field, (const ApiList *)at);
        else
            store_value(writer, field, at);
    }
    json_close(writer, '}');
}

void api_store(StrBuf *out, const ApiType *type, const void *object)
{
    JsonWriter writer = {.out = out};
    store_object(&writer, type, object);
}
