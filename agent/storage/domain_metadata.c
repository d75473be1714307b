#include "agent/storage/domain_metadata.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/json.h"

#define SEAL_KEY "_SHA_CKSUM"
enum { SEAL_DIGITS = 40 };

void domain_metadata_done(DomainMetadata *metadata)
{
    for (size_t i = 0; i < metadata->count; i++) {
        free(metadata->pairs[i].key);
        free(metadata->pairs[i].value);
    }
    free(metadata->pairs);
    *metadata = (DomainMetadata){0};
}

// The place of the key, or where it belongs.
static size_t metadata_place(const DomainMetadata *metadata, const char *key, bool *ret_found)
{
    size_t low = 0, high = metadata->count;
    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(metadata->pairs[middle].key, key);
        if (!order) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const char *domain_metadata_get(const DomainMetadata *metadata, const char *key)
{
    bool found;
    size_t place = metadata_place(metadata, key, &found);
    return found ? metadata->pairs[place].value : NULL;
}

int64_t domain_metadata_number(const DomainMetadata *metadata, const char *key, int64_t minimum,
                               int64_t maximum, int64_t fallback)
{
    const char *text = domain_metadata_get(metadata, key);
    char *end;
    if (!text || !*text)
        return fallback;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    return *end || errno || number < minimum || number > maximum ? fallback : number;
}

// Takes both strings.
static void metadata_put(DomainMetadata *metadata, char *key, char *value)
{
    bool found;
    size_t place = metadata_place(metadata, key, &found);
    if (found) {
        free(metadata->pairs[place].value);
        metadata->pairs[place].value = value;
        free(key);
        return;
    }
    metadata->pairs = memory_resize(metadata->pairs, metadata->count + 1, sizeof(*metadata->pairs));
    memmove(&metadata->pairs[place + 1], &metadata->pairs[place],
            (metadata->count - place) * sizeof(*metadata->pairs));
    metadata->pairs[place] = (MetadataPair){key, value};
    metadata->count++;
}

void domain_metadata_set(DomainMetadata *metadata, const char *key, const char *value)
{
    metadata_put(metadata, memory_string(key), memory_string(value));
}

void domain_metadata_set_number(DomainMetadata *metadata, const char *key, int64_t value)
{
    metadata_put(metadata, memory_string(key), memory_format("%lld", (long long)value));
}

void domain_metadata_remove(DomainMetadata *metadata, const char *key)
{
    bool found;
    size_t place = metadata_place(metadata, key, &found);
    if (!found)
        return;
    free(metadata->pairs[place].key);
    free(metadata->pairs[place].value);
    metadata->count--;
    memmove(&metadata->pairs[place], &metadata->pairs[place + 1],
            (metadata->count - place) * sizeof(*metadata->pairs));
}

// Well-formed UTF-8 only.
static uint32_t text_next(const unsigned char **at)
{
    const unsigned char *text = *at;
    int more = *text < 0x80 ? 0 : *text < 0xe0 ? 1 : *text < 0xf0 ? 2 : 3;
    uint32_t point = more ? *text & (0x3fu >> more) : *text;
    for (int i = 1; i <= more; i++)
        point = point << 6 | (text[i] & 0x3f);
    *at = text + more + 1;
    return point;
}

// The seal is made of ASCII only: other characters count as &#NUMBER;.
static void seal_add(StrBuf *sealed, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        uint32_t point = text_next(&at);
        if (point < 0x80)
            strbuf_addc(sealed, (char)point);
        else
            strbuf_addf(sealed, "&#%u;", point);
    }
}

static void metadata_seal(const DomainMetadata *metadata, char text[SEAL_DIGITS + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    AUTO_STRBUF sealed = {0};
    for (size_t i = 0; i < metadata->count; i++) {
        seal_add(&sealed, metadata->pairs[i].key);
        strbuf_addc(&sealed, '=');
        seal_add(&sealed, metadata->pairs[i].value);
    }
    EVP_Digest(sealed.data ? sealed.data : "", sealed.length, digest, NULL, EVP_sha1(), NULL);
    for (int i = 0; i < SEAL_DIGITS / 2; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    text[SEAL_DIGITS] = 0;
}

bool domain_metadata_fits(const char *value)
{
    static const char *const breaks[] = {"\n",   "\v",   "\f",       "\r",     "\x1c",
                                         "\x1d", "\x1e", "\xc2\x85", "\u2028", "\u2029"};
    for (size_t i = 0; i < COUNT_OF(breaks); i++)
        if (strstr(value, breaks[i]))
            return false;
    return utf8_valid(value, strlen(value));
}

void domain_metadata_write(const DomainMetadata *metadata, StrBuf *out)
{
    char seal[SEAL_DIGITS + 1];
    metadata_seal(metadata, seal);
    for (size_t i = 0; i < metadata->count; i++)
        strbuf_addf(out, "%s=%s\n", metadata->pairs[i].key, metadata->pairs[i].value);
    strbuf_addf(out, SEAL_KEY "=%s\n", seal);
}

static char *trimmed(const char *text, size_t length)
{
    while (length && strchr(" \t\r\v\f", *text))
        text++, length--;
    while (length && strchr(" \t\r\v\f", text[length - 1]))
        length--;
    return memory_bytes(text, length);
}

static void metadata_parse_line(DomainMetadata *metadata, const char *line, size_t length)
{
    const char *equals = memchr(line, '=', length);
    if (!equals)
        return;
    metadata_put(metadata, trimmed(line, (size_t)(equals - line)),
                 memory_bytes(equals + 1, (size_t)(line + length - equals - 1)));
}

MetadataVerdict domain_metadata_parse(const char *data, size_t length, DomainMetadata *ret)
{
    AUTO_METADATA metadata = {0};
    while (length && !data[length - 1])
        length--;
    if (length > DOMAIN_METADATA_MAX || memchr(data, 0, length) || !utf8_valid(data, length))
        return METADATA_NO_TEXT;
    for (const char *at = data, *end = data + length; at < end;) {
        const char *line_end = at;
        while (line_end < end && *line_end != '\n' && *line_end != '\r')
            line_end++;
        metadata_parse_line(&metadata, at, (size_t)(line_end - at));
        if (metadata.count > DOMAIN_METADATA_KEYS_MAX)
            return METADATA_NO_TEXT;
        at = line_end + 1;
    }
    AUTO_FREE char *declared = memory_string(domain_metadata_get(&metadata, SEAL_KEY));
    domain_metadata_remove(&metadata, SEAL_KEY);
    if (declared && metadata.count) {
        char seal[SEAL_DIGITS + 1];
        metadata_seal(&metadata, seal);
        if (strcmp(seal, declared))
            return METADATA_BROKEN_SEAL;
        metadata.sealed = true;
    }
    *ret = metadata;
    metadata = (DomainMetadata){0};
    return METADATA_GOOD;
}
