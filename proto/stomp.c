#include "proto/stomp.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void stomp_frame_done(StompFrame *frame)
{
    free(frame->text);
    *frame = (StompFrame){0};
}

const char *stomp_header(const StompFrame *frame, const char *name)
{
    for (int i = 0; i < frame->count; i++)
        if (!strcmp(frame->headers[i].name, name))
            return frame->headers[i].value;
    return NULL;
}

// In place; false for an escape the protocol does not know.
static bool stomp_unescape(char *text)
{
    char *to = text;
    for (char *at = text; *at; at++) {
        if (*at != '\\') {
            *to++ = *at;
            continue;
        }
        at++;
        if (*at == 'n')
            *to++ = '\n';
        else if (*at == 'r')
            *to++ = '\r';
        else if (*at == 'c')
            *to++ = ':';
        else if (*at == '\\')
            *to++ = '\\';
        else
            return false;
    }
    *to = 0;
    return true;
}

// Bytes of the head with its empty line, 0 when incomplete.
static size_t stomp_head_length(const char *data, size_t length)
{
    const char *at = data, *end = data + length;
    while ((at = memchr(at, '\n', (size_t)(end - at)))) {
        at++;
        if (at < end && *at == '\n')
            return (size_t)(at - data) + 1;
        if (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
            return (size_t)(at - data) + 2;
    }
    return 0;
}

static bool stomp_parse_head(StompFrame *frame, const char **ret_error)
{
    char *rest = frame->text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        size_t length = strlen(line);
        if (length && line[length - 1] == '\r')
            line[--length] = 0;
        if (!frame->command) {
            frame->command = line;
            continue;
        }
        if (!length)
            continue;
        char *colon = strchr(line, ':');
        if (!colon || colon == line) {
            *ret_error = "a header line without a name";
            return false;
        }
        *colon++ = 0;
        if (frame->count == STOMP_HEADERS_MAX) {
            *ret_error = "too many headers";
            return false;
        }
        if (!stomp_unescape(line) || !stomp_unescape(colon)) {
            *ret_error = "an unknown escape in a header";
            return false;
        }
        frame->headers[frame->count++] = (StompHeader){line, colon};
    }
    return true;
}

// The body's length: told, or up to the NUL. Returns false when it is told wrongly.
static bool stomp_body_length(const StompFrame *frame, const char *body, size_t left,
                              size_t *ret_length, bool *ret_complete)
{
    const char *told = stomp_header(frame, "content-length");
    if (!told) {
        const char *end = memchr(body, 0, left);
        *ret_complete = end != NULL;
        *ret_length = end ? (size_t)(end - body) : left;
        return *ret_length <= STOMP_BODY_MAX;
    }
    char *end;
    unsigned long long length = strtoull(told, &end, 10);
    if (*end || end == told || *told == '-' || length > STOMP_BODY_MAX)
        return false;
    *ret_length = (size_t)length;
    *ret_complete = left > *ret_length;
    return !*ret_complete || body[*ret_length] == 0;
}

StompResult stomp_parse(const char *data, size_t length, StompFrame *ret_frame, size_t *ret_used,
                        const char **ret_error)
{
    StompFrame frame = {0};
    bool complete = false;
    if (!length)
        return STOMP_INCOMPLETE;
    if (data[0] == '\n' || (data[0] == '\r' && length > 1 && data[1] == '\n')) {
        *ret_used = data[0] == '\n' ? 1 : 2;
        return STOMP_HEARTBEAT;
    }
    size_t head = stomp_head_length(data, length);
    if (!head || head > STOMP_HEAD_MAX) {
        *ret_error = "the head of a frame is too long";
        return length > STOMP_HEAD_MAX ? STOMP_BROKEN : STOMP_INCOMPLETE;
    }
    if (memchr(data, 0, head)) {
        *ret_error = "a NUL byte in the head of a frame";
        return STOMP_BROKEN;
    }
    frame.text = memory_bytes(data, head);
    if (!stomp_parse_head(&frame, ret_error)) {
        stomp_frame_done(&frame);
        return STOMP_BROKEN;
    }
    frame.body = data + head;
    if (!stomp_body_length(&frame, frame.body, length - head, &frame.length, &complete)) {
        stomp_frame_done(&frame);
        *ret_error = "a wrong or too large content-length";
        return STOMP_BROKEN;
    }
    if (!complete) {
        stomp_frame_done(&frame);
        return STOMP_INCOMPLETE;
    }
    *ret_used = head + frame.length + 1;
    *ret_frame = frame;
    return STOMP_FRAME;
}

static void stomp_escape(StrBuf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            strbuf_adds(out, "\\n");
        else if (*text == '\r')
            strbuf_adds(out, "\\r");
        else if (*text == ':')
            strbuf_adds(out, "\\c");
        else if (*text == '\\')
            strbuf_adds(out, "\\\\");
        else
            strbuf_addc(out, *text);
    }
}

void stomp_write(StrBuf *out, const char *command, const char *body, size_t length, ...)
{
    va_list pairs;
    strbuf_adds(out, command);
    strbuf_addc(out, '\n');
    va_start(pairs, length);
    for (const char *name; (name = va_arg(pairs, const char *));) {
        const char *value = va_arg(pairs, const char *);
        if (!value)
            continue;
        strbuf_addf(out, "%s:", name);
        stomp_escape(out, value);
        strbuf_addc(out, '\n');
    }
    va_end(pairs);
    if (length)
        strbuf_addf(out, "content-length:%zu\n", length);
    strbuf_addc(out, '\n');
    strbuf_add(out, body, length);
    strbuf_add(out, "\0", 1);
}
