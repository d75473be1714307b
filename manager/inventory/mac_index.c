#include "manager/inventory/mac_index.h"

#include <stdlib.h>

#include "base/memory.h"

enum { FIRST_CAPACITY = 64 };

static size_t mac_place(const MacIndex *index, uint64_t address)
{
    // Addresses of a pool follow each other: the multiplication spreads them.
    return (size_t)(address * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (index->capacity - 1);
}

static MacSlot *mac_slot(const MacIndex *index, uint64_t address)
{
    size_t at = mac_place(index, address);
    while (index->slots[at].count && index->slots[at].address != address)
        at = (at + 1) & (index->capacity - 1);
    return &index->slots[at];
}

static void mac_index_grow(MacIndex *index)
{
    MacIndex old = *index;
    index->capacity = old.capacity ? old.capacity * 2 : FIRST_CAPACITY;
    index->slots = NEW_ARRAY(MacSlot, index->capacity);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].count)
            *mac_slot(index, old.slots[i].address) = old.slots[i];
    free(old.slots);
}

void mac_index_done(MacIndex *index)
{
    free(index->slots);
    *index = (MacIndex){0};
}

void mac_index_add(MacIndex *index, uint64_t address)
{
    if (index->used * 2 >= index->capacity)
        mac_index_grow(index);
    MacSlot *slot = mac_slot(index, address);
    index->used += !slot->count;
    slot->address = address;
    slot->count++;
}

// Those behind a place that became free move up, so that no search ends early.
static void mac_index_close_gap(MacIndex *index, size_t gap)
{
    size_t mask = index->capacity - 1;
    for (size_t at = (gap + 1) & mask; index->slots[at].count; at = (at + 1) & mask) {
        size_t home = mac_place(index, index->slots[at].address);
        if (((at - home) & mask) < ((at - gap) & mask))
            continue;
        index->slots[gap] = index->slots[at];
        index->slots[at] = (MacSlot){0};
        gap = at;
    }
}

void mac_index_remove(MacIndex *index, uint64_t address)
{
    MacSlot *slot = index->capacity ? mac_slot(index, address) : NULL;
    if (!slot || !slot->count || --slot->count)
        return;
    *slot = (MacSlot){0};
    index->used--;
    mac_index_close_gap(index, (size_t)(slot - index->slots));
}

uint32_t mac_index_count(const MacIndex *index, uint64_t address)
{
    return index->capacity ? mac_slot(index, address)->count : 0;
}
