#include "base/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/http_head.h"
#include "base/strbuf.h"

// Parses a copy whose last byte the sanitizer watches. The head lives as long as `*keep`.
static int parse(const char *text, size_t length, HttpHead *head, char **keep)
{
    const char *error = NULL;
    *keep = memory_resize(NULL, length, 1);
    memcpy(*keep, text, length);
    int status = http_head_parse(*keep, length, head, &error);
    assert_true(!status == !error);
    return status;
}

static int status_of(const char *text, size_t length)
{
    HttpHead head;
    AUTO_FREE char *keep = NULL;
    return parse(text, length, &head, &keep);
}

// Status of a request with these header lines beside Host.
static int status_with(const char *lines)
{
    AUTO_FREE char *text = memory_format("POST / HTTP/1.1\r\nHost: h\r\n%s\r\n", lines);
    return status_of(text, strlen(text));
}

TEST(parts_of_a_request)
{
    HttpHead head;
    AUTO_FREE char *keep = NULL;
    static const char text[] = "PATCH /api/vms/1?a=b?c HTTP/1.1\r\n"
                               "Host: example:443\r\n"
                               "content-LENGTH: 42\r\n"
                               "X-Empty:\r\n"
                               "X-Spaces: \t a b \t \r\n"
                               "X-Twice: 1\r\n"
                               "x-twice: 2\r\n"
                               "Expect: 100-Continue\r\n\r\n";
    assert_int_equal(parse(text, sizeof(text) - 1, &head, &keep), 0);
    assert_string_equal(head.method, "PATCH");
    assert_string_equal(head.path, "/api/vms/1");
    assert_string_equal(head.query, "a=b?c");
    assert_int_equal(head.minor, 1);
    assert_int_equal(head.count, 7);
    assert_true(head.has_length && !head.chunked && head.keep_alive && head.expects_continue);
    assert_int_equal(head.length, 42);
    assert_string_equal(http_head_get(&head, "host"), "example:443");
    assert_string_equal(http_head_get(&head, "X-Empty"), "");
    assert_string_equal(http_head_get(&head, "x-spaces"), "a b");
    assert_string_equal(http_head_get(&head, "X-TWICE"), "1");
    assert_null(http_head_get(&head, "X-None"));
}

TEST(end_of_head)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET ";
    size_t end = sizeof(text) - 1 - 4;
    for (size_t length = 0; length < end; length++)
        assert_int_equal(http_head_end(text, length), 0);
    assert_int_equal(http_head_end(text, end), end);
    assert_int_equal(http_head_end(text, sizeof(text) - 1), end);
    assert_int_equal(http_head_end("GET / HTTP/1.1\n\n", 16), 16);
    assert_int_equal(http_head_end("a\r\n\n", 4), 4);
    assert_int_equal(http_head_end("", 0), 0);
}

TEST(request_lines_that_are_refused)
{
    static const struct {
        const char *line;
        int status;
    } rows[] = {
        {"", 400},
        {"GET", 400},
        {"GET /", 400},
        {"GET  / HTTP/1.1", 400},
        {"GET / HTTP/1.1 ", 400},
        {" GET / HTTP/1.1", 400},
        {"GET /a b HTTP/1.1", 400},
        {"GET /\tx HTTP/1.1", 400},
        {"G(T / HTTP/1.1", 400},
        {"GET x HTTP/1.1", 400},
        {"GET http://h/ HTTP/1.1", 400},
        {"GET ** HTTP/1.1", 400},
        {"GET /#part HTTP/1.1", 400},
        {"GET /\xc3\xa4 HTTP/1.1", 400},
        {"GET /\x7f HTTP/1.1", 400},
        {"GET / HTTP/1.10", 505},
        {"GET / HTTP/1.2", 505},
        {"GET / HTTP/2.0", 505},
        {"GET / http/1.1", 400},
        {"GET / HTTP/11", 505},
        {"GET / XTTP/1.1", 400},
        {"OPTIONS * HTTP/1.1", 0},
        {"M-SEARCH /%20?x=%00 HTTP/1.0", 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *text = memory_format("%s\r\nHost: h\r\n\r\n", rows[i].line);
        int status = status_of(text, strlen(text));
        if (status != rows[i].status)
            fail_msg("%s: %d", rows[i].line, status);
    }
}

TEST(header_lines_that_are_refused)
{
    static const struct {
        const char *lines;
        int status;
    } rows[] = {
        {"X: y\r\n", 0},
        {"X : y\r\n", 400},
        {" X: y\r\n", 400},
        {"X: a\r\n b\r\n", 400},
        {"X: a\r\n\tb\r\n", 400},
        {"X\r\n", 400},
        {": y\r\n", 400},
        {"X(y): z\r\n", 400},
        {"X: a\nY: b\r\n", 400},
        {"X: a\rY: b\r\n", 400},
        {"X: a\r\r\n", 400},
        {"X: a\x01\r\n", 400},
        {"X: a\tb\xff\r\n", 0},
        {"Host: other\r\n", 400},
        {"Content-Length: 5\r\n", 0},
        {"Content-Length: 5\r\nContent-Length: 5\r\n", 400},
        {"Content-Length: 5, 5\r\n", 400},
        {"Content-Length: +5\r\n", 400},
        {"Content-Length: -5\r\n", 400},
        {"Content-Length: 5x\r\n", 400},
        {"Content-Length: 0x5\r\n", 400},
        {"Content-Length: 5 5\r\n", 400},
        {"Content-Length:\r\n", 400},
        {"Content-Length: 999999999999999999\r\n", 0},
        {"Content-Length: 9999999999999999999\r\n", 400},
        {"Transfer-Encoding: Chunked\r\n", 0},
        {"Transfer-Encoding: gzip, chunked\r\n", 501},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 501},
        {"Transfer-Encoding:\r\n", 501},
        {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400},
        {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (status_with(rows[i].lines) != rows[i].status)
            fail_msg("%s: %d", rows[i].lines, status_with(rows[i].lines));
}

TEST(host_is_needed_once)
{
    assert_int_equal(status_of("GET / HTTP/1.1\r\n\r\n", 18), 400);
    assert_int_equal(status_of("GET / HTTP/1.0\r\n\r\n", 18), 0);
    static const char old[] = "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n";
    assert_int_equal(status_of(old, sizeof(old) - 1), 400);
}

TEST(no_nul_and_no_bare_line_feed)
{
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: h\0\r\n\r\n", 28), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\nHost: h\n\n", 24), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: h\r\n\n", 26), 400);
    assert_int_equal(status_of("\n\n", 2), 400);
    assert_int_equal(status_of("", 0), 400);
}

TEST(too_long_and_too_many)
{
    AUTO_FREE char *long_path = test_repeat("x", HTTP_LINE_MAX);
    AUTO_FREE char *request = memory_format("GET /%s HTTP/1.1\r\nHost: h\r\n\r\n", long_path);
    assert_int_equal(status_of(request, strlen(request)), 414);
    AUTO_FREE char *value = memory_format("X: %s\r\n", long_path);
    assert_int_equal(status_with(value), 0);
    AUTO_FREE char *most = test_repeat("X: y\r\n", HTTP_HEADERS_MAX - 1);
    AUTO_FREE char *more = test_repeat("X: y\r\n", HTTP_HEADERS_MAX);
    assert_int_equal(status_with(most), 0);
    assert_int_equal(status_with(more), 431);
}

TEST(keep_alive)
{
    static const struct {
        int minor;
        const char *lines;
        bool keep;
    } rows[] = {
        {1, "", true},
        {1, "Connection: close\r\n", false},
        {1, "Connection: Upgrade, Close\r\n", false},
        {1, "Connection: ,, close ,x\r\n", false},
        {1, "Connection: closed\r\n", true},
        {1, "Connection: keep-alive\r\n", true},
        {0, "", false},
        {0, "Connection: Keep-Alive\r\n", true},
        {0, "Connection: keep-alive-not\r\n", false},
        {0, "Connection: keep-alive, close\r\n", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        HttpHead head;
        AUTO_FREE char *keep = NULL;
        AUTO_FREE char *text =
            memory_format("GET / HTTP/1.%d\r\nHost: h\r\n%s\r\n", rows[i].minor, rows[i].lines);
        assert_int_equal(parse(text, strlen(text), &head, &keep), 0);
        if (head.keep_alive != rows[i].keep)
            fail_msg("HTTP/1.%d %s", rows[i].minor, rows[i].lines);
    }
}

TEST(old_http_has_neither_chunks_nor_continue)
{
    HttpHead head;
    AUTO_FREE char *keep = NULL;
    static const char chunked[] = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    static const char expects[] =
        "POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n";
    assert_int_equal(status_of(chunked, sizeof(chunked) - 1), 400);
    assert_int_equal(parse(expects, sizeof(expects) - 1, &head, &keep), 0);
    assert_false(head.expects_continue);
}

TEST(decode)
{
    static const struct {
        const char *text;
        bool plus;
        const char *decoded; // NULL: refused
    } rows[] = {
        {"", false, ""},
        {"a%20b+c", false, "a b+c"},
        {"a%20b+c%2B", true, "a b c+"},
        {"%c3%A4%25", false, "\xc3\xa4%"},
        {"%", false, NULL},
        {"%4", false, NULL},
        {"%4g", false, NULL},
        {"%g4", false, NULL},
        {"a%00b", false, NULL},
        {"%%41", false, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *text = memory_string(rows[i].text);
        bool good = http_decode(text, rows[i].plus);
        assert_int_equal(good, rows[i].decoded != NULL);
        if (good)
            assert_string_equal(text, rows[i].decoded);
    }
}
