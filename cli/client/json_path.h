// Members deep inside of a document, and documents made member by member.
#pragma once

#include "base/array.h"
#include "base/json.h"

// "cpu.topology.cores"; of lists on the way the first element that has it; of alternatives
// "name|alias" the first that is there. NULL when there is none.
const Json *json_at(const Json *object, const char *path);
// The list itself at the end of a path, or NULL.
const Json *json_list_at(const Json *object, const char *path);
// All of them, through all lists, into `ret`; at the end of the path lists are opened too.
void json_all(const Json *object, const char *path, Array *ret);
// The text of a string, number or boolean; NULL of others. In the arena unless it is a string.
const char *json_text(Arena *arena, const Json *value);
const char *json_text_at(Arena *arena, const Json *object, const char *path);

Json *json_new_object(Arena *arena);
// Puts a value where the path says; "devices.device[]" adds to a list, and what is behind "[]" is
// inside of the new element.
void json_set(Arena *arena, Json *object, const char *path, Json value);
void json_set_string(Arena *arena, Json *object, const char *path, const char *text);
void json_set_integer(Arena *arena, Json *object, const char *path, int64_t number);
void json_set_bool(Arena *arena, Json *object, const char *path, bool truth);
// Indented, with a line's end.
void json_pretty(StrBuf *out, const Json *value);
