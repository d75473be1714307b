#include "cli/client/json_path.h"

#include <string.h>

// Copies the next word of a path; returns what follows it.
static const char *path_word(const char *path, char *word, size_t size)
{
    size_t length = strcspn(path, ".");
    size_t kept = length < size ? length : size - 1;
    memcpy(word, path, kept);
    word[kept] = 0;
    return path + length + (path[length] == '.');
}

enum { PATH_WORD_MAX = 64 };

static void collect(const Json *value, const char *path, Array *ret)
{
    char word[PATH_WORD_MAX];
    if (!value)
        return;
    if (value->kind == JSON_ARRAY) {
        JSON_EACH(value, item)
            collect(item, path, ret);
        return;
    }
    if (!*path) {
        array_add(ret, (void *)value);
        return;
    }
    const char *rest = path_word(path, word, sizeof(word));
    collect(json_get(value, word), rest, ret);
}

void json_all(const Json *object, const char *path, Array *ret)
{
    size_t before = ret->count;
    while (*path && ret->count == before) {
        size_t length = strcspn(path, "|");
        AUTO_FREE char *one = memory_bytes(path, length);
        collect(object, one, ret);
        path += length + (path[length] == '|');
    }
}

const Json *json_at(const Json *object, const char *path)
{
    AUTO_ARRAY found = {0};
    json_all(object, path, &found);
    return found.count ? found.items[0] : NULL;
}

const Json *json_list_at(const Json *object, const char *path)
{
    char word[PATH_WORD_MAX];
    while (object && *path) {
        path = path_word(path, word, sizeof(word));
        object = json_get(object, word);
    }
    return object && object->kind == JSON_ARRAY ? object : NULL;
}

const char *json_text(Arena *arena, const Json *value)
{
    switch (value ? value->kind : JSON_NULL) {
    case JSON_STRING: return value->string;
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    case JSON_INTEGER: return arena_format(arena, "%lld", (long long)value->integer);
    case JSON_DECIMAL: return arena_format(arena, "%g", value->decimal);
    default: return NULL;
    }
}

const char *json_text_at(Arena *arena, const Json *object, const char *path)
{
    return json_text(arena, json_at(object, path));
}

// ---- building

Json *json_new_object(Arena *arena)
{
    Json *object = ARENA_NEW(arena, Json);
    object->kind = JSON_OBJECT;
    return object;
}

static Json *json_append(Arena *arena, Json *parent, const char *key)
{
    Json *child = ARENA_NEW(arena, Json);
    Json **end = &parent->first;
    child->kind = JSON_OBJECT;
    child->key = arena_string(arena, key);
    while (*end)
        end = &(*end)->next;
    *end = child;
    parent->count++;
    return child;
}

static Json *json_child(Arena *arena, Json *parent, const char *key)
{
    for (Json *child = parent->first; child; child = child->next)
        if (!strcmp(child->key, key))
            return child;
    return json_append(arena, parent, key);
}

void json_set(Arena *arena, Json *object, const char *path, Json value)
{
    char word[PATH_WORD_MAX];
    while (*path) {
        path = path_word(path, word, sizeof(word));
        char *bracket = strstr(word, "[]");
        if (bracket)
            *bracket = 0;
        object = json_child(arena, object, word);
        if (bracket) {
            object->kind = JSON_ARRAY;
            object = json_append(arena, object, NULL);
        }
    }
    const char *key = object->key;
    Json *next = object->next;
    *object = value;
    object->key = key;
    object->next = next;
}

void json_set_string(Arena *arena, Json *object, const char *path, const char *text)
{
    json_set(arena, object, path,
             (Json){.kind = JSON_STRING, .string = text, .length = strlen(text)});
}

void json_set_integer(Arena *arena, Json *object, const char *path, int64_t number)
{
    json_set(arena, object, path, (Json){.kind = JSON_INTEGER, .integer = number});
}

void json_set_bool(Arena *arena, Json *object, const char *path, bool truth)
{
    json_set(arena, object, path, (Json){.kind = truth ? JSON_TRUE : JSON_FALSE});
}

// ---- reading by people

static void pretty(StrBuf *out, const Json *value, int depth)
{
    bool object = value->kind == JSON_OBJECT;
    if ((!object && value->kind != JSON_ARRAY) || !value->count) {
        json_put(&(JsonWriter){.out = out}, value);
        return;
    }
    strbuf_addc(out, object ? '{' : '[');
    JSON_EACH(value, child) {
        strbuf_addf(out, "%s\n%*s", child == json_first(value) ? "" : ",", (depth + 1) * 2, "");
        if (object) {
            json_quote(out, child->key, strlen(child->key));
            strbuf_adds(out, ": ");
        }
        pretty(out, child, depth + 1);
    }
    strbuf_addf(out, "\n%*s%c", depth * 2, "", object ? '}' : ']');
}

void json_pretty(StrBuf *out, const Json *value)
{
    pretty(out, value, 0);
    strbuf_addc(out, '\n');
}
