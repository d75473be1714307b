#include "base/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"

TEST(known_texts_both_ways)
{
    static const struct {
        const char *plain, *coded;
    } rows[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"\xff\xfe\xfd", "//79"},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t length = 99;
        AUTO_FREE char *coded = base64_encode(rows[i].plain, strlen(rows[i].plain));
        assert_string_equal(coded, rows[i].coded);
        AUTO_FREE char *plain = base64_decode(coded, &length);
        assert_string_equal(plain, rows[i].plain);
        assert_int_equal(length, strlen(rows[i].plain));
    }
}

TEST(every_length_and_byte_comes_back)
{
    unsigned char data[300];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(255 - i);
    for (size_t length = 0; length <= sizeof(data); length++) {
        size_t back_length = 0;
        AUTO_FREE char *coded = base64_encode(data, length);
        AUTO_FREE char *back = base64_decode(coded, &back_length);
        assert_int_equal(back_length, length);
        assert_memory_equal(back, data, length);
        assert_int_equal(back[length], 0);
    }
}

TEST(white_space_is_skipped)
{
    size_t length;
    AUTO_FREE char *plain = base64_decode(" Zm\r\n9v\tYg = =\n", &length);
    assert_string_equal(plain, "foob");
}

TEST(malformed_texts_are_refused)
{
    static const char *const bad[] = {"Z",       "Zg",       "Zg=",   "Zg===", "=",
                                      "====",    "Zg==Zg==", "Zm9v=", "Z=m9",  "Zm-_",
                                      "Zm9\xc3", "Zm9v!",    "Zm.v",  "=Zm9"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        size_t length = 99;
        AUTO_FREE char *plain = base64_decode(bad[i], &length);
        if (plain)
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(length, 99);
    }
}
