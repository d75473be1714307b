// The head of an HTTP/1.1 request, parsed strictly: what two parsers could read in two ways is
// refused (bare LF, folded lines, spaces before the colon, two lengths, length and encoding).
#pragma once

#include "base/memory.h"

enum {
    HTTP_LINE_MAX = 8192,   // bytes of the request line
    HTTP_HEAD_MAX = 32768,  // bytes of the whole head
    HTTP_HEADERS_MAX = 100, // header lines
};

typedef struct HttpHeader {
    const char *name, *value;
} HttpHeader;

typedef struct HttpHead {
    const char *method;
    const char *path;  // raw, before '?'; starts with '/' or is "*"
    const char *query; // raw, behind '?', or ""
    int minor;         // 1 for HTTP/1.1, 0 for HTTP/1.0
    HttpHeader headers[HTTP_HEADERS_MAX];
    int count;
    int64_t length; // of the body; 0 when none
    bool has_length, chunked, keep_alive, expects_continue;
} HttpHead;

// Length of the head including its empty line, 0 when it is not complete yet.
size_t http_head_end(const char *data, size_t length);
// Parses in place (`head` is changed and must live as long as the result). Returns 0, or the HTTP
// status to answer with and a static text.
int http_head_parse(char *head, size_t length, HttpHead *ret, const char **ret_error);
// First value of a header, or NULL. Names are compared without case.
const char *http_head_get(const HttpHead *head, const char *name);
// Whether a header that is a list of words ("Connection") has this one, without case.
bool http_head_lists(const HttpHead *head, const char *name, const char *word);
// Decodes %XX and, in queries, '+'. Returns false on a bad escape or a NUL byte. In place.
bool http_decode(char *text, bool plus_is_space);
