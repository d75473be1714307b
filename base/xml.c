#include "base/xml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>

#include "base/json.h"

typedef struct XmlReader {
    Arena *arena;
    Xml *root, *current;
    StrBuf texts[XML_DEPTH_MAX]; // of the open elements, so far
    const char *error;
    int line, depth;
    xmlParserCtxtPtr context;
} XmlReader;

static void xml_stop(XmlReader *reader, const char *error)
{
    if (!reader->error) {
        reader->error = error;
        reader->line = xmlSAX2GetLineNumber(reader->context);
    }
    xmlStopParser(reader->context);
}

Xml *xml_add_child(Arena *arena, Xml *parent, const char *name)
{
    Xml *element = ARENA_NEW(arena, Xml);
    element->name = arena_string(arena, name);
    element->text = "";
    element->parent = parent;
    if (parent && parent->last)
        parent->last->next = element;
    else if (parent)
        parent->first = element;
    if (parent)
        parent->last = element;
    return element;
}

static void xml_on_start(void *argument, const xmlChar *name, const xmlChar **attributes)
{
    XmlReader *reader = argument;
    if (reader->error)
        return;
    if (++reader->depth > XML_DEPTH_MAX) {
        xml_stop(reader, "nested too deeply");
        return;
    }
    Xml *element = xml_add_child(reader->arena, reader->current, (const char *)name);
    XmlAttribute **tail = &element->attributes;
    for (int i = 0; attributes && attributes[i]; i += 2, tail = &(*tail)->next) {
        *tail = ARENA_NEW(reader->arena, XmlAttribute); // libxml2 has refused repeated names
        (*tail)->name = arena_string(reader->arena, (const char *)attributes[i]);
        (*tail)->value =
            attributes[i + 1] ? arena_string(reader->arena, (const char *)attributes[i + 1]) : "";
    }
    if (!reader->root)
        reader->root = element;
    reader->current = element;
}

static void xml_on_end(void *argument, const xmlChar *name)
{
    XmlReader *reader = argument;
    (void)name;
    if (reader->error || !reader->current)
        return;
    StrBuf *text = &reader->texts[--reader->depth];
    if (text->length)
        reader->current->text = arena_bytes(reader->arena, text->data, text->length);
    strbuf_clear(text);
    reader->current = reader->current->parent;
}

static void xml_on_text(void *argument, const xmlChar *text, int length)
{
    XmlReader *reader = argument;
    if (!reader->error && reader->current && length > 0)
        strbuf_add(&reader->texts[reader->depth - 1], text, (size_t)length);
}

static void xml_on_doctype(void *argument, const xmlChar *name, const xmlChar *external,
                           const xmlChar *system)
{
    (void)name;
    (void)external;
    (void)system;
    xml_stop(argument, "a DOCTYPE is not accepted");
}

__attribute__((format(printf, 2, 3))) static void xml_on_error(void *argument, const char *format,
                                                               ...)
{
    XmlReader *reader = argument;
    if (reader->error)
        return;
    AUTO_STRBUF text = {0};
    va_list args;
    va_start(args, format);
    strbuf_addv(&text, format, args);
    va_end(args);
    while (text.length && (text.data[text.length - 1] == '\n' || text.data[text.length - 1] == '.'))
        text.data[--text.length] = 0;
    reader->error = arena_string(reader->arena, text.data);
    reader->line = xmlSAX2GetLineNumber(reader->context);
}

static void xml_on_warning(void *argument, const char *format, ...)
{
    (void)argument;
    (void)format;
}

static xmlEntityPtr xml_on_entity(void *argument, const xmlChar *name)
{
    (void)argument;
    return xmlGetPredefinedEntity(name);
}

static xmlSAXHandler xml_handler = {
    .internalSubset = xml_on_doctype,
    .getEntity = xml_on_entity,
    .startElement = xml_on_start,
    .endElement = xml_on_end,
    .characters = xml_on_text,
    .cdataBlock = xml_on_text,
    .error = xml_on_error,
    .fatalError = xml_on_error,
    .warning = xml_on_warning,
};

// In pieces, so that an endless tag is noticed before it is parsed: libxml2 compares each attribute
// with all before it, 18 s for a tag of 1 MiB.
static int xml_feed(XmlReader *reader, const char *text, size_t length)
{
    for (; length > XML_TAG_MAX && !reader->error; text += XML_TAG_MAX, length -= XML_TAG_MAX) {
        xmlParseChunk(reader->context, text, XML_TAG_MAX, 0);
        const xmlParserInput *input = reader->context->input;
        if (input && input->end - input->cur > XML_TAG_MAX &&
            reader->context->instate == XML_PARSER_START_TAG)
            xml_stop(reader, "a tag is too long");
    }
    return reader->error ? -1 : xmlParseChunk(reader->context, text, (int)length, 1);
}

static Xml *xml_fail(const char *error, int line, const char **ret_error, int *ret_line)
{
    if (ret_error)
        *ret_error = error;
    if (ret_line)
        *ret_line = line;
    return NULL;
}

Xml *xml_parse(Arena *arena, const char *text, size_t length, const char **ret_error, int *ret_line)
{
    XmlReader reader = {.arena = arena};
    if (length > INT32_MAX)
        return xml_fail("too large", 0, ret_error, ret_line);
    if (!utf8_valid(text, length) || memchr(text, 0, length)) // NULs could make it UTF-16
        return xml_fail("the document is not UTF-8", 0, ret_error, ret_line);
    reader.context = xmlCreatePushParserCtxt(&xml_handler, &reader, NULL, 0, NULL);
    if (!reader.context)
        abort();
    // NOENT: without it libxml2 hands "&#38;" for an ampersand in an attribute. There are no
    // entities that it could bring in: a DOCTYPE ends the parser.
    xmlCtxtUseOptions(reader.context,
                      XML_PARSE_NONET | XML_PARSE_COMPACT | XML_PARSE_NOENT | XML_PARSE_IGNORE_ENC);
    int code = xml_feed(&reader, text, length);
    if (!reader.error && (code || !reader.context->wellFormed || !reader.root)) {
        reader.error = "the document is not well-formed";
        reader.line = xmlSAX2GetLineNumber(reader.context);
    }
    xmlFreeDoc(reader.context->myDoc);
    xmlFreeParserCtxt(reader.context);
    for (int i = 0; i < XML_DEPTH_MAX; i++)
        strbuf_done(&reader.texts[i]);
    return reader.error ? xml_fail(reader.error, reader.line, ret_error, ret_line) : reader.root;
}

const Xml *xml_child(const Xml *parent, const char *name)
{
    XML_EACH(parent, child)
        if (!strcmp(child->name, name))
            return child;
    return NULL;
}

const Xml *xml_find(const Xml *from, ...)
{
    va_list names;
    va_start(names, from);
    const char *name;
    while (from && (name = va_arg(names, const char *)))
        from = xml_child(from, name);
    va_end(names);
    return from;
}

const char *xml_attribute(const Xml *element, const char *name)
{
    for (const XmlAttribute *at = element ? element->attributes : NULL; at; at = at->next)
        if (!strcmp(at->name, name))
            return at->value;
    return NULL;
}

const char *xml_child_text(const Xml *parent, const char *name)
{
    const Xml *child = xml_child(parent, name);
    return child ? child->text : NULL;
}

void xml_set_attribute(Arena *arena, Xml *element, const char *name, const char *value)
{
    XmlAttribute **at = &element->attributes;
    while (*at && strcmp((*at)->name, name))
        at = &(*at)->next;
    if (!*at) {
        *at = ARENA_NEW(arena, XmlAttribute);
        (*at)->name = arena_string(arena, name);
    }
    (*at)->value = arena_string(arena, value);
}

void xml_remove_child(Xml *parent, const Xml *child)
{
    Xml *before = NULL;
    for (Xml *at = parent->first; at; before = at, at = at->next) {
        if (at != child)
            continue;
        *(before ? &before->next : &parent->first) = at->next;
        if (parent->last == at)
            parent->last = before;
        return;
    }
}

// Bytes at the front that may stand in text, or in an attribute, as they are: an attribute's line
// ends and tabs would be read as spaces.
static size_t xml_plain(const char *text, size_t length, bool attribute)
{
    static const char special[256] = {[0 ... 8] = 1,   ['\t'] = 2, ['\n'] = 2,
                                      [11 ... 31] = 1, ['&'] = 1,  ['<'] = 1,
                                      ['>'] = 1,       ['"'] = 1,  [0x80 ... 0xff] = 3};
    size_t at = 0;
    for (size_t step; at < length; at += step) {
        int kind = special[(unsigned char)text[at]];
        step = !kind || (kind == 2 && !attribute) ? 1 : 0;
        if (kind == 3)
            step = utf8_step(text + at, length - at);
        if (step == 3 &&
            (!memcmp(text + at, "\xef\xbf\xbe", 3) || !memcmp(text + at, "\xef\xbf\xbf", 3)))
            break;
        if (!step)
            break;
    }
    return at;
}

static void xml_escape_any(StrBuf *out, const char *text, size_t length, bool attribute)
{
    for (const char *end = text + length;; text++) {
        size_t plain = xml_plain(text, (size_t)(end - text), attribute);
        strbuf_add(out, text, plain);
        text += plain;
        if (text == end)
            return;
        switch (*text) {
        case '&': strbuf_adds(out, "&amp;"); break;
        case '<': strbuf_adds(out, "&lt;"); break;
        case '>': strbuf_adds(out, "&gt;"); break;
        case '"': strbuf_adds(out, "&quot;"); break;
        case '\t': strbuf_adds(out, "&#9;"); break;
        case '\n': strbuf_adds(out, "&#10;"); break;
        case '\r': strbuf_adds(out, "&#13;"); break;
        default:
            strbuf_addc(out, '?');
            if (utf8_step(text, (size_t)(end - text)) == 3) // U+FFFE or U+FFFF
                text += 2;
            break;
        }
    }
}

void xml_escape(StrBuf *out, const char *text, size_t length)
{
    xml_escape_any(out, text, length, false);
}

static void xml_add_attribute(StrBuf *out, const char *name, const char *value)
{
    strbuf_addf(out, " %s=\"", name);
    xml_escape_any(out, value, strlen(value), true);
    strbuf_addc(out, '"');
}

static bool xml_only_space(const char *text)
{
    return text[strspn(text, " \t\r\n")] == 0;
}

void xml_print(StrBuf *out, const Xml *element)
{
    strbuf_addf(out, "<%s", element->name);
    for (const XmlAttribute *at = element->attributes; at; at = at->next)
        xml_add_attribute(out, at->name, at->value);
    if (!element->first && !*element->text) {
        strbuf_adds(out, "/>");
        return;
    }
    strbuf_addc(out, '>');
    if (!element->first || !xml_only_space(element->text))
        xml_escape(out, element->text, strlen(element->text));
    XML_EACH(element, child)
        xml_print(out, child);
    strbuf_addf(out, "</%s>", element->name);
}

static void xml_end_tag_head(XmlWriter *writer)
{
    if (writer->in_tag)
        strbuf_addc(writer->out, '>');
    writer->in_tag = false;
}

void xml_open(XmlWriter *writer, const char *name)
{
    if (writer->depth == XML_DEPTH_MAX)
        abort();
    xml_end_tag_head(writer);
    strbuf_addc(writer->out, '<');
    strbuf_adds(writer->out, name);
    writer->open[writer->depth++] = name;
    writer->in_tag = true;
}

void xml_put_attribute(XmlWriter *writer, const char *name, const char *value)
{
    if (value)
        xml_add_attribute(writer->out, name, value);
}

void xml_put_attribute_integer(XmlWriter *writer, const char *name, int64_t value)
{
    strbuf_addf(writer->out, " %s=\"%lld\"", name, (long long)value);
}

void xml_put_text(XmlWriter *writer, const char *text)
{
    xml_end_tag_head(writer);
    if (text)
        xml_escape(writer->out, text, strlen(text));
}

void xml_close(XmlWriter *writer)
{
    const char *name = writer->open[--writer->depth];
    if (writer->in_tag)
        strbuf_adds(writer->out, "/>");
    else
        strbuf_addf(writer->out, "</%s>", name);
    writer->in_tag = false;
}

void xml_add_empty(XmlWriter *writer, const char *name, ...)
{
    va_list pairs;
    xml_open(writer, name);
    va_start(pairs, name);
    for (const char *key; (key = va_arg(pairs, const char *));)
        xml_put_attribute(writer, key, va_arg(pairs, const char *));
    va_end(pairs);
    xml_close(writer);
}

void xml_add_text(XmlWriter *writer, const char *name, const char *text)
{
    xml_open(writer, name);
    xml_put_text(writer, text);
    xml_close(writer);
}

void xml_add_integer(XmlWriter *writer, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)value);
    xml_add_text(writer, name, text);
}
