#include "agent/image/image_request.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"

static ImageTarget target(const char *path, const char *expected_ticket)
{
    AUTO_FREE char *copy = memory_string(path);
    const char *ticket;
    ImageTarget result = image_target_parse(copy, &ticket);
    if (expected_ticket)
        assert_string_equal(ticket, expected_ticket);
    return result;
}

TEST(targets_are_told_apart)
{
    assert_int_equal(target("/images/abc", "abc"), IMAGE_TARGET_IMAGE);
    assert_int_equal(target("/images/*", "*"), IMAGE_TARGET_IMAGE);
    assert_int_equal(target("/images/%2a", "*"), IMAGE_TARGET_IMAGE);
    assert_int_equal(target("/images/abc/extents", "abc"), IMAGE_TARGET_EXTENTS);
    assert_int_equal(target("/images/abc/checksum", "abc"), IMAGE_TARGET_CHECKSUM);
    assert_int_equal(target("/images/abc/checksum/algorithms", "abc"), IMAGE_TARGET_ALGORITHMS);
    assert_int_equal(target("/images/", ""), IMAGE_TARGET_IMAGE);
    assert_int_equal(target("/images", ""), IMAGE_TARGET_IMAGE);
    assert_int_equal(target("/info/", ""), IMAGE_TARGET_INFO);
    assert_int_equal(target("/imagesabc", NULL), IMAGE_TARGET_UNKNOWN);
    assert_int_equal(target("/images/abc/else", NULL), IMAGE_TARGET_UNKNOWN);
    assert_int_equal(target("/images/%zz", NULL), IMAGE_TARGET_UNKNOWN);
    assert_int_equal(target("/", NULL), IMAGE_TARGET_UNKNOWN);
}

TEST(query_values_are_found)
{
    AUTO_FREE char *flush = image_query_get("a=1&flush=n&close=y", "flush");
    assert_string_equal(flush, "n");
    AUTO_FREE char *last = image_query_get("a=1&a=2", "a");
    assert_string_equal(last, "2");
    AUTO_FREE char *empty = image_query_get("a&b", "b");
    assert_string_equal(empty, "");
    assert_null(image_query_get("flushed=n", "flush"));
    assert_null(image_query_get("", "flush"));
}

TEST(flags_are_y_or_n)
{
    AUTO_FAIL why = {0};
    bool flag = false;
    assert_int_equal(image_query_flag("", "flush", true, &flag, NULL), 0);
    assert_true(flag);
    assert_int_equal(image_query_flag("flush=n", "flush", true, &flag, NULL), 0);
    assert_false(flag);
    assert_true(image_query_flag("flush=no", "flush", true, &flag, &why) < 0);
    assert_int_equal(fail_http_status(why.code), 400);
}

static void range_is(const char *header, int64_t size, int64_t offset, int64_t length)
{
    ByteRange range;
    assert_int_equal(image_range_parse(header, size, &range, NULL), 0);
    assert_int_equal(range.offset, offset);
    assert_int_equal(range.length, length);
}

TEST(ranges_are_resolved)
{
    range_is("bytes=0-0", 100, 0, 1);
    range_is("bytes=0-99", 100, 0, 100);
    range_is("bytes=10-", 100, 10, 90);
    range_is("bytes=-10", 100, 90, 10);
    range_is("bytes=-1000", 100, 0, 100);
}

TEST(other_ranges_are_refused)
{
    static const char *const bad[] = {
        "bytes=0-100", "bytes=100-",    "bytes=5-4",  "bytes=-",
        "bytes=",      "bytes",         "bytes=-0",   "bytes=0-1,3-4",
        "Bytes=0-1",   "bytes=0-1 ",    "bytes= 0-1", "bytes=+1-2",
        "bytes=a-b",   "bytes=--1",     "",           "bytes=0-9223372036854775808",
        "items=0-1",   "bytes=0x1-0x2", "bytes=1",    "bytes=1111111111111111111-",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO_FAIL why = {0};
        ByteRange range = {7, 7};
        assert_true(image_range_parse(bad[i], 100, &range, &why) < 0);
        assert_int_equal(fail_http_status(why.code), 416);
        assert_int_equal(range.offset, 7);
    }
    ByteRange range;
    assert_true(image_range_parse("bytes=0-", 0, &range, NULL) < 0);
    assert_true(image_range_parse("bytes=-5", 0, &range, NULL) < 0);
}

TEST(content_ranges_give_the_offset)
{
    static const char *const bad[] = {
        "bytes 5-4/*", "bytes */10", "bytes 0-10/10", "bytes=0-1/*",  "bytes 0-1",
        "bytes 0-1/",  "bytes -1/*", "0-1/*",         "bytes 0-1/5x", ""};
    int64_t offset = -1;
    assert_int_equal(image_content_range_parse("bytes 4096-8191/*", &offset, NULL), 0);
    assert_int_equal(offset, 4096);
    assert_int_equal(image_content_range_parse("bytes 1-*/*", &offset, NULL), 0);
    assert_int_equal(offset, 1);
    assert_int_equal(image_content_range_parse("bytes 0-9/10", &offset, NULL), 0);
    assert_int_equal(offset, 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO_FAIL why = {0};
        assert_true(image_content_range_parse(bad[i], &offset, &why) < 0);
        assert_int_equal(fail_http_status(why.code), 400);
    }
}

TEST(operations_are_read)
{
    static const char zero[] = "{\"op\":\"zero\",\"offset\":4096,\"size\":8192,\"flush\":true}";
    static const char plain[] = "{\"op\":\"zero\",\"size\":1}";
    static const char flush[] = "{\"op\":\"flush\",\"size\":\"ignored\"}";
    ImagePatch patch = {0};
    assert_int_equal(image_patch_parse(zero, strlen(zero), &patch, NULL), 0);
    assert_int_equal(patch.kind, PATCH_ZERO);
    assert_int_equal(patch.offset, 4096);
    assert_int_equal(patch.size, 8192);
    assert_true(patch.flush);
    assert_int_equal(image_patch_parse(plain, strlen(plain), &patch, NULL), 0);
    assert_int_equal(patch.offset, 0);
    assert_false(patch.flush);
    assert_int_equal(image_patch_parse(flush, strlen(flush), &patch, NULL), 0);
    assert_int_equal(patch.kind, PATCH_FLUSH);
}

TEST(wrong_operations_are_refused)
{
    static const char *const bad[] = {
        "",
        "[]",
        "1",
        "{}",
        "{\"op\":\"trim\",\"size\":1}",
        "{\"op\":\"zero\"}",
        "{\"op\":\"zero\",\"size\":-1}",
        "{\"op\":\"zero\",\"size\":\"1\"}",
        "{\"op\":\"zero\",\"size\":1.5}",
        "{\"op\":\"zero\",\"size\":1,\"offset\":-1}",
        "{\"op\":\"zero\",\"size\":1,\"flush\":\"y\"}",
        "{\"op\":\"zero\",\"size\":99999999999999999999}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO_FAIL why = {0};
        ImagePatch patch;
        assert_true(image_patch_parse(bad[i], strlen(bad[i]), &patch, &why) < 0);
        assert_int_equal(fail_http_status(why.code), 400);
    }
}

TEST(nbd_addresses_are_split)
{
    static const char *const bad[] = {"nbd:unix:", "nbd:unix:relative", "nbd:localhost:10809",
                                      "file:///a", "nbd:unix:/a:b",     ""};
    char *path, *export;
    assert_true(nbd_url_parse("nbd:unix:/run/a.sock", &path, &export));
    assert_string_equal(path, "/run/a.sock");
    assert_string_equal(export, "");
    free(path);
    free(export);
    assert_true(nbd_url_parse("nbd:unix:/run/a.sock:exportname=sda:1", &path, &export));
    assert_string_equal(path, "/run/a.sock");
    assert_string_equal(export, "sda:1");
    free(path);
    free(export);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(nbd_url_parse(bad[i], &path, &export));
}
