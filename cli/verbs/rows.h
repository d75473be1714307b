// How rows of verbs are written. For the files that make a program's table of them.
#pragma once

#include "cli/verbs/verb.h"

// The members in their order: kind, noun, name, run, call, until, done, type, of, flags, target,
// value, help.
// clang-format off
#define VERB(noun, name, run, call, until, done, help) \
    {ROW_VERB, noun, name, run, call, until, done, 0, NULL, 0, NULL, NULL, help},
#define ARGUMENT(name, type, of, flags, target, help) \
    {ROW_ARGUMENT, NULL, name, NULL, NULL, NULL, NULL, VALUE_##type, of, flags, target, NULL, help},
#define OPTION(name, type, of, flags, target, value, help) \
    {ROW_OPTION, NULL, name, NULL, NULL, NULL, NULL, VALUE_##type, of, flags, target, value, help},
#define CONSTANT(target, value) \
    {ROW_CONSTANT, NULL, target, NULL, NULL, NULL, NULL, 0, NULL, 0, target, value, NULL},
// clang-format on
