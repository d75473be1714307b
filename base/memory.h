// Allocation that never returns NULL, and cleanup attributes.
//
// Vireo's programs treat exhausted memory as fatal: the manager restarts and finds every
// operation in the store, the agent restarts and finds its guests running. Sizes that come from
// outside are limited before they reach an allocator (base/limits.h).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Zeroed memory for `count` elements of `size` bytes; aborts with a message on overflow or when
// there is none.
void *memory_new(size_t count, size_t size) __attribute__((malloc, warn_unused_result));
// Resizes; new bytes are not zeroed.
void *memory_resize(void *old, size_t count, size_t size) __attribute__((warn_unused_result));
char *memory_string(const char *text) __attribute__((malloc, warn_unused_result));
char *memory_bytes(const void *data, size_t length) __attribute__((malloc, warn_unused_result));
char *memory_format(const char *format, ...)
    __attribute__((format(printf, 1, 2), malloc, warn_unused_result));

#define NEW(Type)          ((Type *)memory_new(1, sizeof(Type)))
#define NEW_ARRAY(Type, n) ((Type *)memory_new((n), sizeof(Type)))
#define COUNT_OF(array)    (sizeof(array) / sizeof((array)[0]))
// clang-format off
#define CONTAINER(pointer, Type, member) ((Type *)((char *)(pointer) - offsetof(Type, member)))
// clang-format on

// Hands a pointer on and forgets it, so that its cleanup attribute does nothing.
#define TAKE(pointer)                       \
    ({                                      \
        __typeof__(pointer) _p = (pointer); \
        (pointer) = NULL;                   \
        _p;                                 \
    })

// AUTO(noun) Noun *x: noun_free(x) at the end of the scope. DEFINE_AUTO makes it available.
#define AUTO(noun) __attribute__((cleanup(noun##_freep)))
#define DEFINE_AUTO(noun, Type)                     \
    static inline void noun##_freep(Type **pointer) \
    {                                               \
        noun##_free(*pointer);                      \
    }

void memory_freep(void *pointer_to_pointer);
void memory_closep(int *fd);
#define AUTO_FREE  __attribute__((cleanup(memory_freep)))
#define AUTO_CLOSE __attribute__((cleanup(memory_closep)))
