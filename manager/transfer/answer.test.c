#include "manager/transfer/answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/test.h"

// Shows the text in pieces of `step`; returns the last step and the body.
static AnswerStep read_answer(Answer *answer, const char *text, size_t step, StrBuf *ret_body)
{
    size_t size = strlen(text);
    AnswerStep last = ANSWER_MORE;
    for (size_t from = 0, shown = 0; last != ANSWER_BROKEN && last != ANSWER_END;) {
        size_t used = 0;
        last = answer_step(answer, text + from, shown - from, &used);
        if (last == ANSWER_BODY)
            strbuf_add(ret_body, text + from, used);
        from += used;
        if (last == ANSWER_MORE && shown == size)
            break;
        if (last == ANSWER_MORE)
            shown = size - shown < step ? size : shown + step;
    }
    return last;
}

static void body_is(const char *text, AnswerStep expected, int status, const char *body)
{
    for (size_t step = 1; step < 200; step += 13) {
        Answer answer = {0};
        AUTO_STRBUF found = {0};
        assert_int_equal(read_answer(&answer, text, step, &found), expected);
        assert_int_equal(answer.status, status);
        assert_string_equal(found.data ? found.data : "", body);
        answer_done(&answer);
    }
}

TEST(bodies_end_where_their_head_says)
{
    body_is("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", ANSWER_END, 200, "hello");
    body_is("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", ANSWER_MORE, 200, "hell");
    body_is("HTTP/1.1 403\r\nContent-Length: 0\r\n\r\n", ANSWER_END, 403, "");
    body_is("HTTP/1.1 204 No Content\r\n\r\n", ANSWER_END, 204, "");
    body_is("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 206 P\r\nContent-Length: 1\r\n\r\nx", ANSWER_END,
            206, "x");
    body_is("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            "3;a=b\r\nabc\r\n0A\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
            ANSWER_END, 200, "abc0123456789");
    body_is("HTTP/1.0 200 OK\r\n\r\nhello", ANSWER_MORE, 200, "hello");
}

TEST(a_head_has_no_body)
{
    Answer answer = {.bodiless = true};
    AUTO_STRBUF body = {0};
    assert_int_equal(read_answer(&answer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 7, &body),
                     ANSWER_END);
    assert_int_equal(answer.length, 5);
    answer_done(&answer);
}

TEST(only_a_stream_may_end_with_its_connection)
{
    Answer stream = {0}, counted = {0};
    AUTO_STRBUF body = {0};
    read_answer(&stream, "HTTP/1.1 200 OK\r\n\r\nhello", 50, &body);
    assert_true(answer_may_end(&stream));
    read_answer(&counted, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", 50, &body);
    assert_false(answer_may_end(&counted));
    answer_done(&stream);
    answer_done(&counted);
}

TEST(nonsense_is_broken)
{
    static const char *const bad[] = {
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000000\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        Answer answer = {0};
        AUTO_STRBUF body = {0};
        assert_int_equal(read_answer(&answer, bad[i], 1000, &body), ANSWER_BROKEN);
        answer_done(&answer);
    }
}
