// Help and the manual page, made of the rows.
#pragma once

#include <stdio.h>

#include "cli/verbs/command.h"

// Of the verb, of the noun, or of everything, as far as the command names it.
void help_print(const Command *command, FILE *to);
// In the form of man(7).
void manual_print(const Program *program, FILE *to);
// "VM... [--host HOST]": the arguments and what options must be given. The caller frees it.
char *verb_usage(const VerbRow *verb);
// "--host HOST". The caller frees it.
char *option_usage(const VerbRow *option);
