// API objects as values: copying, merging, and the documents that own them.
#pragma once

#include "api/codec/value.h"
#include "base/arena.h"
#include "base/fail.h"
#include "base/json.h"
#include "base/xml.h"

// An object with everything it points to, in one arena. Reference counted; immutable once others
// can see it: a change makes a new document.
typedef struct ApiDocument {
    const ApiType *type;
    void *object;
    Arena arena;
    int references;
} ApiDocument;

ApiDocument *api_document_new(const ApiType *type);
ApiDocument *api_document_clone(const ApiType *type, const void *object);
// A copy to be kept: its arena is as large as it must be.
ApiDocument *api_document_pack(const ApiDocument *document);
ApiDocument *api_document_ref(ApiDocument *document);
void api_document_unref(ApiDocument *document);

// Deep copy into the arena.
void *api_clone(Arena *arena, const ApiType *type, const void *object);
// Lays what is set in `from` over `into`: nested objects are merged, lists and links replaced.
void api_merge(Arena *arena, const ApiType *type, void *into, const void *from);
// True when both have the same values.
bool api_equal(const ApiType *type, const void *one, const void *other);
// Appends to a list of pointers; the array lies in the arena.
void api_list_add(Arena *arena, void *list, void *item);
void api_list_remove(void *list, const void *item);
// An object that only has an id: what links point to. Both are copied into the arena.
void *api_reference_new(Arena *arena, const ApiType *type, const char *id);

// Reading what clients send. Unknown elements are ignored; a wrong value names its path. Internal
// fields are not accepted.
void *api_read_xml(Arena *arena, const ApiType *type, const Xml *element, Fail *why);
void *api_read_json(Arena *arena, const ApiType *type, const Json *value, Fail *why);

// The store's form: JSON with everything, internal and secret fields too, links as objects.
void api_store(StrBuf *out, const ApiType *type, const void *object);
void *api_load(Arena *arena, const ApiType *type, const Json *value, Fail *why);
