// A growing array of pointers.
#pragma once

#include <stdlib.h>

#include "base/memory.h"

typedef struct Array {
    void **items;
    size_t count, capacity;
} Array;

static inline void array_add(Array *array, void *item)
{
    if (array->count == array->capacity) {
        array->capacity = array->capacity ? array->capacity * 2 : 8;
        array->items = memory_resize(array->items, array->capacity, sizeof(void *));
    }
    array->items[array->count++] = item;
}

static inline void array_done(Array *array)
{
    free(array->items);
    *array = (Array){0};
}

#define AUTO_ARRAY __attribute__((cleanup(array_done))) Array
