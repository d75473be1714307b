// JSON in and out. Strict: RFC 8259 and nothing else; invalid UTF-8, NUL inside strings, numbers
// beyond 64 bits and nesting beyond the limit are errors. Of repeated keys the first one counts.
#pragma once

#include "base/arena.h"
#include "base/strbuf.h"

typedef enum JsonKind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_INTEGER,
    JSON_DECIMAL,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
} JsonKind;

typedef struct Json {
    JsonKind kind;
    uint32_t count;  // children of an array or object
    const char *key; // in an object
    struct Json *next;
    union {
        int64_t integer;
        double decimal;
        struct {
            const char *string;
            size_t length;
        };
        struct Json *first;
    };
} Json;

enum { JSON_DEPTH_MAX = 64 };

// Parses the whole text. Returns NULL on an error and then sets *ret_error to a static text and
// *ret_offset to its place. Everything lies in the arena.
Json *json_parse(Arena *arena, const char *text, size_t length, const char **ret_error,
                 size_t *ret_offset);

#define JSON_EACH(parent, child) \
    for (const Json *child = json_first(parent); child; child = child->next)

const Json *json_first(const Json *parent);
// The member, or NULL (also when `object` is NULL or no object).
const Json *json_get(const Json *object, const char *key);
const char *json_string(const Json *value); // NULL unless a string
const char *json_get_string(const Json *object, const char *key);
// Accepts a number or a string of digits, as VDSM's peers send both.
bool json_integer(const Json *value, int64_t *ret);
int64_t json_get_integer(const Json *object, const char *key, int64_t fallback);
// Accepts true/false and the strings "true"/"false" in either case.
bool json_bool(const Json *value, bool *ret);
bool json_get_bool(const Json *object, const char *key, bool fallback);
double json_get_decimal(const Json *object, const char *key, double fallback);

// Writer: calls in document order; commas are put by themselves.
typedef struct JsonWriter {
    StrBuf *out;
    bool comma;
} JsonWriter;

void json_open(JsonWriter *writer, char bracket);  // '{' or '['
void json_close(JsonWriter *writer, char bracket); // '}' or ']'
void json_key(JsonWriter *writer, const char *key);
void json_put_string(JsonWriter *writer, const char *value); // NULL becomes null
void json_put_integer(JsonWriter *writer, int64_t value);
void json_put_decimal(JsonWriter *writer, double value);
void json_put_bool(JsonWriter *writer, bool value);
void json_put_null(JsonWriter *writer);
void json_put_raw(JsonWriter *writer, const char *text, size_t length);
void json_put(JsonWriter *writer, const Json *value);
// key and value in one.
void json_add_string(JsonWriter *writer, const char *key, const char *value);
void json_add_integer(JsonWriter *writer, const char *key, int64_t value);
void json_add_decimal(JsonWriter *writer, const char *key, double value);
void json_add_bool(JsonWriter *writer, const char *key, bool value);
void json_add_format(JsonWriter *writer, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Only the quoted and escaped string. Bytes that are no UTF-8 become U+FFFD: the words of a failed
// program must not make an answer unreadable.
void json_quote(StrBuf *out, const char *text, size_t length);
// True when the bytes are well-formed UTF-8 (no surrogates, no overlong forms).
bool utf8_valid(const char *text, size_t length);
// Bytes of the well-formed character at the front of `left` > 0 bytes; 0 when there is none.
size_t utf8_step(const char *text, size_t left);
