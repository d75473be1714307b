// The index of external leases (file xleases): which VM's lease lies in which slot. Pure functions
// over the index area's bytes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LEASE_INDEX_SIZE = 62 * 4096,
    LEASE_INDEX_HEAD = 512,
    LEASE_INDEX_RECORD = 64,
    LEASE_INDEX_RECORDS = (LEASE_INDEX_SIZE - LEASE_INDEX_HEAD) / LEASE_INDEX_RECORD,
    LEASE_INDEX_RESERVED_SLOTS = 3, // lockspace, the index itself, the master lease
};

// `area` holds LEASE_INDEX_SIZE bytes.
void lease_index_format(unsigned char *area, const char *space, int64_t now_s);
// 0, or -EILSEQ: no index; -EINPROGRESS: a formatting or repair was interrupted.
int lease_index_check(const unsigned char *area);
// The record's number; -ENOENT. A record marked as being updated counts as free (an interrupted
// creation) and is found by lease_index_find_any() only.
int lease_index_find(const unsigned char *area, const char *lease);
int lease_index_find_any(const unsigned char *area, const char *lease);
// The first free record; -ENOSPC.
int lease_index_free(const unsigned char *area);
void lease_index_put(unsigned char *area, int record, const char *lease, int64_t alignment);
void lease_index_clear(unsigned char *area, int record);
// Where the lease of a record lies in the file.
int64_t lease_index_offset(int record, int64_t alignment);
// The block to write after record changed: where in the area and how long.
size_t lease_index_block(int record, int block_size);
