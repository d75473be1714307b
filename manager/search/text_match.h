// Comparing text as SQL's LIKE does: the whole text, or with wildcards; in either case by default,
// also for the letters of Europe beyond ASCII.
#pragma once

#include "base/arena.h"

typedef struct TextPattern {
    const char **parts; // what stands between the wildcards
    size_t *lengths;
    int count;
    size_t shortest; // text that can match
    bool exact;      // case matters
} TextPattern;

// Grows to what the longest text needed.
typedef struct TextScratch {
    Arena *arena;
    char *text;
    size_t capacity;
} TextScratch;

// `inside`: it may stand anywhere in the text.
void text_pattern_init(TextPattern *pattern, Arena *arena, const char *const *parts, int count,
                       bool exact, bool inside);
bool text_pattern_matches(const TextPattern *pattern, const char *text, TextScratch *scratch);
// Small letters for capital ones; the length stays. `to` may be `text`, and has room for a NUL.
void text_fold(char *to, const char *text, size_t length);
