#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *memory_check(void *memory)
{
    if (memory)
        return memory;
    static const char text[] = "out of memory\n";
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    abort();
}

void *memory_new(size_t count, size_t size)
{
    return memory_check(calloc(count ? count : 1, size ? size : 1));
}

void *memory_resize(void *old, size_t count, size_t size)
{
    return memory_check(reallocarray(old, count ? count : 1, size ? size : 1));
}

char *memory_string(const char *text)
{
    return text ? memory_check(strdup(text)) : NULL;
}

char *memory_bytes(const void *data, size_t length)
{
    char *copy = memory_new(length + 1, 1);
    if (length)
        memcpy(copy, data, length);
    return copy;
}

char *memory_format(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    return memory_check(text);
}

void memory_freep(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}

void memory_closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
