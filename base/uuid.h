// UUIDs as lower-case text with dashes, the only form that leaves or enters the programs.
#pragma once

#include <stdbool.h>

#include "base/memory.h"

enum { UUID_SIZE = 37 };
#define UUID_ZERO "00000000-0000-0000-0000-000000000000"

// A random (version 4) one into the caller's buffer, which is returned.
char *uuid_new(char text[UUID_SIZE]);
// Exactly 8-4-4-4-12 hexadecimal digits, either case.
bool uuid_valid(const char *text);
void uuid_lower(char *text);
bool uuid_is_zero(const char *text);
// A stable UUID (version 5) made from a name inside a name space of ours.
char *uuid_from_name(const char *space, const char *name, char text[UUID_SIZE]);
