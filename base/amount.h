// Sizes in sentences for people.
#pragma once

#include <stdint.h>

// "137 MiB" below 10 GiB, "48.3 GiB" from there on. The caller frees it.
char *amount_text(int64_t bytes);
