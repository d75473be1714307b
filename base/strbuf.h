// A growing byte string. Always NUL-terminated once something was added.
#pragma once

#include <stdarg.h>

#include <string.h>

#include "base/memory.h"

typedef struct StrBuf {
    char *data;
    size_t length, capacity;
} StrBuf;

void strbuf_done(StrBuf *buf);
void strbuf_grow(StrBuf *buf, size_t more);

// Room for so many bytes and a NUL behind them.
static inline void strbuf_reserve(StrBuf *buf, size_t more)
{
    if (buf->capacity - buf->length <= more)
        strbuf_grow(buf, more);
}

static inline void strbuf_add(StrBuf *buf, const void *data, size_t length)
{
    strbuf_reserve(buf, length);
    if (length)
        memcpy(buf->data + buf->length, data, length);
    buf->length += length;
    buf->data[buf->length] = 0;
}

static inline void strbuf_adds(StrBuf *buf, const char *text)
{
    if (text)
        strbuf_add(buf, text, strlen(text));
}

static inline void strbuf_addc(StrBuf *buf, char character)
{
    strbuf_add(buf, &character, 1);
}

void strbuf_addf(StrBuf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strbuf_addv(StrBuf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0), nonnull(2)));
void strbuf_addi(StrBuf *buf, int64_t number);
// Removes `length` bytes at the front.
void strbuf_consume(StrBuf *buf, size_t length);
void strbuf_clear(StrBuf *buf);
// The text as the caller's own (to free()); the buffer is empty afterwards. Never NULL.
char *strbuf_take(StrBuf *buf);

#define AUTO_STRBUF __attribute__((cleanup(strbuf_done))) StrBuf
