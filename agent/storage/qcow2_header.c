#include "agent/storage/qcow2_header.h"

#include <string.h>

enum { HEADER_MIN = 72, CLUSTER_BITS_MIN = 9, CLUSTER_BITS_MAX = 21 };

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
    uint64_t version = big_endian(data + 4, 4), bits = big_endian(data + 20, 4);
    if (version < 2 || version > 3 || size > INT64_MAX || bits < CLUSTER_BITS_MIN ||
        bits > CLUSTER_BITS_MAX)
        return false;
    Qcow2Header header = {
        .version = (int)version, .virtual_size = (int64_t)size, .cluster_bits = (int)bits};
    if (backing && backing_length <= QCOW2_BACKING_MAX && backing <= length &&
        backing_length <= length - backing)
        memcpy(header.backing, data + backing, backing_length);
    *ret = header;
    return true;
}
