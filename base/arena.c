#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ArenaChunk {
    ArenaChunk *older;
    size_t size, used;
    _Alignas(16) char data[];
};

enum { ARENA_FIRST = 1024, ARENA_BIGGEST = 256 * 1024 };

void arena_init(Arena *arena, size_t first_chunk)
{
    *arena = (Arena){.next_size = first_chunk ? first_chunk : ARENA_FIRST};
}

static void arena_free_chunks(ArenaChunk *chunk)
{
    while (chunk) {
        ArenaChunk *older = chunk->older;
        free(chunk);
        chunk = older;
    }
}

void arena_done(Arena *arena)
{
    arena_free_chunks(arena->chunks);
    *arena = (Arena){0};
}

static ArenaChunk *arena_grow(Arena *arena, size_t need)
{
    size_t size = arena->next_size ? arena->next_size : ARENA_FIRST;
    if (size < need)
        size = need;
    ArenaChunk *chunk = memory_new(1, sizeof(ArenaChunk) + size);
    chunk->size = size;
    chunk->older = arena->chunks;
    arena->chunks = chunk;
    arena->total += size;
    arena->next_size = size * 2 < ARENA_BIGGEST ? size * 2 : ARENA_BIGGEST;
    return chunk;
}

void *arena_alloc(Arena *arena, size_t size)
{
    if (size > PTRDIFF_MAX)
        abort();
    size_t rounded = arena_rounded(size);
    ArenaChunk *chunk = arena->chunks;
    if (!chunk || chunk->size - chunk->used < rounded)
        chunk = arena_grow(arena, rounded);
    void *memory = chunk->data + chunk->used;
    chunk->used += rounded;
    return memory;
}

void *arena_array(Arena *arena, size_t count, size_t size)
{
    size_t whole;
    if (__builtin_mul_overflow(count, size, &whole))
        abort();
    return arena_alloc(arena, whole);
}

char *arena_bytes(Arena *arena, const void *data, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);
    if (length)
        memcpy(copy, data, length);
    return copy;
}

char *arena_string(Arena *arena, const char *text)
{
    return text ? arena_bytes(arena, text, strlen(text)) : NULL;
}

char *arena_format(Arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char small[256];
    int length = vsnprintf(small, sizeof(small), format, args);
    va_end(args);
    if (length < (int)sizeof(small))
        return arena_bytes(arena, small, length < 0 ? 0 : (size_t)length);
    char *text = arena_alloc(arena, (size_t)length + 1);
    va_start(args, format);
    vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}
