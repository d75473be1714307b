// Answers of hosts, as the image proxy reads them. The first byte says in which pieces the bytes
// come; that must not change what is understood.
#include "manager/transfer/answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// As a stream does it: everything not used yet is shown again, with `step` more bytes each time.
static AnswerStep read_all(const char *data, size_t size, size_t step, StrBuf *ret_body)
{
    Answer answer = {0};
    AnswerStep last = ANSWER_MORE;
    for (size_t from = 0, shown = 0; last != ANSWER_BROKEN && last != ANSWER_END;) {
        size_t used = 0;
        last = answer_step(&answer, data + from, shown - from, &used);
        if (used > shown - from || (last == ANSWER_BODY && !used))
            abort();
        if (last == ANSWER_BODY)
            strbuf_add(ret_body, data + from, used);
        from += used;
        if (last != ANSWER_MORE)
            continue;
        if (shown == size)
            break;
        shown = size - shown < step ? size : shown + step;
    }
    answer_done(&answer);
    return last;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_STRBUF whole = {0}, pieces = {0};
    if (!size)
        return 0;
    // A copy of exactly this size, so that reading beyond it is seen.
    AUTO_FREE char *text = memory_bytes(data + 1, size - 1);
    size_t step = (size_t)*data + 1;
    AnswerStep once = read_all(text, size - 1, size, &whole);
    AnswerStep slowly = read_all(text, size - 1, step, &pieces);
    bool same = whole.length == pieces.length &&
                (!whole.length || !memcmp(whole.data, pieces.data, whole.length));
    // What is too long is seen at another place; all else must be the same.
    if (size < HTTP_HEAD_MAX / 16 && (once != slowly || !same))
        abort();
    return 0;
}
