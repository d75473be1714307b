#include "base/test.h"

#include <string.h>

#include "base/arena.h"

TEST(memory_is_zeroed_and_aligned)
{
    AUTO_ARENA arena;
    arena_init(&arena, 100);
    for (size_t size = 0; size < 300; size++) {
        char *memory = arena_alloc(&arena, size);
        assert_int_equal((uintptr_t)memory % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(memory[i], 0);
        memset(memory, 0xff, size);
    }
}

TEST(pieces_do_not_overlap)
{
    AUTO_ARENA arena = {0};
    unsigned char *pieces[500];
    for (int i = 0; i < 500; i++)
        memset(pieces[i] = arena_alloc(&arena, (size_t)i), i & 0xff, (size_t)i);
    for (int i = 0; i < 500; i++)
        for (int k = 0; k < i; k++)
            assert_int_equal(pieces[i][k], i & 0xff);
}

TEST(zeroed_arena_needs_no_init)
{
    AUTO_ARENA arena = {0};
    assert_string_equal(arena_string(&arena, "host"), "host");
    assert_null(arena_string(&arena, NULL));
    assert_memory_equal(arena_bytes(&arena, "a\0b", 3), "a\0b", 4);
}

TEST(formats_of_every_length)
{
    AUTO_ARENA arena = {0};
    for (int length = 250; length < 260; length++) { // around the small buffer inside
        char *text = arena_format(&arena, "%*d", length, 7);
        assert_int_equal(strlen(text), length);
        assert_int_equal(text[length - 1], '7');
    }
    assert_string_equal(arena_format(&arena, "%s", ""), "");
}

TEST(big_pieces_get_a_chunk_of_their_own)
{
    AUTO_ARENA arena;
    arena_init(&arena, 64);
    char *big = arena_alloc(&arena, 5 << 20);
    big[(5 << 20) - 1] = 'x';
    assert_in_range(arena.total, 5 << 20, (5 << 20) + 4096);
}

static void overflow_size(void)
{
    Arena arena = {0};
    memset(arena_alloc(&arena, SIZE_MAX - 3), 1, 1);
}

static size_t too_many = SIZE_MAX / 8 + 2;

static void overflow_count(void)
{
    Arena arena = {0};
    ARENA_ARRAY(&arena, int64_t, too_many)[0] = 1;
}

TEST(overflow_is_fatal)
{
    assert_true(test_dies(overflow_size));
    assert_true(test_dies(overflow_count));
}
