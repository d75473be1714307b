// The life of a program that is a table of verbs.
#pragma once

#include "cli/cli.h"

// Parses, helps or runs the verb, tells failures on stderr; returns the exit code.
int program_main(const Program *program, int argc, char **argv);
