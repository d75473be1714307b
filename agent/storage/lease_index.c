#include "agent/storage/lease_index.h"

#include <errno.h>
#include <string.h>

enum {
    NAME_MAX_BYTES = 48,
    OFFSET_AT = 49,
    OFFSET_DIGITS = 11,
    FLAG_AT = 61,
    MTIME_AT = 59,
    MTIME_DIGITS = 10,
    HEAD_FLAG_AT = 70,
};
static const unsigned char head_start[] = {0x12, 0x15, 0x20, 0x16, 0, '0', '0', '0', '1', 0};

static unsigned char *record_at(unsigned char *area, int record)
{
    return area + LEASE_INDEX_HEAD + (size_t)record * LEASE_INDEX_RECORD;
}

// Decimal, with leading zeros.
static void put_digits(unsigned char *at, int64_t number, int digits)
{
    for (; digits--; number /= 10)
        at[digits] = (unsigned char)('0' + number % 10);
}

static void record_write(unsigned char *at, const char *lease, int64_t offset)
{
    size_t length = strlen(lease);
    memset(at, 0, LEASE_INDEX_RECORD);
    memcpy(at, lease, length < NAME_MAX_BYTES ? length : NAME_MAX_BYTES);
    put_digits(at + OFFSET_AT, offset, OFFSET_DIGITS);
    memcpy(at + FLAG_AT, "--\n", 3);
}

void lease_index_format(unsigned char *area, const char *space, int64_t now_s)
{
    size_t length = strlen(space);
    memset(area, 0, LEASE_INDEX_SIZE);
    memcpy(area, head_start, sizeof(head_start));
    memcpy(area + 10, space, length < NAME_MAX_BYTES ? length : NAME_MAX_BYTES);
    put_digits(area + MTIME_AT, now_s, MTIME_DIGITS);
    area[HEAD_FLAG_AT] = '-';
    area[LEASE_INDEX_HEAD - 1] = '\n';
    for (int record = 0; record < LEASE_INDEX_RECORDS; record++)
        lease_index_clear(area, record);
}

int lease_index_check(const unsigned char *area)
{
    if (memcmp(area, head_start, sizeof(head_start)))
        return -EILSEQ;
    return area[HEAD_FLAG_AT] == 'u' ? -EINPROGRESS : 0;
}

int lease_index_find_any(const unsigned char *area, const char *lease)
{
    size_t length = strlen(lease);
    if (!length || length > NAME_MAX_BYTES)
        return -ENOENT;
    for (int record = 0; record < LEASE_INDEX_RECORDS; record++) {
        const unsigned char *at = record_at((unsigned char *)area, record);
        if (!memcmp(at, lease, length) && (length == NAME_MAX_BYTES || !at[length]))
            return record;
    }
    return -ENOENT;
}

int lease_index_find(const unsigned char *area, const char *lease)
{
    int record = lease_index_find_any(area, lease);
    if (record >= 0 && record_at((unsigned char *)area, record)[FLAG_AT] == 'u')
        return -ENOENT;
    return record;
}

int lease_index_free(const unsigned char *area)
{
    for (int record = 0; record < LEASE_INDEX_RECORDS; record++)
        if (!*record_at((unsigned char *)area, record))
            return record;
    return -ENOSPC;
}

void lease_index_put(unsigned char *area, int record, const char *lease, int64_t alignment)
{
    record_write(record_at(area, record), lease, lease_index_offset(record, alignment));
}

void lease_index_clear(unsigned char *area, int record)
{
    record_write(record_at(area, record), "", 0);
}

int64_t lease_index_offset(int record, int64_t alignment)
{
    return (LEASE_INDEX_RESERVED_SLOTS + record) * alignment;
}

size_t lease_index_block(int record, int block_size)
{
    size_t at = LEASE_INDEX_HEAD + (size_t)record * LEASE_INDEX_RECORD;
    return at - at % (size_t)block_size;
}
