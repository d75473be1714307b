// MAC addresses as numbers and text.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { MAC_SIZE = 18 };

// "56:6f:1a:00:00:01" in either case, also with '-'.
bool mac_parse(const char *text, uint64_t *ret);
char *mac_format(uint64_t address, char text[MAC_SIZE]); // lower case; returns text
// Individual, not a group address.
bool mac_is_unicast(uint64_t address);
