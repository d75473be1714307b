// Objects of the API as tables and as lists of "name: value", by the columns of their noun.
#pragma once

#include "base/json.h"
#include "cli/cli.h"
#include "cli/output/table.h"

// The text of a column, in the arena; NULL when the object has nothing there.
const char *column_text(Cli *cli, Arena *arena, const NounRow *column, const Json *object,
                        Color *ret_color);
// A table with heading. `wanted` is "NAME,STATUS", or NULL for the usual columns.
int objects_print(Cli *cli, const NounRow *noun, const Json *list, const char *wanted, FILE *to,
                  Fail *why);
void object_print(Cli *cli, const NounRow *noun, const Json *object, FILE *to);
// A value for programs, indented, on stdout.
void json_print(const Json *value);
