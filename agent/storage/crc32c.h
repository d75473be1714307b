// CRC-32C (Castagnoli): the checksum in sanlock's records.
#pragma once

#include <stddef.h>
#include <stdint.h>

// No final inversion; `initial` is the register's start.
uint32_t crc32c(uint32_t initial, const void *data, size_t length);
