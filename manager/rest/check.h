// Rules and lookups that many nouns share. A check returns 0, or fills request->why and returns a
// negative errno. `member` is the path as the client wrote it: "cluster.memory_policy.over_commit".
#pragma once

#include "manager/rest/request.h"

enum { CHECK_TEXT_MAX = 4000 }; // descriptions and comments

typedef enum NameForm {
    NAME_WORD, // letters, digits and . _ - (and letters of other alphabets)
    NAME_TEXT, // anything but control characters, without spaces at its ends
} NameForm;

// Names and texts that are absent (NULL) are fine: an update leaves them.
int request_check_name(Request *request, const char *member, const char *name, NameForm form,
                       size_t max);
int request_check_text(Request *request, const char *member, const char *text, size_t max);
// NAME_WORD or NAME_TEXT of the name, and description and comment; `object` is of `type`.
int request_check_identified(Request *request, const ApiType *type, const void *object,
                             NameForm form, size_t name_max);
int request_check_integer(Request *request, const char *member, ApiInteger value, int64_t from,
                          int64_t to);
// EXISTS when another entity of the kind has the name.
int request_check_name_unused(Request *request, Kind kind, const char *name, const Entity *except);

// The segment behind the service's collection: "/clusters/C/networks/N" -> "Network": N. NULL when
// the path has none. Unlike request_id() it does not mind what lies before.
const char *request_id_of(const Request *request, const char *service);
// The entity with that id, or 404.
Entity *request_entity_of(Request *request, const char *service, Kind kind);
// The last id of the path, also when its service is one of several for the same noun.
const char *request_last_id(const Request *request);
int request_not_found(Request *request, const char *noun, const char *id);
// Whether the path passes through a service: what a shared sub-collection belongs to.
bool request_is_below(const Request *request, const char *service);
// 404 unless every object the path passes through exists; for sub-collections that many nouns
// share.
int request_check_parents(Request *request);
bool request_is_admin(const Request *request);

// The body without id, href and the collections that have URLs of their own: what may be merged
// into a stored object.
const void *request_body_members(Request *request);
// Whether a link (an object or NULL) refers to the entity.
bool reference_is(const void *reference, const char *id);
// Members that a view shows even when they are empty.
#define VIEW_TEXT(text) ((text) ? (text) : "")
