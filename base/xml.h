// XML in and out. In: libxml2's SAX parser, UTF-8 whatever is declared, DOCTYPE refused, no
// entities but the five, no network, depth and tags limited; the result is a small tree in an
// arena. Namespace prefixes stay in names. Out: a writer that escapes.
#pragma once

#include "base/arena.h"
#include "base/strbuf.h"

typedef struct XmlAttribute {
    const char *name, *value;
    struct XmlAttribute *next;
} XmlAttribute;

typedef struct Xml {
    const char *name;
    const char *text; // the element's own text, never NULL; spaces at both ends are kept
    XmlAttribute *attributes;
    struct Xml *first, *last, *next, *parent;
} Xml;

enum { XML_DEPTH_MAX = 100, XML_TAG_MAX = 16384 };

// Returns the root or NULL; then *ret_error is a text in the arena and *ret_line its line.
Xml *xml_parse(Arena *arena, const char *text, size_t length, const char **ret_error,
               int *ret_line);

#define XML_EACH(parent, child) \
    for (const Xml *child = (parent) ? (parent)->first : NULL; child; child = child->next)

const Xml *xml_child(const Xml *parent, const char *name);
// Follows names through the tree: xml_find(root, "devices", "disk", NULL).
const Xml *xml_find(const Xml *from, ...) __attribute__((sentinel));
const char *xml_attribute(const Xml *element, const char *name);
const char *xml_child_text(const Xml *parent, const char *name);
// Sets or adds an attribute of a parsed tree; strings are copied into the arena.
void xml_set_attribute(Arena *arena, Xml *element, const char *name, const char *value);
Xml *xml_add_child(Arena *arena, Xml *parent, const char *name);
void xml_remove_child(Xml *parent, const Xml *child);
// The tree as text.
void xml_print(StrBuf *out, const Xml *element);

typedef struct XmlWriter {
    StrBuf *out;
    const char *open[XML_DEPTH_MAX]; // names of the open elements, which must outlive them
    int depth;
    bool in_tag; // the start tag of the innermost element still takes attributes
} XmlWriter;

void xml_open(XmlWriter *writer, const char *name);
void xml_put_attribute(XmlWriter *writer, const char *name, const char *value); // NULL: left out
void xml_put_attribute_integer(XmlWriter *writer, const char *name, int64_t value);
void xml_put_text(XmlWriter *writer, const char *text);
void xml_close(XmlWriter *writer);
// <name a="b" c="d"/> with pairs until NULL; a pair with a NULL value is left out.
void xml_add_empty(XmlWriter *writer, const char *name, ...) __attribute__((sentinel));
// <name>text</name>
void xml_add_text(XmlWriter *writer, const char *name, const char *text);
void xml_add_integer(XmlWriter *writer, const char *name, int64_t value);

// Escapes for element text; characters XML can't carry, and bytes that are no UTF-8, become '?'.
void xml_escape(StrBuf *out, const char *text, size_t length);
