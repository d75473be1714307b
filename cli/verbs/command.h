// One command line, taken apart by the table.
#pragma once

#include "base/arena.h"
#include "base/array.h"
#include "base/strbuf.h"
#include "cli/verbs/verb.h"

typedef struct Value {
    const VerbRow *row;
    const char *text; // as given; of VALUE_CONTENT what the file holds
    const char *id;   // of a reference, once it is resolved
    int64_t number;   // of sizes, counts, times; 0 or 1 of flags and booleans
    int position;     // of an argument: 1 is the first; 0: an option
    bool given;       // not the row's own value
} Value;

struct Command {
    const Program *program;
    const char *noun;    // as far as it was given, "" at first
    const VerbRow *verb; // NULL when there is none
    Array values;        // Value *, in the arena
};

// On failure the command line is wrong, and `ret` holds as much as was understood. With --help
// nothing is checked; a `partial` line is still being typed: no files are read.
int command_parse(Arena *arena, const Program *program, int count, char **words, bool partial,
                  Command *ret, Fail *why);
void command_done(Command *command);

// The last one given, else the row's own value, else NULL.
const Value *command_value(const Command *command, const char *name);
const char *command_text(const Command *command, const char *name);
bool command_flag(const Command *command, const char *name);
int64_t command_number(const Command *command, const char *name, int64_t fallback);
// The nth argument, 1 is the first; of one that is MANY its first value.
Value *command_argument(const Command *command, int position);
// Values of one name, in their order: NULL begins.
const Value *command_next(const Command *command, const char *name, const Value *after);
#define VALUE_EACH(command, wanted, value)                                    \
    for (const Value *value = command_next((command), (wanted), NULL); value; \
         value = command_next((command), (wanted), value))
// "vireo vm start"
char *command_title(const Command *command);
