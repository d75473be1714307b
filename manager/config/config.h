// The manager's configuration: one file, every option a row of options.def.
#pragma once

#include "base/options.h"

typedef struct Config {
#define OPTION_STRING_MEMBER                                 char *
#define OPTION_PATH_MEMBER                                   char *
#define OPTION_INTEGER_MEMBER                                int
#define OPTION_BOOLEAN_MEMBER                                bool
#define OPTION(name, type, fallback, minimum, maximum, text) OPTION_##type##_MEMBER name;
#include "manager/config/options.def"
#undef OPTION
} Config;

extern const OptionRow config_rows[];
extern const size_t config_count;
