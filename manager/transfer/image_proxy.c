#include "manager/transfer/image_proxy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/http_server.h"
#include "base/list.h"
#include "manager/transfer/answer.h"

enum {
    PROXY_CONNECTIONS = 256,
    PROXY_CONNECT_MS = 10000,
    PROXY_INPUT = 128 * 1024, // bytes read from a host before the client takes them
    PROXY_IDLE_MS = 10000,    // a host connection is kept for the next request
    PROXY_IDLE_MAX = 64,
    PROXY_SILENT_MS = 1800000, // of a host: a checksum of a large image takes long
    PROXY_SWEEP_MS = 2000,
};

static const HttpLimits proxy_limits = {
    .connections = PROXY_CONNECTIONS,
    .connections_per_address = PROXY_CONNECTIONS,
    .idle_ms = 600000, // the ticket's patience counts, and the host knows it
    .head_ms = 10000,
    .stall_ms = 600000,
};

typedef struct Upstream Upstream;

// One request on its way. Ends with its exchange; the host's connection may live on.
typedef struct Relay {
    ImageProxy *proxy;
    List node;
    Http *http;
    Upstream *upstream;
    char *ticket;
    bool asked;   // all of the request is out
    bool sending; // some of its body is out: it can't be said again
    bool full;    // the host takes no more for now
    bool begun;   // the answer's head is out
    bool again;   // tried a second time
    Answer answer;
    int64_t progress_ms;
} Relay;

// A connection to a host.
struct Upstream {
    ImageProxy *proxy;
    List node; // of the idle ones
    Stream *stream;
    char *address;
    int port;
    Relay *relay; // NULL: idle or being closed
    bool open, used;
    int64_t idle_ms;
};

struct ImageProxy {
    uv_loop_t *loop;
    HttpServer *http;
    TlsContext *server_tls, *client_tls;
    ImageProxyResolve resolve;
    void *argument;
    List relays, idle;
    int idle_count, upstreams;
    uv_timer_t sweep;
    bool http_stopped, closing;
    void (*stopped)(void *argument);
    void *stopped_argument;
};

static void relay_connect(Relay *relay);
static void proxy_maybe_stopped(ImageProxy *proxy);

// ---- answers of our own

static void proxy_add_cors(Http *http)
{
    static const char *const rows[][3] = {
        {"Origin", "Access-Control-Allow-Origin", "*"},
        {"Access-Control-Request-Headers", "Access-Control-Allow-Headers", "*"},
        {"Access-Control-Request-Method", "Access-Control-Allow-Methods",
         "OPTIONS,GET,HEAD,PUT,PATCH"},
    };
    bool any = false;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (http_header(http, rows[i][0])) {
            http_add_header(http, rows[i][1], rows[i][2]);
            any = true;
        }
    if (any)
        http_add_header(http, "Access-Control-Max-Age", "86400");
}

static void proxy_reply(Http *http, int status, const char *text)
{
    AUTO_FREE char *line = memory_format("%s\n", text);
    http_reply(http, status, "text/plain; charset=UTF-8", line, strlen(line));
}

static void proxy_reply_json(Http *http, const char *json)
{
    http_reply(http, 200, "application/json", json, strlen(json));
}

// ---- host connections

static void upstream_close(Upstream *upstream)
{
    if (upstream->node.next)
        upstream->proxy->idle_count--;
    list_remove(&upstream->node);
    upstream->relay = NULL;
    stream_close(upstream->stream, false);
}

static void upstream_keep(Upstream *upstream)
{
    ImageProxy *proxy = upstream->proxy;
    upstream->relay = NULL;
    upstream->used = true;
    upstream->idle_ms = clock_monotonic_ms();
    list_append(&proxy->idle, &upstream->node);
    if (++proxy->idle_count > PROXY_IDLE_MAX || proxy->closing)
        upstream_close(CONTAINER(proxy->idle.next, Upstream, node));
}

static Upstream *upstream_find(ImageProxy *proxy, const char *address, int port)
{
    LIST_EACH(&proxy->idle, Upstream, node, upstream) {
        if (upstream->port != port || strcmp(upstream->address, address))
            continue;
        list_remove(&upstream->node);
        proxy->idle_count--;
        return upstream;
    }
    return NULL;
}

// ---- the end of a relay

// The exchange is answered, by us or by its own end.
static void relay_free(Relay *relay)
{
    if (relay->upstream)
        upstream_close(relay->upstream);
    list_remove(&relay->node);
    answer_done(&relay->answer);
    free(relay->ticket);
    free(relay);
}

static void relay_fail(Relay *relay, int status, const char *text, const char *cause)
{
    AUTO_FREE char *whole = memory_format("%s%s%s", text, cause ? ": " : "", cause ? cause : "");
    if (relay->begun)
        http_abort(relay->http); // or the client would take it for complete
    else
        proxy_reply(relay->http, status, whole);
    relay_free(relay);
}

static void relay_gone(Http *http, void *argument)
{
    http_end(http);
    relay_free(argument);
}

static void relay_complete(Relay *relay)
{
    Upstream *upstream = relay->upstream;
    bool keep =
        relay->asked && relay->answer.head.keep_alive && relay->answer.state == ANSWER_AT_END;
    http_end(relay->http);
    if (keep) {
        relay->upstream = NULL;
        upstream_keep(upstream);
    }
    relay_free(relay);
}

// ---- request: client to host

static bool header_is_hop(const char *name)
{
    static const char *const hops[] = {
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Content-Length",
    };
    for (size_t i = 0; i < COUNT_OF(hops); i++)
        if (!strcasecmp(hops[i], name))
            return true;
    return false;
}

static void relay_send_head(Relay *relay)
{
    const HttpHead *head = http_head(relay->http);
    const char *address = relay->upstream->address;
    bool v6 = strchr(address, ':');
    AUTO_STRBUF out = {0};
    strbuf_addf(&out, "%s %s%s%s HTTP/1.1\r\nHost: %s%s%s:%d\r\n", head->method, head->path,
                *head->query ? "?" : "", head->query, v6 ? "[" : "", address, v6 ? "]" : "",
                relay->upstream->port);
    for (int i = 0; i < head->count; i++) {
        const HttpHeader *header = &head->headers[i];
        // Who expects to be told to go on is told by us.
        if (!header_is_hop(header->name) && strcasecmp(header->name, "Host") &&
            strcasecmp(header->name, "Expect"))
            strbuf_addf(&out, "%s: %s\r\n", header->name, header->value);
    }
    if (head->chunked)
        strbuf_adds(&out, "Transfer-Encoding: chunked\r\n");
    else if (head->has_length)
        strbuf_addf(&out, "Content-Length: %lld\r\n", (long long)head->length);
    strbuf_adds(&out, "\r\n");
    stream_write(relay->upstream->stream, out.data, out.length);
}

static void relay_send(Relay *relay, const char *data, size_t length)
{
    Stream *stream = relay->upstream->stream;
    if (!http_head(relay->http)->chunked) {
        stream_write(stream, data, length);
        return;
    }
    AUTO_STRBUF chunk = {0};
    strbuf_addf(&chunk, "%zx\r\n", length);
    strbuf_add(&chunk, data, length);
    strbuf_adds(&chunk, "\r\n");
    stream_write(stream, chunk.data, chunk.length);
}

static size_t relay_received(Http *http, const char *data, size_t length, void *argument)
{
    Relay *relay = argument;
    Stream *stream = relay->upstream->stream;
    if (!relay->upstream->open)
        return 0; // relay_ask() asks for it again
    relay->progress_ms = clock_monotonic_ms();
    if (!data) {
        if (http_head(http)->chunked)
            stream_write(stream, "0\r\n\r\n", 5);
        relay->asked = true;
        return 0;
    }
    relay->sending = true;
    if (stream_queued(stream) > STREAM_HIGH_WATER) {
        relay->full = true;
        return 0;
    }
    relay_send(relay, data, length);
    return length;
}

static void relay_ask(Relay *relay)
{
    relay_send_head(relay);
    http_receive(relay->http, relay_received, relay);
}

// ---- answer: host to client

static void relay_begin(Relay *relay)
{
    const Answer *answer = &relay->answer;
    for (int i = 1; i < answer->head.count; i++) { // the first is the parser's own Host
        const HttpHeader *header = &answer->head.headers[i];
        if (header_is_hop(header->name) || !strcasecmp(header->name, "Content-Type") ||
            !strcasecmp(header->name, "Date") ||
            !strncasecmp(header->name, "Access-Control-", strlen("Access-Control-")))
            continue;
        http_add_header(relay->http, header->name, header->value);
    }
    relay->begun = true;
    http_begin(relay->http, answer->status, http_head_get(&answer->head, "Content-Type"),
               answer->length);
}

static size_t upstream_data(Stream *stream, const char *data, size_t length, void *owner)
{
    Upstream *upstream = owner;
    Relay *relay = upstream->relay;
    size_t used = 0;
    (void)stream;
    if (!relay) { // nobody has asked for anything
        upstream_close(upstream);
        return length;
    }
    if (relay->begun && http_queued(relay->http) > STREAM_HIGH_WATER)
        return 0; // relay_drained() goes on
    relay->progress_ms = clock_monotonic_ms();
    switch (answer_step(&relay->answer, data, length, &used)) {
    case ANSWER_HEAD: relay_begin(relay); break;
    case ANSWER_BODY: http_write(relay->http, data, used); break;
    case ANSWER_BROKEN:
        relay_fail(relay, 502, "The host's answer can't be understood.", NULL);
        return length;
    default: break;
    }
    if (relay->answer.state == ANSWER_AT_END)
        relay_complete(relay);
    return used;
}

static void relay_drained(Http *http, void *argument)
{
    Relay *relay = argument;
    (void)http;
    stream_pause(relay->upstream->stream); // its bytes are shown again
    stream_resume(relay->upstream->stream);
}

static void upstream_opened(Stream *stream, void *owner)
{
    Upstream *upstream = owner;
    (void)stream;
    upstream->open = true;
    if (upstream->relay)
        relay_ask(upstream->relay);
}

static void upstream_drained(Stream *stream, void *owner)
{
    Upstream *upstream = owner;
    (void)stream;
    if (!upstream->relay || !upstream->relay->full)
        return;
    upstream->relay->full = false;
    http_receive_more(upstream->relay->http);
}

// A connection that had served before may have been closed by the host while our request was on
// its way; that says nothing about the request.
static bool relay_try_again(Relay *relay, const Upstream *upstream)
{
    bool untouched = relay->answer.state == ANSWER_IN_HEAD && !relay->sending;
    if (!upstream->used || relay->again || !untouched)
        return false;
    relay->again = true;
    relay->asked = false;
    relay_connect(relay);
    return true;
}

static void relay_lost(Relay *relay, const Upstream *upstream, const Fail *why)
{
    relay->upstream = NULL;
    if (relay->begun && !fail_is_set(why) && answer_may_end(&relay->answer))
        relay_complete(relay);
    else if (!relay_try_again(relay, upstream))
        relay_fail(relay, 502,
                   upstream->open ? "The host broke the connection" : "The host can't be reached",
                   fail_is_set(why) ? why->message : "it ended without an answer");
}

static void upstream_closed(Stream *stream, const Fail *why, void *owner)
{
    Upstream *upstream = owner;
    ImageProxy *proxy = upstream->proxy;
    (void)stream;
    if (upstream->node.next)
        proxy->idle_count--;
    list_remove(&upstream->node);
    if (upstream->relay)
        relay_lost(upstream->relay, upstream, why);
    free(upstream->address);
    free(upstream);
    proxy->upstreams--;
    proxy_maybe_stopped(proxy);
}

static const StreamHandlers upstream_handlers = {
    .opened = upstream_opened,
    .data = upstream_data,
    .drained = upstream_drained,
    .closed = upstream_closed,
};

// ---- the beginning of a relay

static Upstream *upstream_new(ImageProxy *proxy, const char *address, int port)
{
    Upstream *upstream = NEW(Upstream);
    upstream->proxy = proxy;
    upstream->address = memory_string(address);
    upstream->port = port;
    upstream->stream = stream_connect(proxy->loop, address, port, proxy->client_tls, address,
                                      PROXY_CONNECT_MS, &upstream_handlers, upstream);
    stream_set_input_limit(upstream->stream, PROXY_INPUT);
    proxy->upstreams++;
    return upstream;
}

static void relay_connect(Relay *relay)
{
    ImageProxy *proxy = relay->proxy;
    AUTO_FREE char *address = NULL;
    int port = 0;
    if (!proxy->resolve(proxy->argument, relay->ticket, &address, &port)) {
        relay_fail(relay, 404, "There is no such ticket.", NULL);
        return;
    }
    Upstream *upstream = relay->again ? NULL : upstream_find(proxy, address, port);
    relay->upstream = upstream ? upstream : upstream_new(proxy, address, port);
    relay->upstream->relay = relay;
    if (upstream)
        relay_ask(relay);
}

static void relay_new(ImageProxy *proxy, Http *http, const char *ticket)
{
    Relay *relay = NEW(Relay);
    relay->proxy = proxy;
    relay->http = http;
    relay->ticket = memory_string(ticket);
    relay->answer.bodiless = !strcmp(http_head(http)->method, "HEAD");
    relay->progress_ms = clock_monotonic_ms();
    list_append(&proxy->relays, &relay->node);
    http_on_gone(http, relay_gone, relay);
    http_on_drained(http, relay_drained, relay);
    relay_connect(relay);
}

// The ticket of "/images/TICKET/...", decoded; NULL for other paths. The caller frees it.
static char *path_ticket(const char *path)
{
    static const char prefix[] = "/images/";
    AUTO_FREE char *copy = memory_string(path);
    if (!http_decode(copy, false) || strncmp(copy, prefix, sizeof(prefix) - 1))
        return NULL;
    const char *ticket = copy + sizeof(prefix) - 1;
    return memory_bytes(ticket, strcspn(ticket, "/"));
}

static void proxy_request(Http *http, void *argument)
{
    const HttpHead *head = http_head(http);
    AUTO_FREE char *ticket = path_ticket(head->path);
    bool options = !strcmp(head->method, "OPTIONS");
    proxy_add_cors(http);
    if (!strcmp(head->path, "/info/") || !strcmp(head->path, "/info"))
        proxy_reply_json(http, "{\"version\":\"" VIREO_VERSION "\"}\n");
    else if (!ticket || !*ticket)
        proxy_reply(http, 404, "Images are at /images/TICKET.");
    else if (options && http_header(http, "Access-Control-Request-Method"))
        http_reply(http, 204, NULL, NULL, 0); // a browser asks, for any ticket
    else if (options && !strcmp(ticket, "*"))
        proxy_reply_json(http, "{\"unix_socket\":null,"
                               "\"features\":[\"checksum\",\"extents\",\"flush\",\"zero\"]}\n");
    else
        relay_new(argument, http, ticket);
}

// ---- life

// Tickets that are gone, hosts that have died without a word, connections nobody needs.
static void proxy_sweep(uv_timer_t *timer)
{
    ImageProxy *proxy = timer->data;
    int64_t now = clock_monotonic_ms();
    LIST_EACH(&proxy->relays, Relay, node, relay) {
        AUTO_FREE char *address = NULL;
        int port = 0;
        if (!proxy->resolve(proxy->argument, relay->ticket, &address, &port))
            relay_fail(relay, 404, "The ticket was removed.", NULL);
        else if (now - relay->progress_ms > PROXY_SILENT_MS)
            relay_fail(relay, 504, "The host does not answer.", NULL);
    }
    LIST_EACH(&proxy->idle, Upstream, node, upstream)
        if (now - upstream->idle_ms > PROXY_IDLE_MS)
            upstream_close(upstream);
}

ImageProxy *image_proxy_new(uv_loop_t *loop, TlsContext *server_tls, TlsContext *client_tls,
                            ImageProxyResolve resolve, void *argument)
{
    ImageProxy *proxy = NEW(ImageProxy);
    proxy->loop = loop;
    proxy->server_tls = server_tls;
    proxy->client_tls = client_tls;
    proxy->resolve = resolve;
    proxy->argument = argument;
    list_init(&proxy->relays);
    list_init(&proxy->idle);
    proxy->http = http_server_new(loop, &proxy_limits, proxy_request, proxy);
    uv_timer_init(loop, &proxy->sweep);
    proxy->sweep.data = proxy;
    uv_timer_start(&proxy->sweep, proxy_sweep, PROXY_SWEEP_MS, PROXY_SWEEP_MS);
    uv_unref((uv_handle_t *)&proxy->sweep);
    return proxy;
}

void image_proxy_adopt(ImageProxy *proxy, int fd, const char *peer)
{
    http_server_adopt(proxy->http, fd, proxy->server_tls, peer);
}

static void proxy_freed(uv_handle_t *handle)
{
    ImageProxy *proxy = handle->data;
    if (proxy->stopped)
        proxy->stopped(proxy->stopped_argument);
    free(proxy);
}

static void proxy_maybe_stopped(ImageProxy *proxy)
{
    if (!proxy->http_stopped || proxy->upstreams)
        return;
    proxy->http_stopped = false; // once
    http_server_free(proxy->http);
    uv_close((uv_handle_t *)&proxy->sweep, proxy_freed);
}

static void proxy_http_stopped(void *argument)
{
    ImageProxy *proxy = argument;
    proxy->http_stopped = true;
    LIST_EACH(&proxy->idle, Upstream, node, upstream)
        upstream_close(upstream);
    proxy_maybe_stopped(proxy);
}

void image_proxy_stop(ImageProxy *proxy, int grace_ms, void (*stopped)(void *argument),
                      void *argument)
{
    proxy->closing = true;
    proxy->stopped = stopped;
    proxy->stopped_argument = argument;
    http_server_stop(proxy->http, grace_ms, proxy_http_stopped, proxy);
}
