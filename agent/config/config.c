#include "agent/config/config.h"

const OptionRow config_rows[] = {
#define OPTION(name, type, fallback, minimum, maximum, text) \
    {#name, OPTION_##type, offsetof(Config, name), fallback, minimum, maximum, text},
#include "agent/config/options.def"
#undef OPTION
};

const size_t config_count = COUNT_OF(config_rows);
