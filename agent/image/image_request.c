#include "agent/image/image_request.h"

#include <stdlib.h>
#include <string.h>

#include "base/http_head.h"

ImageTarget image_target_parse(char *path, const char **ret_ticket)
{
    static const char images[] = "/images";
    static const struct {
        const char *rest;
        ImageTarget target;
    } rows[] = {
        {"", IMAGE_TARGET_IMAGE},
        {"extents", IMAGE_TARGET_EXTENTS},
        {"checksum", IMAGE_TARGET_CHECKSUM},
        {"checksum/algorithms", IMAGE_TARGET_ALGORITHMS},
    };
    *ret_ticket = "";
    if (!http_decode(path, false))
        return IMAGE_TARGET_UNKNOWN;
    if (!strcmp(path, "/info") || !strcmp(path, "/info/"))
        return IMAGE_TARGET_INFO;
    if (strncmp(path, images, sizeof(images) - 1))
        return IMAGE_TARGET_UNKNOWN;
    char *ticket = path + sizeof(images) - 1;
    if (*ticket && *ticket != '/')
        return IMAGE_TARGET_UNKNOWN;
    ticket += *ticket == '/';
    char *rest = strchr(ticket, '/');
    if (rest)
        *rest++ = 0;
    *ret_ticket = ticket;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].rest, rest ? rest : ""))
            return rows[i].target;
    return IMAGE_TARGET_UNKNOWN;
}

char *image_query_get(const char *query, const char *name)
{
    char *found = NULL;
    for (const char *at = query; *at;) {
        size_t length = strcspn(at, "&");
        AUTO_FREE char *pair = memory_bytes(at, length);
        at += length + (at[length] == '&');
        char *value = strchr(pair, '=');
        if (value)
            *value++ = 0;
        if (!http_decode(pair, true) || strcmp(pair, name))
            continue;
        free(found);
        found = memory_string(value ? value : "");
        if (!http_decode(found, true))
            *found = 0;
    }
    return found;
}

int image_query_flag(const char *query, const char *name, bool fallback, bool *ret, Fail *why)
{
    AUTO_FREE char *value = image_query_get(query, name);
    if (value && strcmp(value, "y") && strcmp(value, "n"))
        return fail_set(why, FAIL_INVALID, "The query's %s is \"%.20s\", not y or n.", name, value);
    *ret = value ? *value == 'y' : fallback;
    return 0;
}

// Decimal digits, at most 18 of them; returns what follows, NULL when there is no number.
static const char *number_parse(const char *text, int64_t *ret)
{
    size_t digits = strspn(text, "0123456789");
    if (!digits || digits > 18)
        return NULL;
    *ret = strtoll(text, NULL, 10);
    return text + digits;
}

// First and last byte; -1 for one that is left out. False when it is no single range of bytes.
static bool range_split(const char *header, int64_t *ret_first, int64_t *ret_last)
{
    static const char unit[] = "bytes=";
    *ret_first = *ret_last = -1;
    if (strncmp(header, unit, sizeof(unit) - 1))
        return false;
    const char *at = header + sizeof(unit) - 1;
    if (*at != '-' && !(at = number_parse(at, ret_first)))
        return false;
    if (*at++ != '-')
        return false;
    if (*at && !(at = number_parse(at, ret_last)))
        return false;
    return !*at && (*ret_first >= 0 || *ret_last >= 0);
}

int image_range_parse(const char *header, int64_t size, ByteRange *ret, Fail *why)
{
    int64_t first, last;
    if (!range_split(header, &first, &last) || (first >= 0 && last >= 0 && last < first))
        return fail_set(why, FAIL_RANGE, "The range \"%.100s\" is not one range of bytes.", header);
    if (first < 0) { // the last so many bytes
        first = last < size ? size - last : 0;
        last = size - 1;
    }
    if (last < 0)
        last = size - 1;
    if (first >= size || last >= size || last < first)
        return fail_set(why, FAIL_RANGE, "The range \"%.100s\" exceeds the image's %lld bytes.",
                        header, (long long)size);
    *ret = (ByteRange){first, last - first + 1};
    return 0;
}

static bool content_range_split(const char *header, int64_t *ret_offset)
{
    static const char unit[] = "bytes ";
    int64_t first, last = -1, complete = -1;
    if (strncmp(header, unit, sizeof(unit) - 1))
        return false;
    const char *at = number_parse(header + sizeof(unit) - 1, &first);
    if (!at || *at++ != '-')
        return false;
    at = *at == '*' ? at + 1 : number_parse(at, &last);
    if (!at || *at++ != '/')
        return false;
    at = *at == '*' ? at + 1 : number_parse(at, &complete);
    if (!at || *at || (last >= 0 && last < first) || (complete >= 0 && last >= complete))
        return false;
    *ret_offset = first;
    return true;
}

int image_content_range_parse(const char *header, int64_t *ret_offset, Fail *why)
{
    if (!content_range_split(header, ret_offset))
        return fail_set(why, FAIL_INVALID, "The Content-Range \"%.100s\" is malformed.", header);
    return 0;
}

static int patch_number(const Json *json, const char *name, int64_t *ret, Fail *why)
{
    const Json *value = json_get(json, name);
    if (!value)
        return fail_set(why, FAIL_INCOMPLETE, "The operation needs %s.", name);
    if (value->kind != JSON_INTEGER || value->integer < 0)
        return fail_set(why, FAIL_INVALID, "%s must be an integer of 0 or more.", name);
    *ret = value->integer;
    return 0;
}

static int patch_read(const Json *json, ImagePatch *patch, Fail *why)
{
    const char *kind = json_get_string(json, "op");
    const Json *flush = json_get(json, "flush");
    if (!kind || (strcmp(kind, "zero") && strcmp(kind, "flush")))
        return fail_set(why, FAIL_INVALID, "op must be \"zero\" or \"flush\".");
    patch->kind = *kind == 'z' ? PATCH_ZERO : PATCH_FLUSH;
    if (patch->kind == PATCH_FLUSH)
        return 0;
    int result = patch_number(json, "size", &patch->size, why);
    if (!result && json_get(json, "offset"))
        result = patch_number(json, "offset", &patch->offset, why);
    if (!result && flush && flush->kind != JSON_TRUE && flush->kind != JSON_FALSE)
        result = fail_set(why, FAIL_INVALID, "flush must be true or false.");
    patch->flush = flush && flush->kind == JSON_TRUE;
    return result;
}

int image_patch_parse(const char *text, size_t length, ImagePatch *ret, Fail *why)
{
    AUTO_ARENA arena;
    const char *error = NULL;
    size_t offset = 0;
    arena_init(&arena, 1024);
    const Json *json = json_parse(&arena, text, length, &error, &offset);
    if (!json)
        return fail_set(why, FAIL_SYNTAX, "The body is not JSON: %s at byte %zu.", error, offset);
    if (json->kind != JSON_OBJECT)
        return fail_set(why, FAIL_SYNTAX, "The body must be one JSON object.");
    ImagePatch patch = {0};
    int result = patch_read(json, &patch, why);
    if (!result)
        *ret = patch;
    return result;
}

bool nbd_url_parse(const char *url, char **ret_path, char **ret_export)
{
    static const char prefix[] = "nbd:unix:", name[] = ":exportname=";
    if (strncmp(url, prefix, sizeof(prefix) - 1))
        return false;
    const char *path = url + sizeof(prefix) - 1;
    const char *export = strstr(path, name);
    size_t length = export ? (size_t)(export - path) : strlen(path);
    if (*path != '/' || memchr(path, ':', length))
        return false;
    *ret_path = memory_bytes(path, length);
    *ret_export = memory_string(export ? export + sizeof(name) - 1 : "");
    return true;
}
