#include "base/map.h"

#include <stdlib.h>
#include <string.h>

uint32_t hash_string(const char *text)
{
    uint64_t hash = 14695981039346656037ULL;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211ULL;
    return (uint32_t)(hash ^ (hash >> 32));
}

void map_done(Map *map)
{
    free(map->slots);
    *map = (Map){0};
}

static MapSlot *map_find(const Map *map, const char *key, uint32_t hash)
{
    for (size_t at = hash & (map->capacity - 1);; at = (at + 1) & (map->capacity - 1)) {
        MapSlot *slot = &map->slots[at];
        if (!slot->key)
            return slot;
        if (slot->value && slot->hash == hash && !strcmp(slot->key, key))
            return slot;
    }
}

MapSlot *map_slot(const Map *map, const char *key)
{
    if (!map->count || !key)
        return NULL;
    MapSlot *slot = map_find(map, key, hash_string(key));
    return slot->key ? slot : NULL;
}

void *map_get(const Map *map, const char *key)
{
    MapSlot *slot = map_slot(map, key);
    return slot ? slot->value : NULL;
}

static void map_grow(Map *map)
{
    Map bigger = {.capacity = 16};
    while (bigger.capacity < map->count * 4)
        bigger.capacity *= 2;
    bigger.slots = NEW_ARRAY(MapSlot, bigger.capacity);
    MAP_EACH(map, old)
        *map_find(&bigger, old->key, old->hash) = *old;
    bigger.used = bigger.count = map->count;
    free(map->slots);
    *map = bigger;
}

void *map_put(Map *map, const char *key, void *value)
{
    if (!value)
        return map_remove(map, key);
    if ((map->used + 1) * 4 > map->capacity * 3)
        map_grow(map);
    uint32_t hash = hash_string(key);
    MapSlot *slot = map_find(map, key, hash);
    void *before = slot->key ? slot->value : NULL;
    if (!slot->key) {
        map->used++;
        map->count++;
    }
    *slot = (MapSlot){key, value, hash};
    return before;
}

void *map_remove(Map *map, const char *key)
{
    MapSlot *slot = map_slot(map, key);
    if (!slot)
        return NULL;
    void *before = slot->value;
    slot->value = NULL;
    slot->key = ""; // a tombstone must not point into freed memory
    map->count--;
    return before;
}

MapSlot *map_next(const Map *map, MapSlot *slot)
{
    size_t at = slot ? (size_t)(slot - map->slots) + 1 : 0;
    for (; at < map->capacity; at++)
        if (map->slots[at].value)
            return &map->slots[at];
    return NULL;
}
