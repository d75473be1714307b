#include "agent/storage/crc32c.h"

uint32_t crc32c(uint32_t initial, const void *data, size_t length)
{
    const unsigned char *at = data;
    uint32_t crc = initial;
    for (size_t i = 0; i < length; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    return crc;
}
