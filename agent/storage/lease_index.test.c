#include "agent/storage/lease_index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/test.h"

#define SPACE "5a8c4f3a-0000-4000-8000-00000000d001"
#define LEASE "b0000000-0000-4000-8000-00000000e001"

static unsigned char *format(void)
{
    unsigned char *area = memory_new(LEASE_INDEX_SIZE, 1);
    memset(area, 0xee, LEASE_INDEX_SIZE);
    lease_index_format(area, SPACE, 1700000000);
    return area;
}

TEST(index_has_the_documented_bytes)
{
    AUTO_FREE unsigned char *area = format();
    unsigned char head[512] = "\x12\x15\x20\x16\0"
                              "0001\0" SPACE;
    memcpy(head + 59, "1700000000\0-", 12);
    head[511] = '\n';
    assert_memory_equal(area, head, sizeof(head));
    unsigned char record[64] = {0};
    memcpy(record + 49, "00000000000\0--\n", 15);
    for (int i = 0; i < 3960; i++)
        assert_memory_equal(area + 512 + i * 64, record, sizeof(record));
    assert_int_equal(LEASE_INDEX_SIZE, 253952);
    assert_int_equal(LEASE_INDEX_RECORDS, 3960);
    assert_int_equal(lease_index_check(area), 0);
}

TEST(record_has_the_documented_bytes)
{
    AUTO_FREE unsigned char *area = format();
    unsigned char record[64] = LEASE;
    memcpy(record + 49, "00005242880\0--\n", 15); // (3 + 2) MiB
    lease_index_put(area, 2, LEASE, 1 << 20);
    assert_memory_equal(area + 512 + 2 * 64, record, sizeof(record));
    assert_int_equal(lease_index_find(area, LEASE), 2);
    assert_int_equal(lease_index_offset(2, 1 << 20), 5 << 20);
    lease_index_clear(area, 2);
    assert_int_equal(lease_index_find(area, LEASE), -ENOENT);
}

TEST(free_records_are_found)
{
    AUTO_FREE unsigned char *area = format();
    char name[48];
    for (int i = 0; i < LEASE_INDEX_RECORDS; i++) {
        assert_int_equal(lease_index_free(area), i);
        snprintf(name, sizeof(name), "lease-%d", i);
        lease_index_put(area, i, name, 1 << 20);
    }
    assert_int_equal(lease_index_free(area), -ENOSPC);
    assert_int_equal(lease_index_find(area, "lease-17"), 17);
    assert_int_equal(lease_index_find(area, "lease-1"), 1);
    assert_int_equal(lease_index_find(area, "lease-"), -ENOENT);
    assert_int_equal(lease_index_find(area, ""), -ENOENT);
    lease_index_clear(area, 5);
    assert_int_equal(lease_index_free(area), 5);
}

TEST(interrupted_changes_show)
{
    AUTO_FREE unsigned char *area = format();
    lease_index_put(area, 0, LEASE, 1 << 20);
    area[512 + 61] = 'u'; // how old releases marked a creation under way
    assert_int_equal(lease_index_find(area, LEASE), -ENOENT);
    assert_int_equal(lease_index_find_any(area, LEASE), 0);
    area[70] = 'u';
    assert_int_equal(lease_index_check(area), -EINPROGRESS);
    area[0] = 0;
    assert_int_equal(lease_index_check(area), -EILSEQ);
}

TEST(block_of_a_record)
{
    assert_int_equal(lease_index_block(0, 512), 512);
    assert_int_equal(lease_index_block(7, 512), 512);
    assert_int_equal(lease_index_block(8, 512), 1024);
    assert_int_equal(lease_index_block(0, 4096), 0);
    assert_int_equal(lease_index_block(56, 4096), 4096);
}
