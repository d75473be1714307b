#include "base/test.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

// The document written again, or the error.
static const char *again(Arena *arena, const char *text, size_t length)
{
    const char *error = NULL;
    size_t offset = 0;
    Json *root = json_parse(arena, text, length, &error, &offset);
    if (!root) {
        assert_non_null(error);
        assert_true(offset <= length);
        return arena_format(arena, "! %s", error);
    }
    AUTO_STRBUF out = {0};
    JsonWriter writer = {.out = &out};
    json_put(&writer, root);
    return arena_bytes(arena, out.data, out.length);
}

#define assert_json(text, expected) assert_string_equal(again(&arena, text, strlen(text)), expected)

TEST(documents_come_back_as_they_were)
{
    static const char *const texts[] = {
        "null",
        "true",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "0.1",
        "1.5e+300",
        "\"\"",
        "[]",
        "{}",
        "[1,[2,[]],{}]",
        "{\"a\":1,\"b\":[true,false,null],\"\":{\"c\":\"d\"}}",
        "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"",
        "\"a\\\"b\\\\c\\nd\\u0001\"",
    };
    AUTO_ARENA arena = {0};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_json(texts[i], texts[i]);
}

TEST(zero_has_no_sign)
{
    AUTO_ARENA arena = {0};
    assert_json("[-0,-0.0,0.0,-0e5,-1e-400]", "[0,0,0,0,0]");
}

TEST(white_space_is_dropped)
{
    AUTO_ARENA arena = {0};
    assert_json(" \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } } \n", "{\"a\":[1,2],\"b\":{}}");
}

TEST(escapes)
{
    AUTO_ARENA arena = {0};
    assert_json("\"\\/\\b\\f\\r\\t\\u0041\"", "\"/\\u0008\\u000c\\u000d\\u0009A\"");
    assert_json("\"\\u00e4\\u20AC\\uD83D\\uDe00\"", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

TEST(malformed_documents_are_refused)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", "unexpected end"},
        {"  ", "unexpected end"},
        {"[", "unexpected end"},
        {"[1", "unexpected end"},
        {"[1,", "unexpected end"},
        {"{\"a\"", "expected ':'"},
        {"{\"a\":", "unexpected end"},
        {"{\"a\":1,}", "expected a string as key"},
        {"{a:1}", "expected a string as key"},
        {"[1,]", "invalid number"},
        {"[,1]", "invalid number"},
        {"[1 2]", "expected ',' or the closing bracket"},
        {"{\"a\":1]", "expected ',' or the closing bracket"},
        {"1 2", "text after the end"},
        {"nul", "unknown word"},
        {"nullx", "text after the end"},
        {"True", "invalid number"},
        {"'a'", "invalid number"},
        {"01", "invalid number"},
        {"-", "invalid number"},
        {"+1", "invalid number"},
        {".5", "invalid number"},
        {"1.", "invalid number"},
        {"1e", "invalid number"},
        {"1e+", "invalid number"},
        {"0x10", "text after the end"},
        {"NaN", "invalid number"},
        {"9223372036854775808", "number out of range"},
        {"-9223372036854775809", "number out of range"},
        {"1e999", "number out of range"},
        {"\"a", "unterminated string or control character in it"},
        {"\"a\nb\"", "unterminated string or control character in it"},
        {"\"\\\"", "unterminated string or control character in it"},
        {"\"\\x\"", "invalid escape"},
        {"\"\\\x01\"", "invalid escape"},
        {"\"\\u12\"", "invalid escape"},
        {"\"\\u123g\"", "invalid escape"},
        {"\"\\u0000\"", "invalid escape"},
        {"\"\\ud800\"", "invalid escape"},
        {"\"\\ud800\\u0041\"", "invalid escape"},
        {"\"\\udc00\"", "invalid escape"},
        {"\"\xff\"", "invalid UTF-8"},
        {"\"\xc0\x80\"", "invalid UTF-8"},
        {"\"\xed\xa0\x80\"", "invalid UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "invalid UTF-8"},
        {"\"\xe2\x82\"", "invalid UTF-8"},
    };
    AUTO_ARENA arena = {0};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_json(rows[i].text, arena_format(&arena, "! %s", rows[i].error));
    assert_string_equal(again(&arena, "1\0", 2), "! text after the end");
    assert_string_equal(again(&arena, "\"a\0b\"", 5),
                        "! unterminated string or control character in it");
}

TEST(error_place_is_told)
{
    AUTO_ARENA arena = {0};
    const char *error = NULL;
    size_t offset = 0;
    assert_null(json_parse(&arena, "[1, x]", 6, &error, &offset));
    assert_int_equal(offset, 4);
    assert_null(json_parse(&arena, "[1, x]", 6, NULL, NULL));
}

TEST(no_byte_behind_the_text_is_read)
{
    AUTO_ARENA arena = {0};
    static const char whole[] = "{\"key\":[\"v\\u00e4\xc3\xa4\",-1.5e3,true,null]}";
    for (size_t length = 0; length < sizeof(whole) - 1; length++) {
        AUTO_FREE char *exact = memory_resize(NULL, length, 1); // the sanitizer watches its end
        memcpy(exact, whole, length);
        assert_int_equal(*again(&arena, exact, length), '!');
    }
}

TEST(depth_is_limited)
{
    AUTO_ARENA arena = {0};
    char text[2 * JSON_DEPTH_MAX + 2];
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_string_equal(again(&arena, text, sizeof(text)), "! nested too deeply");
    assert_int_equal(*again(&arena, text + 1, sizeof(text) - 2), '[');
    AUTO_FREE char *side_by_side = test_repeat("[],", 1000);
    AUTO_FREE char *many = memory_format("[%s1]", side_by_side);
    assert_json(many, many);
}

TEST(long_numbers)
{
    AUTO_ARENA arena = {0};
    AUTO_FREE char *zeros = test_repeat("0", 390);
    assert_json(arena_format(&arena, "0.%s5", zeros), "0");
    assert_json(arena_format(&arena, "0.%s00000000005", zeros), "! number too long");
}

TEST(members_are_found)
{
    AUTO_ARENA arena = {0};
    static const char text[] =
        "{\"s\":\"x\",\"n\":7,\"ns\":\"-8\",\"d\":2.75,\"ds\":\"0.5\",\"t\":true,"
        "\"f\":\"False\",\"z\":null,\"n\":9,\"e\":\"\"}";
    Json *root = json_parse(&arena, text, sizeof(text) - 1, NULL, NULL);
    assert_non_null(root);
    assert_int_equal(root->count, 10);
    assert_string_equal(json_get_string(root, "s"), "x");
    assert_null(json_get_string(root, "n"));
    assert_null(json_get(root, "missing"));
    assert_int_equal(json_get_integer(root, "n", -1), 7); // the first one counts
    assert_int_equal(json_get_integer(root, "ns", -1), -8);
    assert_int_equal(json_get_integer(root, "d", -1), 2);
    assert_int_equal(json_get_integer(root, "s", -1), -1);
    assert_int_equal(json_get_integer(root, "e", -1), -1);
    assert_int_equal(json_get_integer(root, "z", -1), -1);
    assert_true(json_get_decimal(root, "d", 0) == 2.75);
    assert_true(json_get_decimal(root, "ds", 0) == 0.5);
    assert_true(json_get_decimal(root, "n", 0) == 7);
    assert_true(json_get_decimal(root, "s", 3) == 3);
    assert_true(json_get_decimal(root, "e", 3) == 3);
    assert_true(json_get_bool(root, "t", false));
    assert_false(json_get_bool(root, "f", true));
    assert_true(json_get_bool(root, "s", true));
    assert_false(json_get_bool(root, "missing", false));
    assert_null(json_get(json_get(root, "n"), "x"));
    assert_null(json_first(json_get(root, "s")));
    assert_null(json_get(NULL, "x"));
}

TEST(strings_as_numbers_have_digits_only)
{
    AUTO_ARENA arena = {0};
    static const char text[] =
        "[\" 5\",\"+5\",\"5 \",\"0x5\",\"-\",\"9223372036854775808\",\"5.0\"]";
    int64_t number = 77;
    JSON_EACH(json_parse(&arena, text, sizeof(text) - 1, NULL, NULL), value)
        if (json_integer(value, &number))
            fail_msg("%s became %lld", value->string, (long long)number);
    assert_int_equal(number, 77);
    static const char decimals[] = "{\"a\":\" 1\",\"b\":\"0x1p3\",\"c\":\"inf\",\"d\":\"nan\"}";
    Json *root = json_parse(&arena, decimals, sizeof(decimals) - 1, NULL, NULL);
    for (const char *key = "a\0b\0c\0d\0"; *key; key += 2)
        assert_true(json_get_decimal(root, key, -1) == -1);
}

TEST(decimals_beyond_integers_are_no_integers)
{
    AUTO_ARENA arena = {0};
    int64_t number;
    assert_false(json_integer(json_parse(&arena, "1e19", 4, NULL, NULL), &number));
    assert_false(json_integer(json_parse(&arena, "-1e300", 6, NULL, NULL), &number));
    assert_true(json_integer(json_parse(&arena, "1e18", 4, NULL, NULL), &number));
    assert_int_equal(number, 1000000000000000000);
}

TEST(writer_puts_the_commas)
{
    AUTO_STRBUF out = {0};
    JsonWriter writer = {.out = &out};
    json_open(&writer, '{');
    json_add_string(&writer, "name", "a\"b");
    json_add_string(&writer, "none", NULL);
    json_add_integer(&writer, "n", -3);
    json_add_decimal(&writer, "d", 0.1);
    json_add_decimal(&writer, "inf", INFINITY);
    json_add_bool(&writer, "b", true);
    json_add_format(&writer, "f", "%d%%", 5);
    json_add_format(&writer, "e", "%s", "");
    json_key(&writer, "list");
    json_open(&writer, '[');
    json_open(&writer, '[');
    json_close(&writer, ']');
    json_put_integer(&writer, 1);
    json_put_raw(&writer, "{}", 2);
    json_put(&writer, NULL);
    json_close(&writer, ']');
    json_close(&writer, '}');
    assert_string_equal(out.data, "{\"name\":\"a\\\"b\",\"none\":null,\"n\":-3,\"d\":0.1,"
                                  "\"inf\":null,\"b\":true,\"f\":\"5%\",\"e\":\"\","
                                  "\"list\":[[],1,{},null]}");
}

TEST(decimals_read_back_as_the_same_number)
{
    static const double numbers[] = {0.1,           1.0 / 3, 1e-310, 1.7976931348623157e308,
                                     123456789.125, 0};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        AUTO_ARENA arena = {0};
        AUTO_STRBUF out = {0};
        JsonWriter writer = {.out = &out};
        json_open(&writer, '{');
        json_add_decimal(&writer, "x", numbers[i]);
        json_close(&writer, '}');
        Json *root = json_parse(&arena, out.data, out.length, NULL, NULL);
        assert_true(json_get_decimal(root, "x", -1) == numbers[i]);
    }
}

TEST(bad_bytes_are_replaced_on_output)
{
    // A program's error message in Latin-1 must not make the whole answer unreadable.
    static const struct {
        const char *text, *quoted;
    } rows[] = {
        {"caf\xe9", "\"caf\xef\xbf\xbd\""},
        {"\xff\xfe", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xc3\xa4\xed\xa0\x80!", "\"\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!\""},
        {"\xf0\x9f\x98\x80\x7f", "\"\xf0\x9f\x98\x80\x7f\""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_STRBUF out = {0};
        json_quote(&out, rows[i].text, strlen(rows[i].text));
        assert_string_equal(out.data, rows[i].quoted);
    }
}

TEST(utf8)
{
    assert_true(utf8_valid("", 0));
    assert_true(utf8_valid("a\0b", 3));
    assert_true(utf8_valid("\xef\xbf\xbf\xf4\x8f\xbf\xbf", 7));
    assert_false(utf8_valid("\x80", 1));
    assert_false(utf8_valid("\xc1\xbf", 2));
    assert_false(utf8_valid("\xe0\x9f\xbf", 3));
    assert_false(utf8_valid("\xf0\x8f\xbf\xbf", 4));
    assert_false(utf8_valid("\xf5\x80\x80\x80", 4));
    assert_false(utf8_valid("\xe2\x82\xac", 2));
}
