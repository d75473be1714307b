#include "base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TEST(new_memory_is_zeroed)
{
    AUTO_FREE unsigned char *data = memory_new(3, 100);
    for (int i = 0; i < 300; i++)
        assert_int_equal(data[i], 0);
}

TEST(nothing_is_still_memory)
{
    AUTO_FREE char *none = memory_new(0, 16);
    AUTO_FREE char *empty = memory_bytes(NULL, 0);
    none = memory_resize(none, 0, 0);
    assert_non_null(none);
    assert_string_equal(empty, "");
}

static void overflow_new(void)
{
    free(memory_new(SIZE_MAX / 2, 3));
}

static void overflow_resize(void)
{
    free(memory_resize(NULL, SIZE_MAX / 2, 3));
}

TEST(overflow_is_fatal)
{
    assert_true(test_dies(overflow_new));
    assert_true(test_dies(overflow_resize));
}

TEST(resize_keeps_content)
{
    AUTO_FREE char *data = memory_string("0123456789");
    data = memory_resize(data, 100000, 1);
    assert_string_equal(data, "0123456789");
}

TEST(copies_are_terminated)
{
    AUTO_FREE char *bytes = memory_bytes("ab\0cd-beyond", 5);
    assert_memory_equal(bytes, "ab\0cd", 6);
    AUTO_FREE char *text = memory_format("%s-%03d", "vm", 7);
    assert_string_equal(text, "vm-007");
    assert_null(memory_string(NULL));
}

TEST(take_forgets_the_pointer)
{
    char *text = memory_string("x");
    AUTO_FREE char *mine = TAKE(text);
    assert_null(text);
    assert_string_equal(mine, "x");
}

TEST(auto_close_closes)
{
    int seen;
    {
        AUTO_CLOSE int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        seen = fd;
    }
    assert_int_equal(fcntl(seen, F_GETFD), -1);
    assert_int_equal(errno, EBADF);
    AUTO_CLOSE int none = -1;
    (void)none;
}

typedef struct Holder {
    int before;
    char member;
} Holder;

TEST(container_finds_the_whole)
{
    Holder holder = {0};
    assert_ptr_equal(CONTAINER(&holder.member, Holder, member), &holder);
    int five[5];
    assert_int_equal(COUNT_OF(five), 5);
}
