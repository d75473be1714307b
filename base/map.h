// Hash table from strings to pointers. Keys are not copied: they must live as long as the entry
// (an entity's id lies in its document). Insertion order is not kept.
#pragma once

#include "base/memory.h"

typedef struct MapSlot {
    const char *key; // NULL: never used
    void *value;     // NULL with a key: removed
    uint32_t hash;
} MapSlot;

typedef struct Map {
    MapSlot *slots;
    size_t capacity, used, count; // used counts removed slots too
} Map;

void map_done(Map *map);
void *map_get(const Map *map, const char *key);
// The entry itself, to change its value in place; NULL when there is none.
MapSlot *map_slot(const Map *map, const char *key);
// Returns the value that stood there before, or NULL. The key pointer is replaced too. A NULL
// value removes the entry.
void *map_put(Map *map, const char *key, void *value);
void *map_remove(Map *map, const char *key);

// MAP_EACH(map, slot) { slot->key, slot->value }; removing the current entry is allowed.
MapSlot *map_next(const Map *map, MapSlot *slot);
#define MAP_EACH(map, slot) \
    for (MapSlot *slot = map_next((map), NULL); slot; slot = map_next((map), slot))

// FNV-1a folded to 32 bits; for tables only.
uint32_t hash_string(const char *text);
