// HTTP requests that wait for their answer. A client belongs to one thread and keeps its
// connection. Failures name host, port, cause and what to do.
#pragma once

#include <sys/types.h>

#include "base/fail.h"
#include "base/strbuf.h"

typedef struct HttpClient HttpClient;

typedef struct HttpCall {
    const char *method, *url;
    const char *const *headers; // "Name: value", ends with NULL; may be NULL
    const char *body;           // sent when it is not NULL
    size_t length;
    int timeout_s; // for all of it; 0: until nothing moves for two minutes
    // Instead of `body`: `length` bytes from here, asked for in pieces. Returns how many were put
    // into `to`, 0 only at an error, which it has filed in its owner.
    size_t (*pull)(void *owner, char *to, size_t size);
    // Instead of HttpAnswer.body, for status 200 and 206. False ends the request.
    bool (*push)(void *owner, const char *data, size_t length);
    void *owner;
} HttpCall;

typedef struct HttpAnswer {
    int status;
    int64_t length; // as the head tells it, -1 when it does not
    StrBuf body;
} HttpAnswer;

// `authority` is a PEM file; NULL trusts everybody, for fetching the authority itself.
HttpClient *http_client_new(const char *authority);
void http_client_free(HttpClient *client);
DEFINE_AUTO(http_client, HttpClient)

// Any status is a success here. `ret` is empty at first; the caller frees its body.
int http_call(HttpClient *client, const HttpCall *call, HttpAnswer *ret, Fail *why);

// The connection alone, for who speaks by himself on it: checked and trusted as for a call. These
// never wait; -EAGAIN says that nothing can be done now, 0 received bytes that it has ended.
int http_connect(HttpClient *client, const char *url, Fail *why);
int http_connection_fd(HttpClient *client);
ssize_t http_connection_send(HttpClient *client, const void *data, size_t length);
ssize_t http_connection_receive(HttpClient *client, void *to, size_t size);

// Set by Ctrl-C; requests end soon then.
void http_interrupt(void);
bool http_interrupted(void);
// Until then all requests run as if nothing had happened, to clean up behind an interruption.
void http_forgive(void);
