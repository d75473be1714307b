// A bump allocator: everything in it lives and dies together. A document (an API object with all
// its strings) is one arena, so freeing a VM is one call and its strings lie side by side.
// Not thread-safe; one owner at a time.
#pragma once

#include "base/memory.h"

typedef struct ArenaChunk ArenaChunk;

typedef struct Arena {
    ArenaChunk *chunks; // newest first
    size_t next_size;   // size of the next chunk
    size_t total;       // bytes taken from malloc
} Arena;

void arena_init(Arena *arena, size_t first_chunk);
void arena_done(Arena *arena);

// What an allocation of so many bytes takes of a chunk.
static inline size_t arena_rounded(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

// Zeroed, aligned to 16 bytes.
void *arena_alloc(Arena *arena, size_t size);
void *arena_array(Arena *arena, size_t count, size_t size);
char *arena_string(Arena *arena, const char *text);
char *arena_bytes(Arena *arena, const void *data, size_t length);
char *arena_format(Arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3), nonnull(2)));

#define ARENA_NEW(arena, Type)          ((Type *)arena_alloc((arena), sizeof(Type)))
#define ARENA_ARRAY(arena, Type, count) ((Type *)arena_array((arena), (count), sizeof(Type)))
#define AUTO_ARENA                      __attribute__((cleanup(arena_done))) Arena
