// STOMP 1.2, the subset that VDSM and its clients speak. Parsing and writing of frames only.
#pragma once

#include "base/strbuf.h"

enum {
    STOMP_HEADERS_MAX = 32,
    STOMP_HEAD_MAX = 16 * 1024,
    STOMP_BODY_MAX = 64 * 1024 * 1024,
};

typedef struct StompHeader {
    char *name, *value;
} StompHeader;

typedef struct StompFrame {
    char *command;
    StompHeader headers[STOMP_HEADERS_MAX];
    int count;
    const char *body; // inside the caller's data; not NUL-terminated
    size_t length;
    char *text; // owns command and headers
} StompFrame;

typedef enum StompResult {
    STOMP_FRAME,      // *ret_frame is filled
    STOMP_HEARTBEAT,  // an empty line
    STOMP_INCOMPLETE, // more bytes are needed
    STOMP_BROKEN,     // *ret_error says why
} StompResult;

// Looks at the start of the data; *ret_used is how many bytes the frame or heart-beat took. The
// frame's body points into `data`.
StompResult stomp_parse(const char *data, size_t length, StompFrame *ret_frame, size_t *ret_used,
                        const char **ret_error);
void stomp_frame_done(StompFrame *frame);
// First value of a header, or NULL.
const char *stomp_header(const StompFrame *frame, const char *name);

// Headers as pairs until NULL; a pair whose value is NULL is left out. Values must be free of
// ':' and '\' for one of the two clients: they are escaped all the same. content-length is added
// when there is a body.
void stomp_write(StrBuf *out, const char *command, const char *body, size_t length, ...)
    __attribute__((sentinel));
