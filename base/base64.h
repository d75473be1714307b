// Base64 (RFC 4648, with padding).
#pragma once

#include "base/memory.h"

// The caller frees.
char *base64_encode(const void *data, size_t length);
// White space between the characters is skipped. NULL when it is not valid; NUL-terminated.
char *base64_decode(const char *text, size_t *ret_length);
