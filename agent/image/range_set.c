#include "agent/image/range_set.h"

#include <stdlib.h>
#include <string.h>

void range_set_done(RangeSet *set)
{
    free(set->items);
    *set = (RangeSet){0};
}

// The first item that ends at or behind `from`.
static size_t range_set_find(const RangeSet *set, int64_t from)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->items[middle].to < from)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Makes room for one item at `at` in place of `removed` ones.
static void range_set_splice(RangeSet *set, size_t at, size_t removed)
{
    if (set->count + 1 - removed > set->capacity) {
        set->capacity = set->capacity ? set->capacity * 2 : 4;
        set->items = memory_resize(set->items, set->capacity, sizeof(RangeSetItem));
    }
    memmove(set->items + at + 1, set->items + at + removed,
            (set->count - at - removed) * sizeof(RangeSetItem));
    set->count = set->count + 1 - removed;
}

void range_set_add(RangeSet *set, int64_t offset, int64_t length)
{
    if (length <= 0)
        return;
    RangeSetItem fresh = {offset, offset + length};
    size_t at = range_set_find(set, fresh.from), end = at;
    for (; end < set->count && set->items[end].from <= fresh.to; end++) {
        if (set->items[end].from < fresh.from)
            fresh.from = set->items[end].from;
        if (set->items[end].to > fresh.to)
            fresh.to = set->items[end].to;
    }
    if (end == at && set->count == RANGE_SET_MAX)
        return;
    range_set_splice(set, at, end - at);
    set->items[at] = fresh;
}

int64_t range_set_total(const RangeSet *set)
{
    int64_t total = 0;
    for (size_t i = 0; i < set->count; i++)
        total += set->items[i].to - set->items[i].from;
    return total;
}

void range_set_copy(RangeSet *to, const RangeSet *from)
{
    range_set_done(to);
    if (!from->count)
        return;
    to->items = NEW_ARRAY(RangeSetItem, from->count);
    memcpy(to->items, from->items, from->count * sizeof(RangeSetItem));
    to->count = to->capacity = from->count;
}
