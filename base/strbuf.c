#include "base/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strbuf_done(StrBuf *buf)
{
    free(buf->data);
    *buf = (StrBuf){0};
}

void strbuf_grow(StrBuf *buf, size_t more)
{
    size_t need, capacity = buf->capacity ? buf->capacity : 64;
    if (__builtin_add_overflow(buf->length + 1, more, &need) || need > PTRDIFF_MAX)
        abort();
    while (capacity < need)
        capacity *= 2;
    buf->data = memory_resize(buf->data, capacity, 1);
    buf->capacity = capacity;
}

void strbuf_addv(StrBuf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int need = vsnprintf(NULL, 0, format, args);
    if (need >= 0) {
        strbuf_reserve(buf, (size_t)need);
        vsnprintf(buf->data + buf->length, (size_t)need + 1, format, again);
        buf->length += (size_t)need;
    }
    va_end(again);
}

void strbuf_addf(StrBuf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    strbuf_addv(buf, format, args);
    va_end(args);
}

void strbuf_addi(StrBuf *buf, int64_t number)
{
    char digits[24], *end = digits + sizeof(digits), *at = end;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (number < 0)
        *--at = '-';
    strbuf_add(buf, at, (size_t)(end - at));
}

void strbuf_consume(StrBuf *buf, size_t length)
{
    if (length >= buf->length) {
        strbuf_clear(buf);
        return;
    }
    memmove(buf->data, buf->data + length, buf->length - length + 1);
    buf->length -= length;
}

void strbuf_clear(StrBuf *buf)
{
    buf->length = 0;
    if (buf->data)
        buf->data[0] = 0;
}

char *strbuf_take(StrBuf *buf)
{
    strbuf_reserve(buf, 0);
    buf->data[buf->length] = 0;
    char *text = buf->data;
    *buf = (StrBuf){0};
    return text;
}
