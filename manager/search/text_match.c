#include "manager/search/text_match.h"

#include <string.h>

// Capital letters of two bytes in UTF-8 whose small ones have two bytes as well.
static unsigned letter_fold(unsigned code)
{
    if ((code >= 0xc0 && code <= 0xde && code != 0xd7) || (code >= 0x391 && code <= 0x3a9) ||
        (code >= 0x410 && code <= 0x42f))
        return code + 0x20;
    if (code >= 0x400 && code <= 0x40f)
        return code + 0x50;
    if (code == 0x178)
        return 0xff;
    if ((code >= 0x139 && code <= 0x148) || (code >= 0x179 && code <= 0x17e))
        return code + (code & 1);
    if ((code >= 0x100 && code <= 0x137 && code != 0x130 && code != 0x131) ||
        (code >= 0x14a && code <= 0x177) || (code >= 0x460 && code <= 0x481) ||
        (code >= 0x48a && code <= 0x4bf))
        return code | 1;
    return code;
}

void text_fold(char *to, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0xc3 || c > 0xd2 || i + 1 == length) {
            to[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
            continue;
        }
        unsigned code = letter_fold((c & 0x1fu) << 6 | ((unsigned char)text[i + 1] & 0x3f));
        to[i++] = (char)(0xc0 | code >> 6);
        to[i] = (char)(0x80 | (code & 0x3f));
    }
    to[length] = 0;
}

static void pattern_add(TextPattern *pattern, Arena *arena, const char *part)
{
    size_t length = strlen(part);
    char *copy = arena_alloc(arena, length + 1);
    if (pattern->exact)
        memcpy(copy, part, length);
    else
        text_fold(copy, part, length);
    pattern->parts[pattern->count] = copy;
    pattern->lengths[pattern->count++] = length;
    pattern->shortest += length;
}

void text_pattern_init(TextPattern *pattern, Arena *arena, const char *const *parts, int count,
                       bool exact, bool inside)
{
    size_t most = (size_t)count + 2;
    *pattern = (TextPattern){.parts = ARENA_ARRAY(arena, const char *, most),
                             .lengths = ARENA_ARRAY(arena, size_t, most),
                             .exact = exact};
    if (inside)
        pattern_add(pattern, arena, "");
    for (int i = 0; i < count; i++)
        pattern_add(pattern, arena, parts[i]);
    if (inside)
        pattern_add(pattern, arena, "");
}

static const char *folded(TextScratch *scratch, const char *text, size_t length)
{
    if (scratch->capacity <= length) {
        scratch->capacity = length * 2 + 256;
        scratch->text = arena_alloc(scratch->arena, scratch->capacity);
    }
    text_fold(scratch->text, text, length);
    return scratch->text;
}

bool text_pattern_matches(const TextPattern *pattern, const char *text, TextScratch *scratch)
{
    size_t length = strlen(text);
    int last = pattern->count - 1;
    if (length < pattern->shortest || (!last && length != pattern->shortest))
        return false;
    if (!pattern->exact)
        text = folded(scratch, text, length);
    const char *end = text + length - pattern->lengths[last];
    if (memcmp(text, pattern->parts[0], pattern->lengths[0]) ||
        memcmp(end, pattern->parts[last], pattern->lengths[last]))
        return false;
    text += pattern->lengths[0];
    for (int i = 1; i < last; i++) {
        const char *at = memmem(text, (size_t)(end - text), pattern->parts[i], pattern->lengths[i]);
        if (!at)
            return false;
        text = at + pattern->lengths[i];
    }
    return true;
}
