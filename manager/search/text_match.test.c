#include "base/test.h"

#include <string.h>

#include "manager/search/text_match.h"

static bool matches(const char *const *parts, int count, const char *text, bool exact, bool inside)
{
    AUTO_ARENA arena = {0};
    TextPattern pattern;
    TextScratch scratch = {.arena = &arena};
    text_pattern_init(&pattern, &arena, parts, count, exact, inside);
    return text_pattern_matches(&pattern, text, &scratch);
}

#define PARTS(...)                      \
    (const char *const[]){__VA_ARGS__}, \
        (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))
#define LIKE(text, ...)   matches(PARTS(__VA_ARGS__), text, true, false)
#define ILIKE(text, ...)  matches(PARTS(__VA_ARGS__), text, false, false)
#define INSIDE(text, ...) matches(PARTS(__VA_ARGS__), text, false, true)

TEST(without_wildcards_the_whole_text_counts)
{
    assert_true(LIKE("web", "web"));
    assert_false(LIKE("web1", "web"));
    assert_false(LIKE("we", "web"));
    assert_false(LIKE("xweb", "web"));
    assert_true(LIKE("", ""));
    assert_false(LIKE("a", ""));
}

TEST(wildcards_stand_for_anything)
{
    assert_true(LIKE("web1", "web", ""));
    assert_true(LIKE("web", "web", ""));
    assert_true(LIKE("myweb", "", "web"));
    assert_true(LIKE("", "", ""));
    assert_true(LIKE("abc", "a", "c"));
    assert_false(LIKE("a", "a", "a")); // each part needs its own place
    assert_true(LIKE("aXbYc", "a", "b", "c"));
    assert_false(LIKE("acb", "a", "b", "c"));
    assert_true(LIKE("abab", "", "ab", "ab"));
    assert_false(LIKE("aba", "", "ab", "ba", ""));
    assert_true(LIKE("abba", "", "ab", "ba", ""));
}

TEST(case_matters_when_asked)
{
    assert_true(ILIKE("Web", "wEB"));
    assert_false(LIKE("Web", "web"));
    assert_true(ILIKE("MyWEB1", "my", "eb", ""));
    assert_true(INSIDE("a Web server", "web"));
    assert_false(INSIDE("a server", "web"));
    assert_true(INSIDE("a web server", "w", "server"));
}

TEST(letters_beyond_ascii_fold)
{
    static const struct {
        const char *large, *small;
    } rows[] = {
        {"ÄÖÜÉÑÞ", "äöüéñþ"}, {"ĀŁŃŐŽ", "āłńőž"}, {"Ÿ", "ÿ"},
        {"ΑΩ", "αω"},         {"АЯЁ", "аяё"},     {"Ґ", "ґ"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(ILIKE(rows[i].large, rows[i].small));
        assert_false(LIKE(rows[i].large, rows[i].small));
    }
    assert_false(ILIKE("×", "÷")); // these are signs, not letters
    assert_true(ILIKE("東京 VM", "東京 vm"));
}

TEST(folding_keeps_length_and_copes_with_half_letters)
{
    static const char text[] = "A\xc3"; // cut inside of a letter
    char folded[sizeof(text)];
    text_fold(folded, text, strlen(text));
    assert_string_equal(folded, "a\xc3");
    for (int lead = 0xc2; lead < 0xe0; lead++)
        for (int trail = 0x80; trail < 0xc0; trail++) {
            char letter[] = {(char)lead, (char)trail, 0}, once[3], twice[3];
            text_fold(once, letter, 2);
            text_fold(twice, once, 2);
            assert_int_equal(strlen(once), 2);
            assert_string_equal(once, twice);
        }
}

TEST(long_text_finds_room)
{
    AUTO_FREE char *text = test_repeat("Aa", 5000);
    assert_true(ILIKE(text, "aaa", "aaa"));
    assert_false(ILIKE(text, "aaa", "b"));
}
