// STOMP frames, as the agent and the manager read them. The first byte says in which pieces the
// bytes come; that must not change what is understood. What was read is written and read again.
#include "proto/stomp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_same(const StompFrame *one, const StompFrame *other)
{
    if (strcmp(one->command, other->command) || one->length != other->length ||
        memcmp(one->body, other->body, one->length))
        abort();
}

static void write_again(const StompFrame *frame)
{
    AUTO_STRBUF text = {0};
    StompFrame again = {0};
    size_t used = 0;
    const char *error = NULL, *value = stomp_header(frame, "destination");
    bool head_fits = frame->text && strlen(frame->command) + (value ? 2 * strlen(value) : 0) <
                                        STOMP_HEAD_MAX - 100;
    if (!head_fits || !*frame->command || strchr(frame->command, '\r'))
        return;
    stomp_write(&text, frame->command, frame->body, frame->length, "destination", value, NULL);
    if (stomp_parse(text.data, text.length, &again, &used, &error) != STOMP_FRAME ||
        used != text.length)
        abort();
    expect_same(frame, &again);
    if (value && strcmp(value, stomp_header(&again, "destination")))
        abort();
    stomp_frame_done(&again);
}

// As a stream does it: everything not used yet is shown again, with `step` more bytes each time.
static StompResult read_all(const char *data, size_t size, size_t step, int *ret_frames)
{
    StompResult last = STOMP_INCOMPLETE;
    for (size_t from = 0, shown = 0; last != STOMP_BROKEN;) {
        StompFrame frame = {0};
        size_t used = 0;
        const char *error = NULL;
        last = stomp_parse(data + from, shown - from, &frame, &used, &error);
        if (last == STOMP_FRAME || last == STOMP_HEARTBEAT) {
            if (!used || used > shown - from)
                abort();
            from += used;
            *ret_frames += last == STOMP_FRAME;
        }
        if (last == STOMP_FRAME)
            write_again(&frame);
        stomp_frame_done(&frame);
        if (last == STOMP_BROKEN && !error)
            abort();
        if (last != STOMP_INCOMPLETE)
            continue;
        if (shown == size)
            break;
        shown = size - shown < step ? size : shown + step;
    }
    return last;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int whole = 0, pieces = 0;
    if (!size)
        return 0;
    // A copy of exactly this size, so that reading beyond it is seen.
    AUTO_FREE char *text = memory_bytes(data + 1, size - 1);
    StompResult once = read_all(text, size - 1, size, &whole);
    StompResult slowly = read_all(text, size - 1, (size_t)*data + 1, &pieces);
    // What is too long is seen at another place; all else must be the same.
    if (size < STOMP_HEAD_MAX && (once != slowly || whole != pieces))
        abort();
    return 0;
}
