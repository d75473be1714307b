#include "cli/client/http_client.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

enum {
    CONNECT_S = 10,
    SILENCE_S = 120,                 // without a byte in either direction
    ANSWER_MAX = 1024 * 1024 * 1024, // bytes of an answer that is kept in memory
};

struct HttpClient {
    CURL *curl;
    char *authority;
    char error[CURL_ERROR_SIZE];
};

typedef struct Exchange {
    HttpClient *client;
    const HttpCall *call;
    HttpAnswer *answer;
    size_t sent;
} Exchange;

// 1: interrupted, 2: and forgiven.
static atomic_int interruption;

void http_interrupt(void)
{
    int none = 0;
    atomic_compare_exchange_strong(&interruption, &none, 1);
}

bool http_interrupted(void)
{
    return atomic_load(&interruption) != 0;
}

void http_forgive(void)
{
    int pending = 1;
    atomic_compare_exchange_strong(&interruption, &pending, 2);
}

HttpClient *http_client_new(const char *authority)
{
    HttpClient *client = NEW(HttpClient);
    client->authority = memory_string(authority);
    client->curl = curl_easy_init();
    if (!client->curl)
        abort(); // no memory
    return client;
}

void http_client_free(HttpClient *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    free(client->authority);
    free(client);
}

// ---- what curl calls

static size_t exchange_write(char *data, size_t size, size_t count, void *argument)
{
    Exchange *exchange = argument;
    const HttpCall *call = exchange->call;
    size_t length = size * count;
    long status = 0;
    curl_easy_getinfo(exchange->client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (call->push && (status == 200 || status == 206))
        return call->push(call->owner, data, length) ? length : 0;
    if (exchange->answer->body.length + length > ANSWER_MAX)
        return 0;
    strbuf_add(&exchange->answer->body, data, length);
    return length;
}

static size_t exchange_read(char *to, size_t size, size_t count, void *argument)
{
    Exchange *exchange = argument;
    const HttpCall *call = exchange->call;
    size_t room = size * count, left = call->length - exchange->sent,
           step = room < left ? room : left;
    if (!step)
        return 0;
    if (call->pull)
        step = call->pull(call->owner, to, step);
    else
        memcpy(to, call->body + exchange->sent, step);
    exchange->sent += step;
    return step ? step : CURL_READFUNC_ABORT;
}

static int exchange_progress(void *argument, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)argument, (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&interruption) == 1;
}

// ---- failures

static const struct {
    CURLcode code;
    const char *message, *hint;
} trouble_rows[] = {
    {CURLE_COULDNT_RESOLVE_HOST, "The name of %s can't be found.",
     "Check how the manager's name is written, and the name server."},
    {CURLE_COULDNT_CONNECT, "%s can't be reached.",
     "Check that the program runs there, the port, and firewalls in between."},
    {CURLE_PEER_FAILED_VERIFICATION, "The certificate of %s is not trusted.",
     "If the manager is a new one, log in again with vireo login; else give its authority with "
     "--ca-file."},
    {CURLE_SSL_CACERT_BADFILE, "The certificate of the authority of %s can't be read.",
     "Check the file given as ca_file or --ca-file."},
    {CURLE_SSL_CONNECT_ERROR, "%s does not speak TLS as it should.",
     "Check that this is the manager's HTTPS port."},
    {CURLE_OPERATION_TIMEDOUT, "%s does not answer.",
     "Check that the program there is alive, and the network in between."},
    {CURLE_GOT_NOTHING, "%s closed the connection without an answer.", "Look into its log."},
    {CURLE_RECV_ERROR, "The connection to %s broke.", "Try it again; look into its log."},
    {CURLE_SEND_ERROR, "The connection to %s broke.", "Try it again; look into its log."},
    {CURLE_PARTIAL_FILE, "The answer of %s was cut short.", "Try it again; look into its log."},
    {CURLE_URL_MALFORMAT, "%s is no URL.", "It looks like https://manager.example.com:8443"},
};

// "host:port" of a URL; the caller frees it.
static char *url_host(const char *url)
{
    CURLU *parts = curl_url();
    char *host = NULL, *port = NULL, *text;
    if (!curl_url_set(parts, CURLUPART_URL, url, 0) &&
        !curl_url_get(parts, CURLUPART_HOST, &host, 0) &&
        !curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT))
        text = memory_format("%s:%s", host, port);
    else
        text = memory_string(url);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return text;
}

// The one "%s" of a row's message, filled.
static char *trouble_message(const char *message, const char *host)
{
    const char *mark = strstr(message, "%s");
    return memory_format("%.*s%s%s", (int)(mark - message), message, host, mark + 2);
}

static int call_fail(const HttpClient *client, const HttpCall *call, CURLcode code, Fail *why)
{
    AUTO_FREE char *host = url_host(call->url);
    const char *message = "The request to %s failed.", *hint = "Try it again.";
    if (code == CURLE_ABORTED_BY_CALLBACK && http_interrupted())
        return fail_set(why, FAIL_UNAVAILABLE, "Interrupted.");
    for (size_t i = 0; i < COUNT_OF(trouble_rows); i++)
        if (trouble_rows[i].code == code) {
            message = trouble_rows[i].message;
            hint = trouble_rows[i].hint;
        }
    AUTO_FREE char *text = trouble_message(message, host);
    fail_set(why, FAIL_UNAVAILABLE, "%s", text);
    fail_detail(why, "%s", *client->error ? client->error : curl_easy_strerror(code));
    fail_hint(why, "%s", hint);
    return fail_to_errno(FAIL_UNAVAILABLE);
}

// ---- the call

static void call_set_body(CURL *curl, const HttpCall *call, Exchange *exchange)
{
    bool has_body = call->body || call->pull;
    curl_easy_setopt(curl, CURLOPT_UPLOAD, has_body ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_NOBODY, 0L);
    if (!has_body)
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    if (!strcmp(call->method, "HEAD"))
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, exchange_read);
    curl_easy_setopt(curl, CURLOPT_READDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, has_body ? (curl_off_t)call->length : -1);
}

static void call_set_trust(CURL *curl, const HttpClient *client)
{
    long check = client->authority ? 1 : 0;
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, check);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, check * 2);
    if (client->authority)
        curl_easy_setopt(curl, CURLOPT_CAINFO, client->authority);
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
}

static void call_set_limits(CURL *curl, const HttpCall *call)
{
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)call->timeout_s);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 1024L * 1024);
}

static struct curl_slist *call_headers(const HttpCall *call)
{
    // Without this libcurl waits a second for "100 Continue" from servers that never say it.
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    for (const char *const *header = call->headers; header && *header; header++)
        headers = curl_slist_append(headers, *header);
    return headers;
}

int http_call(HttpClient *client, const HttpCall *call, HttpAnswer *ret, Fail *why)
{
    CURL *curl = client->curl;
    Exchange exchange = {.client = client, .call = call, .answer = ret};
    struct curl_slist *headers = call_headers(call);
    curl_easy_reset(curl);
    *client->error = 0;
    curl_easy_setopt(curl, CURLOPT_URL, call->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "vireo/" VIREO_VERSION);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, exchange_write);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, exchange_progress);
    call_set_trust(curl, client);
    call_set_limits(curl, call);
    call_set_body(curl, call, &exchange);
    CURLcode code = curl_easy_perform(curl);
    curl_slist_free_all(headers);
    if (code != CURLE_OK)
        return call_fail(client, call, code, why);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_off_t length = -1;
    curl_easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    ret->status = (int)status;
    ret->length = length;
    strbuf_add(&ret->body, "", 0);
    return 0;
}

// ---- the connection alone

int http_connect(HttpClient *client, const char *url, Fail *why)
{
    CURL *curl = client->curl;
    HttpCall call = {.method = "GET", .url = url};
    curl_easy_reset(curl);
    *client->error = 0;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->error);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, exchange_progress);
    curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    call_set_trust(curl, client);
    call_set_limits(curl, &call);
    CURLcode code = curl_easy_perform(curl);
    return code == CURLE_OK ? 0 : call_fail(client, &call, code, why);
}

int http_connection_fd(HttpClient *client)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    curl_easy_getinfo(client->curl, CURLINFO_ACTIVESOCKET, &fd);
    return fd;
}

static ssize_t connection_result(CURLcode code, size_t done)
{
    if (code == CURLE_AGAIN)
        return -EAGAIN;
    return code == CURLE_OK ? (ssize_t)done : -EIO;
}

ssize_t http_connection_send(HttpClient *client, const void *data, size_t length)
{
    size_t done = 0;
    CURLcode code = curl_easy_send(client->curl, data, length, &done);
    return connection_result(code, done);
}

ssize_t http_connection_receive(HttpClient *client, void *to, size_t size)
{
    size_t done = 0;
    CURLcode code = curl_easy_recv(client->curl, to, size, &done);
    return connection_result(code, done);
}
