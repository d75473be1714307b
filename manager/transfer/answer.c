#include "manager/transfer/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_LINE_MAX = 4096 };

void answer_done(Answer *answer)
{
    free(answer->text);
    *answer = (Answer){0};
}

// "HTTP/1.1 200 OK"; returns the length of the line with its CR LF, 0 when it is wrong.
static size_t status_line_parse(const char *data, size_t length, int *ret_minor, int *ret_status)
{
    const char *end = memchr(data, '\n', length);
    size_t line = end ? (size_t)(end - data) + 1 : 0;
    if (line < 14 || memcmp(data, "HTTP/1.", 7) || (data[7] != '0' && data[7] != '1') ||
        data[8] != ' ' || end[-1] != '\r')
        return 0;
    for (int i = 9; i < 12; i++)
        if (data[i] < '0' || data[i] > '9')
            return 0;
    if (data[9] == '0' || (data[12] != ' ' && data[12] != '\r'))
        return 0;
    *ret_minor = data[7] - '0';
    *ret_status = (data[9] - '0') * 100 + (data[10] - '0') * 10 + data[11] - '0';
    return line;
}

// Header lines are the same in both directions: they are read as a request's.
static bool head_parse(Answer *answer, const char *data, size_t length)
{
    int minor;
    const char *error;
    size_t line = status_line_parse(data, length, &minor, &answer->status);
    if (!line)
        return false;
    free(answer->text);
    answer->text =
        memory_format("X / HTTP/1.%d\r\nHost: x\r\n%.*s", minor, (int)(length - line), data + line);
    size_t prefix = strlen("X / HTTP/1.1\r\nHost: x\r\n");
    return !memchr(data, 0, length) &&
           http_head_parse(answer->text, prefix + length - line, &answer->head, &error) == 0;
}

static void head_judge(Answer *answer)
{
    const HttpHead *head = &answer->head;
    bool bodiless = answer->bodiless || answer->status == 204 || answer->status == 304;
    answer->length = head->has_length ? head->length : bodiless ? 0 : -1;
    answer->left = head->has_length ? head->length : 0;
    if (bodiless || (head->has_length && !head->length))
        answer->state = ANSWER_AT_END;
    else if (head->has_length)
        answer->state = ANSWER_IN_BODY;
    else
        answer->state = head->chunked ? ANSWER_IN_SIZE : ANSWER_IN_STREAM;
}

static AnswerStep answer_head(Answer *answer, const char *data, size_t length, size_t *ret_used)
{
    size_t end = http_head_end(data, length);
    if (!end)
        return length > HTTP_HEAD_MAX ? ANSWER_BROKEN : ANSWER_MORE;
    if (end > HTTP_HEAD_MAX || !head_parse(answer, data, end))
        return ANSWER_BROKEN;
    *ret_used = end;
    if (answer->status < 200) // only tells that the real one will come
        return answer->status == 101 ? ANSWER_BROKEN : ANSWER_NOTHING;
    head_judge(answer);
    return ANSWER_HEAD;
}

static AnswerStep answer_bytes(Answer *answer, size_t length, size_t *ret_used)
{
    *ret_used = answer->left < (int64_t)length ? (size_t)answer->left : length;
    answer->left -= (int64_t)*ret_used;
    if (!answer->left)
        answer->state = answer->state == ANSWER_IN_CHUNK ? ANSWER_IN_CHUNK_END : ANSWER_AT_END;
    return ANSWER_BODY;
}

// Hexadecimal digits up to the end of the line or a ';'.
static bool chunk_size_parse(const char *line, size_t length, int64_t *ret)
{
    static const char digits[] = "0123456789abcdef";
    int64_t size = 0;
    size_t at = 0;
    for (; at < length && line[at] != ';'; at++) {
        const char *digit = strchr(digits, line[at] | (line[at] >= 'A' ? 0x20 : 0));
        if (!line[at] || !digit || at >= 15)
            return false;
        size = size * 16 + (digit - digits);
    }
    *ret = size;
    return at > 0;
}

static AnswerStep answer_chunk_line(Answer *answer, const char *data, size_t length,
                                    size_t *ret_used)
{
    const char *end = memchr(data, '\n', length);
    if (!end)
        return length > CHUNK_LINE_MAX ? ANSWER_BROKEN : ANSWER_MORE;
    size_t line = (size_t)(end - data);
    if (!line || end[-1] != '\r')
        return ANSWER_BROKEN;
    *ret_used = line-- + 1;
    switch (answer->state) {
    case ANSWER_IN_SIZE:
        if (!chunk_size_parse(data, line, &answer->left))
            return ANSWER_BROKEN;
        answer->state = answer->left ? ANSWER_IN_CHUNK : ANSWER_IN_TRAILER;
        return ANSWER_NOTHING;
    case ANSWER_IN_CHUNK_END:
        answer->state = ANSWER_IN_SIZE;
        return line ? ANSWER_BROKEN : ANSWER_NOTHING;
    default:
        if (!line)
            answer->state = ANSWER_AT_END;
        return ANSWER_NOTHING;
    }
}

AnswerStep answer_step(Answer *answer, const char *data, size_t length, size_t *ret_used)
{
    *ret_used = 0;
    if (answer->state == ANSWER_AT_END)
        return ANSWER_END;
    if (!length)
        return ANSWER_MORE;
    switch (answer->state) {
    case ANSWER_IN_HEAD: return answer_head(answer, data, length, ret_used);
    case ANSWER_IN_BODY:
    case ANSWER_IN_CHUNK: return answer_bytes(answer, length, ret_used);
    case ANSWER_IN_STREAM: *ret_used = length; return ANSWER_BODY;
    default: return answer_chunk_line(answer, data, length, ret_used);
    }
}

bool answer_may_end(const Answer *answer)
{
    return answer->state == ANSWER_IN_STREAM || answer->state == ANSWER_AT_END;
}
