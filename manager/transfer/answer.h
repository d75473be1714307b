// The answer of an HTTP/1.1 server, read as it comes in: head, then pieces of the body.
// As strict as our own server: what two parsers could read in two ways is broken.
#pragma once

#include "base/http_head.h"

typedef enum AnswerStep {
    ANSWER_MORE,    // nothing whole is there yet
    ANSWER_HEAD,    // status, length and head.headers are set
    ANSWER_BODY,    // bytes of the body
    ANSWER_END,     // complete
    ANSWER_NOTHING, // used up bytes without meaning for the owner
    ANSWER_BROKEN,
} AnswerStep;

typedef enum AnswerState {
    ANSWER_IN_HEAD,
    ANSWER_IN_BODY,   // `left` bytes
    ANSWER_IN_STREAM, // up to the end of the connection
    ANSWER_IN_SIZE,   // of a chunk
    ANSWER_IN_CHUNK,
    ANSWER_IN_CHUNK_END,
    ANSWER_IN_TRAILER,
    ANSWER_AT_END,
} AnswerState;

typedef struct Answer {
    bool bodiless; // set by the owner: the answer to a HEAD
    AnswerState state;
    char *text;    // what `head` points into
    HttpHead head; // its method, path and query mean nothing
    int status;
    int64_t length; // of the body, -1 when it is not known before
    int64_t left;
} Answer;

void answer_done(Answer *answer);
// Looks at the bytes; the first *ret_used of them are done with, and for ANSWER_BODY they are it.
AnswerStep answer_step(Answer *answer, const char *data, size_t length, size_t *ret_used);
// The connection has ended in good order: whether that makes the answer complete.
bool answer_may_end(const Answer *answer);
