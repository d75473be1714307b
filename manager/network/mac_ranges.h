// Ranges of MAC addresses and the next free one in them. No state of its own.
#pragma once

#include "api_types.h"
#include "base/fail.h"
#include "manager/inventory/mac_index.h"

typedef struct MacRange {
    uint64_t from, to; // both inclusive
} MacRange;

// Reads the ranges of a pool into an array of pool->ranges.count, in the order of the addresses.
// INVALID, naming the member, unless all are well-formed, unicast, forward and apart.
int mac_ranges_read(const ApiMacPool *pool, MacRange *ret_ranges, Fail *why);
bool mac_ranges_overlap(const MacRange *one, const MacRange *other);
uint64_t mac_ranges_total(const MacRange *ranges, size_t count);
// The first address that is not in use, counted from place *cursor (0 is the first address of the
// first range) and on from the start; *cursor then points behind it. False when all are in use.
// Looks at no more addresses than there are in use.
bool mac_ranges_take(const MacRange *ranges, size_t count, const MacIndex *used, uint64_t *cursor,
                     uint64_t *ret_address);
