// Configuration by table: one row per option carries its name, type, range, default and text; the
// file's parser, --check-config, the manual page and the sample file are made of the rows.
//
// A file has lines "name = value"; "#" begins a comment. Anything wrong names its line.
#pragma once

#include <stdio.h>

#include "base/fail.h"

typedef enum OptionType {
    OPTION_STRING,  // char *
    OPTION_PATH,    // char *, absolute
    OPTION_INTEGER, // int
    OPTION_BOOLEAN, // bool
} OptionType;

typedef struct OptionRow {
    const char *name;
    OptionType type;
    size_t offset;
    const char *fallback;     // as it would stand in the file
    int64_t minimum, maximum; // integers: the value; strings: the length
    const char *text;
} OptionRow;

void options_set_defaults(const OptionRow *rows, size_t count, void *target);
// A missing file is an error only when `required`.
int options_load(const OptionRow *rows, size_t count, void *target, const char *path, bool required,
                 Fail *why);
// One assignment, "name=value", as given on the command line.
int options_assign(const OptionRow *rows, size_t count, void *target, const char *assignment,
                   Fail *why);
void options_done(const OptionRow *rows, size_t count, void *target);
// "integer, 1 to 65535". The caller frees it.
char *option_kind(const OptionRow *row);
// A commented sample file.
void options_print_sample(const OptionRow *rows, size_t count, FILE *to);
