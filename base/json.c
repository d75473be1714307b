#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct JsonParser {
    Arena *arena;
    const char *at, *end;
    const char *error;
    int depth;
} JsonParser;

static Json *json_value(JsonParser *parser);

static Json *json_fail(JsonParser *parser, const char *error)
{
    if (!parser->error)
        parser->error = error;
    return NULL;
}

static void json_space(JsonParser *parser)
{
    while (parser->at < parser->end && (*parser->at == ' ' || *parser->at == '\n' ||
                                        *parser->at == '\r' || *parser->at == '\t'))
        parser->at++;
}

static Json *json_node(JsonParser *parser, JsonKind kind)
{
    Json *node = ARENA_NEW(parser->arena, Json);
    node->kind = kind;
    return node;
}

size_t utf8_step(const char *text, size_t left)
{
    const unsigned char *at = (const unsigned char *)text;
    if (at[0] < 0x80)
        return 1;
    size_t need = at[0] >= 0xc2 && at[0] <= 0xdf   ? 2
                  : at[0] >= 0xe0 && at[0] <= 0xef ? 3
                  : at[0] >= 0xf0 && at[0] <= 0xf4 ? 4
                                                   : 0;
    if (!need || left < need)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return need;
}

bool utf8_valid(const char *text, size_t length)
{
    for (size_t at = 0, step; at < length; at += step)
        if (!(step = utf8_step(text + at, length - at)))
            return false;
    return true;
}

static int json_hex4(const char *at)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static char *utf8_put(char *to, unsigned code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    }
    return to;
}

// at points behind "\u"; returns the place behind the escape or NULL.
static const char *json_unicode(const char *at, const char *end, char **to)
{
    int high = end - at >= 4 ? json_hex4(at) : -1;
    if (high <= 0 || (high >= 0xdc00 && high <= 0xdfff))
        return NULL; // NUL is refused: C strings downstream would be cut
    at += 4;
    if (high < 0xd800 || high > 0xdbff) {
        *to = utf8_put(*to, (unsigned)high);
        return at;
    }
    int low = end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? json_hex4(at + 2) : -1;
    if (low < 0xdc00 || low > 0xdfff)
        return NULL;
    *to = utf8_put(*to, 0x10000 + ((unsigned)(high - 0xd800) << 10) + (unsigned)(low - 0xdc00));
    return at + 6;
}

static const char *json_escape(const char *at, const char *end, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    if (at >= end)
        return NULL;
    if (*at == 'u')
        return json_unicode(at + 1, end, to);
    const char *found = memchr(from, *at, sizeof(from) - 1);
    if (!found)
        return NULL;
    *(*to)++ = into[found - from];
    return at + 1;
}

static bool json_text(JsonParser *parser, const char **ret_text, size_t *ret_length)
{
    const char *start = ++parser->at, *scan = start;
    while (scan < parser->end && *scan != '"' && (unsigned char)*scan >= 0x20)
        scan += *scan == '\\' && scan + 1 < parser->end ? 2 : 1;
    if (scan >= parser->end || *scan != '"')
        return json_fail(parser, "unterminated string or control character in it"), false;
    if (!utf8_valid(start, (size_t)(scan - start)))
        return json_fail(parser, "invalid UTF-8"), false;
    char *text = arena_alloc(parser->arena, (size_t)(scan - start) + 1), *to = text;
    for (const char *at = start; at < scan;) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        at = json_escape(at + 1, scan, &to);
        if (!at)
            return json_fail(parser, "invalid escape"), false;
    }
    *to = 0;
    parser->at = scan + 1;
    *ret_text = text;
    *ret_length = (size_t)(to - text);
    return true;
}

static Json *json_string_node(JsonParser *parser)
{
    Json *node = json_node(parser, JSON_STRING);
    return json_text(parser, &node->string, &node->length) ? node : NULL;
}

static const char *json_skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

static Json *json_number(JsonParser *parser)
{
    const char *start = parser->at, *at = start, *end = parser->end;
    bool decimal = false;
    if (at < end && *at == '-')
        at++;
    const char *digits = at;
    at = json_skip_digits(at, end);
    if (at == digits || (*digits == '0' && at - digits > 1))
        return json_fail(parser, "invalid number");
    if (at < end && *at == '.') {
        decimal = true;
        digits = ++at;
        at = json_skip_digits(at, end);
        if (at == digits)
            return json_fail(parser, "invalid number");
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        decimal = true;
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        digits = at;
        at = json_skip_digits(at, end);
        if (at == digits)
            return json_fail(parser, "invalid number");
    }
    if (at - start > 400)
        return json_fail(parser, "number too long");
    char copy[401];
    memcpy(copy, start, (size_t)(at - start));
    copy[at - start] = 0;
    Json *node = json_node(parser, decimal ? JSON_DECIMAL : JSON_INTEGER);
    errno = 0;
    if (decimal)
        node->decimal = strtod(copy, NULL);
    else
        node->integer = strtoll(copy, NULL, 10);
    if ((!decimal && errno == ERANGE) || (decimal && !isfinite(node->decimal)))
        return json_fail(parser, "number out of range");
    parser->at = at;
    return node;
}

static Json *json_word(JsonParser *parser, const char *word, JsonKind kind)
{
    size_t length = strlen(word);
    if ((size_t)(parser->end - parser->at) < length || memcmp(parser->at, word, length))
        return json_fail(parser, "unknown word");
    parser->at += length;
    return json_node(parser, kind);
}

static bool json_member_key(JsonParser *parser, const char **ret_key)
{
    size_t length;
    if (parser->at >= parser->end || *parser->at != '"')
        return json_fail(parser, "expected a string as key"), false;
    if (!json_text(parser, ret_key, &length))
        return false;
    json_space(parser);
    if (parser->at >= parser->end || *parser->at != ':')
        return json_fail(parser, "expected ':'"), false;
    parser->at++;
    return true;
}

static Json *json_container(JsonParser *parser, JsonKind kind, char closing)
{
    Json *node = json_node(parser, kind), **tail = &node->first;
    if (++parser->depth > JSON_DEPTH_MAX)
        return json_fail(parser, "nested too deeply");
    parser->at++;
    json_space(parser);
    if (parser->at < parser->end && *parser->at == closing) {
        parser->at++;
        parser->depth--;
        return node;
    }
    for (;;) {
        const char *key = NULL;
        json_space(parser);
        if (kind == JSON_OBJECT && !json_member_key(parser, &key))
            return NULL;
        Json *child = json_value(parser);
        if (!child)
            return NULL;
        child->key = key;
        *tail = child;
        tail = &child->next;
        node->count++;
        json_space(parser);
        if (parser->at >= parser->end)
            return json_fail(parser, "unexpected end");
        char next = *parser->at++;
        if (next == closing)
            break;
        if (next != ',')
            return json_fail(parser, "expected ',' or the closing bracket");
    }
    parser->depth--;
    return node;
}

static Json *json_value(JsonParser *parser)
{
    json_space(parser);
    if (parser->at >= parser->end)
        return json_fail(parser, "unexpected end");
    switch (*parser->at) {
    case '{': return json_container(parser, JSON_OBJECT, '}');
    case '[': return json_container(parser, JSON_ARRAY, ']');
    case '"': return json_string_node(parser);
    case 't': return json_word(parser, "true", JSON_TRUE);
    case 'f': return json_word(parser, "false", JSON_FALSE);
    case 'n': return json_word(parser, "null", JSON_NULL);
    default: return json_number(parser);
    }
}

Json *json_parse(Arena *arena, const char *text, size_t length, const char **ret_error,
                 size_t *ret_offset)
{
    JsonParser parser = {.arena = arena, .at = text, .end = text + length};
    Json *root = json_value(&parser);
    json_space(&parser);
    if (root && parser.at != parser.end)
        root = json_fail(&parser, "text after the end");
    if (!root && ret_error)
        *ret_error = parser.error;
    if (!root && ret_offset)
        *ret_offset = (size_t)(parser.at - text);
    return root;
}

const Json *json_first(const Json *parent)
{
    return parent && (parent->kind == JSON_ARRAY || parent->kind == JSON_OBJECT) ? parent->first
                                                                                 : NULL;
}

const Json *json_get(const Json *object, const char *key)
{
    if (!object || object->kind != JSON_OBJECT)
        return NULL;
    JSON_EACH(object, child)
        if (!strcmp(child->key, key))
            return child;
    return NULL;
}

const char *json_string(const Json *value)
{
    return value && value->kind == JSON_STRING ? value->string : NULL;
}

const char *json_get_string(const Json *object, const char *key)
{
    return json_string(json_get(object, key));
}

// The C library's functions take spaces, a plus sign, hexadecimal digits and words as well.
static bool json_is_number(const char *text)
{
    size_t sign = *text == '-';
    return text[sign] >= '0' && text[sign] <= '9' && !text[strspn(text, "-+.eE0123456789")];
}

bool json_integer(const Json *value, int64_t *ret)
{
    if (!value)
        return false;
    if (value->kind == JSON_INTEGER) {
        *ret = value->integer;
        return true;
    }
    if (value->kind == JSON_DECIMAL && fabs(value->decimal) < 9e18) {
        *ret = (int64_t)value->decimal;
        return true;
    }
    if (value->kind != JSON_STRING)
        return false;
    char *end;
    errno = 0;
    long long number = strtoll(value->string, &end, 10);
    if (*end || errno || !json_is_number(value->string))
        return false;
    *ret = number;
    return true;
}

int64_t json_get_integer(const Json *object, const char *key, int64_t fallback)
{
    json_integer(json_get(object, key), &fallback);
    return fallback;
}

bool json_bool(const Json *value, bool *ret)
{
    const char *text = json_string(value);
    bool yes = value && (value->kind == JSON_TRUE || (text && !strcasecmp(text, "true")));
    bool no = value && (value->kind == JSON_FALSE || (text && !strcasecmp(text, "false")));
    if (yes || no)
        *ret = yes;
    return yes || no;
}

bool json_get_bool(const Json *object, const char *key, bool fallback)
{
    json_bool(json_get(object, key), &fallback);
    return fallback;
}

double json_get_decimal(const Json *object, const char *key, double fallback)
{
    const Json *value = json_get(object, key);
    int64_t integer;
    if (!value)
        return fallback;
    if (value->kind == JSON_DECIMAL)
        return value->decimal;
    if (value->kind == JSON_STRING) {
        char *end;
        double number = strtod(value->string, &end);
        return json_is_number(value->string) && !*end && isfinite(number) ? number : fallback;
    }
    return json_integer(value, &integer) ? (double)integer : fallback;
}

// Bytes at the front that may stand in a string as they are.
static size_t json_plain(const char *text, size_t length)
{
    static const char special[256] = {['"'] = 1, ['\\'] = 1, [0 ... 31] = 1, [0x80 ... 0xff] = 2};
    size_t at = 0;
    for (size_t step; at < length; at += step) {
        int kind = special[(unsigned char)text[at]];
        step = !kind ? 1 : kind == 2 ? utf8_step(text + at, length - at) : 0;
        if (!step)
            break;
    }
    return at;
}

void json_quote(StrBuf *out, const char *text, size_t length)
{
    strbuf_reserve(out, length + 2);
    strbuf_addc(out, '"');
    for (const char *end = text + length;; text++) {
        size_t plain = json_plain(text, (size_t)(end - text));
        strbuf_add(out, text, plain);
        text += plain;
        if (text == end)
            break;
        if (*text == '"' || *text == '\\')
            strbuf_addf(out, "\\%c", *text);
        else if (*text == '\n')
            strbuf_adds(out, "\\n");
        else if ((unsigned char)*text < 0x20)
            strbuf_addf(out, "\\u%04x", (unsigned char)*text);
        else
            strbuf_adds(out, "\xef\xbf\xbd");
    }
    strbuf_addc(out, '"');
}

static void json_separate(JsonWriter *writer)
{
    if (writer->comma)
        strbuf_addc(writer->out, ',');
    writer->comma = true;
}

void json_open(JsonWriter *writer, char bracket)
{
    json_separate(writer);
    strbuf_addc(writer->out, bracket);
    writer->comma = false;
}

void json_close(JsonWriter *writer, char bracket)
{
    strbuf_addc(writer->out, bracket);
    writer->comma = true;
}

void json_key(JsonWriter *writer, const char *key)
{
    json_separate(writer);
    json_quote(writer->out, key, strlen(key));
    strbuf_addc(writer->out, ':');
    writer->comma = false;
}

void json_put_string(JsonWriter *writer, const char *value)
{
    if (!value) {
        json_put_null(writer);
        return;
    }
    json_separate(writer);
    json_quote(writer->out, value, strlen(value));
}

void json_put_integer(JsonWriter *writer, int64_t value)
{
    json_separate(writer);
    strbuf_addi(writer->out, value);
}

// The shortest form that reads back as the same number.
void json_put_decimal(JsonWriter *writer, double value)
{
    if (!isfinite(value)) {
        json_put_null(writer);
        return;
    }
    char text[40];
    if (value == 0)
        value = 0; // "-0" would be read as an integer, which has no such thing
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    json_separate(writer);
    strbuf_adds(writer->out, text);
}

void json_put_bool(JsonWriter *writer, bool value)
{
    json_separate(writer);
    strbuf_adds(writer->out, value ? "true" : "false");
}

void json_put_null(JsonWriter *writer)
{
    json_separate(writer);
    strbuf_adds(writer->out, "null");
}

void json_put_raw(JsonWriter *writer, const char *text, size_t length)
{
    json_separate(writer);
    strbuf_add(writer->out, text, length);
}

static void json_put_children(JsonWriter *writer, const Json *value)
{
    json_open(writer, value->kind == JSON_OBJECT ? '{' : '[');
    JSON_EACH(value, child) {
        if (value->kind == JSON_OBJECT)
            json_key(writer, child->key);
        json_put(writer, child);
    }
    json_close(writer, value->kind == JSON_OBJECT ? '}' : ']');
}

void json_put(JsonWriter *writer, const Json *value)
{
    switch (value ? value->kind : JSON_NULL) {
    case JSON_NULL: json_put_null(writer); break;
    case JSON_FALSE: json_put_bool(writer, false); break;
    case JSON_TRUE: json_put_bool(writer, true); break;
    case JSON_INTEGER: json_put_integer(writer, value->integer); break;
    case JSON_DECIMAL: json_put_decimal(writer, value->decimal); break;
    case JSON_STRING:
        json_separate(writer);
        json_quote(writer->out, value->string, value->length);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT: json_put_children(writer, value); break;
    }
}

void json_add_string(JsonWriter *writer, const char *key, const char *value)
{
    json_key(writer, key);
    json_put_string(writer, value);
}

void json_add_integer(JsonWriter *writer, const char *key, int64_t value)
{
    json_key(writer, key);
    json_put_integer(writer, value);
}

void json_add_decimal(JsonWriter *writer, const char *key, double value)
{
    json_key(writer, key);
    json_put_decimal(writer, value);
}

void json_add_bool(JsonWriter *writer, const char *key, bool value)
{
    json_key(writer, key);
    json_put_bool(writer, value);
}

void json_add_format(JsonWriter *writer, const char *key, const char *format, ...)
{
    AUTO_STRBUF text = {0};
    va_list args;
    va_start(args, format);
    strbuf_addv(&text, format, args);
    va_end(args);
    json_add_string(writer, key, text.data ? text.data : "");
}
