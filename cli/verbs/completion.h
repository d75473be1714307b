// What a shell can complete a command line with.
#pragma once

#include <stdio.h>

#include "cli/verbs/command.h"

typedef struct Completion {
    // Every candidate is a line in `text`: the word, a tab, its explanation.
    StrBuf text;
    bool files;            // the shell shall complete file names
    const VerbRow *wanted; // the row of the word, when objects of its noun can stand here
    Command command;       // as far as it was understood
} Completion;

// `words` without the program's name; the last one is incomplete and may be "".
void completion_find(Arena *arena, const Program *program, int count, char **words,
                     Completion *ret);
void completion_done(Completion *completion);
// The script that a shell loads; false when the shell is not known.
bool completion_script(const Program *program, const char *shell, FILE *to);
