// How many network interfaces have each MAC address: a hash table from addresses to counts.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct MacSlot {
    uint64_t address;
    uint32_t count; // 0: free place
} MacSlot;

typedef struct MacIndex {
    MacSlot *slots;
    size_t capacity, used;
} MacIndex;

void mac_index_done(MacIndex *index);
void mac_index_add(MacIndex *index, uint64_t address);
void mac_index_remove(MacIndex *index, uint64_t address);
uint32_t mac_index_count(const MacIndex *index, uint64_t address);
