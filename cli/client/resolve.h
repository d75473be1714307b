// From names to ids, and from the table's paths to those of the API.
#pragma once

#include "cli/client/rest.h"

// The id of an object that people name. A UUID is taken as it is. Of several objects with the name
// none is taken: the failure lists them.
int resolve_name(Cli *cli, const char *noun, const char *text, const char **ret_id, Fail *why);
// The only object of the noun; the failure names `option`, which must be given then.
int resolve_sole(Cli *cli, const char *noun, const char *option, const char **ret_id, Fail *why);
// All references of the command, and options that may be left out.
int resolve_command(Cli *cli, Fail *why);
// Fills {1}, {option} and {1:member}. `current` is the value that stands for its argument when
// there are several; may be NULL.
int resolve_path(Cli *cli, const char *path, const Value *current, const char **ret, Fail *why);
// The name of an object, or its id when it can't be found out.
const char *object_name(Cli *cli, const char *noun, const char *id);
// What a storage domain is in its data centre: "active"; NULL when it can't be found out.
const char *storage_status(Cli *cli, const char *id);
// Adds a parameter to a path: "?name=value" or "&name=value".
const char *path_add(Arena *arena, const char *path, const char *name, const char *value);
