// A set of byte ranges, kept as few disjoint ones: how much of an image was transferred, however
// often and in whatever order.
#pragma once

#include "base/memory.h"

// Beyond this many separate ranges new ones are not counted: a bound for odd clients.
enum { RANGE_SET_MAX = 16384 };

typedef struct RangeSetItem {
    int64_t from, to; // to is the byte behind the last
} RangeSetItem;

typedef struct RangeSet {
    RangeSetItem *items; // ascending, neither overlapping nor touching
    size_t count, capacity;
} RangeSet;

void range_set_done(RangeSet *set);
void range_set_add(RangeSet *set, int64_t offset, int64_t length);
int64_t range_set_total(const RangeSet *set);
void range_set_copy(RangeSet *to, const RangeSet *from);
