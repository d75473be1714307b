#include "agent/storage/qcow2_header.h"

#include <string.h>

enum { HEADER_MIN = 72 };

static uint64_t big_endian(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

bool qcow2_header_parse(const unsigned char *data, size_t length, Qcow2Header *ret)
{
    if (length < HEADER_MIN || memcmp(data, "QFI\xfb", 4))
        return false;
    uint64_t size = big_endian(data + 24, 8), backing = big_endian(data + 8, 8);
    uint64_t backing_length = big_endian(data + 16, 4);
    Qcow2Header header = {.version = (int)big_endian(data + 4, 4),
                          .cluster_bits = (int)big_endian(data + 20, 4)};
    if (header.version < 2 || header.version > 3 || size > INT64_MAX)
        return false;
    header.virtual_size = (int64_t)size;
    if (backing && backing_length <= QCOW2_BACKING_MAX && backing <= length &&
        backing_length <= length - backing)
        memcpy(header.backing, data + backing, backing_length);
    *ret = header;
    return true;
}
