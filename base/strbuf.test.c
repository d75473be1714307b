#include "base/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

TEST(additions_follow_each_other)
{
    AUTO_STRBUF text = {0};
    strbuf_adds(&text, "vm");
    strbuf_addc(&text, '-');
    strbuf_addi(&text, 42);
    strbuf_addf(&text, "/%s", "disk");
    strbuf_add(&text, "\0x", 2);
    assert_int_equal(text.length, 12);
    assert_memory_equal(text.data, "vm-42/disk\0x", 13);
}

TEST(additions_of_nothing)
{
    AUTO_STRBUF text = {0};
    strbuf_adds(&text, NULL);
    assert_int_equal(text.length, 0);
    strbuf_addf(&text, "%s", "");
    assert_string_equal(text.data, "");
    strbuf_add(&text, NULL, 0);
    assert_int_equal(text.length, 0);
}

TEST(integers_to_the_ends)
{
    AUTO_STRBUF text = {0};
    int64_t numbers[] = {0, -1, 10, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        strbuf_addi(&text, numbers[i]);
        strbuf_addc(&text, ' ');
    }
    assert_string_equal(text.data, "0 -1 10 9223372036854775807 -9223372036854775808 ");
}

TEST(growth_keeps_content)
{
    AUTO_STRBUF text = {0};
    for (int i = 0; i < 100000; i++)
        strbuf_addc(&text, (char)('a' + i % 26));
    assert_int_equal(text.length, 100000);
    assert_int_equal(strlen(text.data), 100000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(text.data[i], 'a' + i % 26);
}

TEST(consume_from_the_front)
{
    AUTO_STRBUF text = {0};
    strbuf_consume(&text, 5); // nothing there
    strbuf_adds(&text, "abcdef");
    strbuf_consume(&text, 0);
    assert_string_equal(text.data, "abcdef");
    strbuf_consume(&text, 2);
    assert_string_equal(text.data, "cdef");
    strbuf_consume(&text, 4);
    assert_int_equal(text.length, 0);
    strbuf_adds(&text, "g");
    strbuf_consume(&text, 99);
    assert_string_equal(text.data, "");
}

TEST(take_leaves_an_empty_buffer)
{
    StrBuf text = {0};
    AUTO_FREE char *empty = strbuf_take(&text);
    assert_string_equal(empty, "");
    strbuf_adds(&text, "x");
    AUTO_FREE char *full = strbuf_take(&text);
    assert_string_equal(full, "x");
    assert_null(text.data);
    assert_int_equal(text.length + text.capacity, 0);
}

TEST(clear_keeps_the_memory)
{
    AUTO_STRBUF text = {0};
    strbuf_clear(&text);
    strbuf_adds(&text, "something");
    size_t capacity = text.capacity;
    strbuf_clear(&text);
    assert_string_equal(text.data, "");
    assert_int_equal(text.capacity, capacity);
}

static void overflow_reserve(void)
{
    StrBuf text = {0};
    strbuf_adds(&text, "x");
    strbuf_reserve(&text, SIZE_MAX - 1);
    text.data[100] = 'y';
}

TEST(overflow_is_fatal)
{
    assert_true(test_dies(overflow_reserve));
}
