// Writing API objects as XML or JSON, streaming: each call appends to a buffer that the caller
// sends on whenever it likes. Nothing is built in memory but the bytes.
#pragma once

#include "api/codec/value.h"
#include "base/strbuf.h"

// Names of links to be shown inline, as a tree: follow=nics,disk_attachments.disk
typedef struct ApiFollow {
    const char *name; // lower case, without underscores
    struct ApiFollow *children, *next;
} ApiFollow;

// A collection or an action below objects, with what stands behind an object's href in the link to
// it: made once, because lists are mostly links.
typedef struct ApiTail {
    const char *rel;
    const char *xml, *json;
    uint16_t xml_length, json_length;
} ApiTail;

// clang-format off
#define API_TAIL_XML(rel)  "/" rel "\" rel=\"" rel "\"/>"
#define API_TAIL_JSON(rel) "/" rel "\",\"rel\":\"" rel "\"}"
#define API_TAIL(rel) {rel, API_TAIL_XML(rel), API_TAIL_JSON(rel), \
                       sizeof(API_TAIL_XML(rel)) - 1, sizeof(API_TAIL_JSON(rel)) - 1}
// clang-format on

typedef struct ApiExtraLink {
    const char *rel, *href; // href without the prefix
} ApiExtraLink;

// What the writer must know of an object beyond its fields.
typedef struct ApiPlace {
    const char *href;          // path of the object, or NULL
    const ApiExtraLink *extra; // further links, ended by one without rel, or NULL
    const ApiTail *links;      // to the collections below it, ended by one without rel, or NULL
    const ApiTail *actions;    // likewise
} ApiPlace;

typedef struct ApiWriter ApiWriter;

struct ApiWriter {
    StrBuf *out;
    bool json;
    bool all_content;
    const char *prefix; // of hrefs: "/ovirt-engine/api"
    // Writes the content of a followed link by calling api_write_object() again: the members of a
    // collection, or the one object (then `field` is no list). Returns false when it can't.
    bool (*expand)(ApiWriter *writer, const void *object, const ApiPlace *place,
                   const ApiField *field, const ApiFollow *follow);
    void *argument;
    bool comma; // inside; JSON only
};

// `element` is the element's name, NULL for the type's own. In JSON no name is written.
void api_write_object(ApiWriter *writer, const ApiType *type, const void *object,
                      const ApiPlace *place, const char *element, const ApiFollow *follow);
// The frame of a collection: begin, api_write_object() for each, end.
void api_write_collection_begin(ApiWriter *writer, const ApiType *type);
void api_write_collection_end(ApiWriter *writer, const ApiType *type, bool empty);

// Parses a follow parameter into a tree in the arena.
struct Arena;
ApiFollow *api_follow_parse(struct Arena *arena, const char *text);
const ApiFollow *api_follow_find(const ApiFollow *follow, const char *name);
