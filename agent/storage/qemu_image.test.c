#include "agent/storage/qemu_image.h"

#include <string.h>

#include "base/test.h"

static int parse(const char *text)
{
    return qemu_progress_parse(text, strlen(text));
}

TEST(progress_is_understood)
{
    assert_int_equal(parse("    (0.00/100%)\r"), 0);
    assert_int_equal(parse("    (12.50/100%)\r"), 12);
    assert_int_equal(parse("    (12.50/100%)\r    (99.99/100%)\r"), 99);
    assert_int_equal(parse("    (100.00/100%)\r\n"), 100);
    assert_int_equal(parse("    (12.50/100%)\r    (1"), 12);
    assert_int_equal(parse("(101.0/100%)"), -1);
    assert_int_equal(parse("(99999999999999999999/100%)"), -1);
    assert_int_equal(parse("(x"), -1);
    assert_int_equal(parse("("), -1);
    assert_int_equal(parse(""), -1);
}
