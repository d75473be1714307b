#include "manager/fleet/host_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "proto/stomp.h"
#include "proto/vdsm.h"

enum {
    CONNECT_MS = 20000,
    RETRY_FIRST_MS = 100, // an agent that restarts is back soon
    RETRY_MS = 2000,
    HEARTBEAT_MS = 5000,
    SILENCE_MS = 3 * HEARTBEAT_MS,
    SWEEP_MS = 500,
};

typedef struct PendingCall {
    List node;
    char id[UUID_SIZE];
    char *method;
    int64_t deadline_ms; // monotonic
    HostReply reply;
    void *argument;
} PendingCall;

struct HostLink {
    Manager *manager;
    Entity *host;
    const HostLinkHandlers *handlers;
    Stream *stream;
    bool connected; // STOMP is agreed
    bool silent;    // why it is being closed
    bool closing;
    List calls;
    Map by_id;
    uv_timer_t sweep;
    int64_t retry_at_ms, opened_ms;
    int64_t swept_ms, awake_ms; // last sweep; since when sweeps have come in time
};

static void link_connect(HostLink *link);

// ---- calls

static void pending_end(HostLink *link, PendingCall *call, const Json *result, const Fail *why,
                        int code)
{
    list_remove(&call->node);
    if (link)
        map_remove(&link->by_id, call->id);
    call->reply(result, why, code, call->argument);
    free(call->method);
    free(call);
}

static void link_fail_calls(HostLink *link, const Fail *why)
{
    List failed;
    list_init(&failed);
    // Callbacks may start new calls: those wait for the next connection, these end now.
    LIST_EACH(&link->calls, PendingCall, node, call) {
        list_remove(&call->node);
        list_append(&failed, &call->node);
    }
    while (!list_empty(&failed))
        pending_end(link, CONTAINER(failed.next, PendingCall, node), NULL, why, 0);
}

typedef struct LateFailure {
    uv_timer_t timer;
    PendingCall *call;
    char *host_name;
} LateFailure;

static void late_closed(uv_handle_t *handle)
{
    LateFailure *late = handle->data;
    free(late->host_name);
    free(late);
}

static void late_fired(uv_timer_t *timer)
{
    LateFailure *late = timer->data;
    AUTO_FAIL why = {0};
    fail_set(&why, FAIL_UNAVAILABLE, "Host %s is not connected.", late->host_name);
    fail_hint(&why, "Check that its agent runs and that its management port can be reached");
    pending_end(NULL, late->call, NULL, &why, 0);
    uv_close((uv_handle_t *)timer, late_closed);
}

static void call_fail_later(Manager *manager, PendingCall *call, const Entity *host)
{
    LateFailure *late = NEW(LateFailure);
    late->call = call;
    late->host_name = memory_string(host ? entity_name(host) : "(removed)");
    uv_timer_init(manager->loop, &late->timer);
    late->timer.data = late;
    uv_timer_start(&late->timer, late_fired, 0, 0);
}

static void host_call_on(Manager *manager, HostLink *link, const Entity *host, const char *method,
                         StrBuf *params, int timeout_ms, HostReply reply, void *argument)
{
    PendingCall *call = NEW(PendingCall);
    AUTO_STRBUF taken = *params;
    *params = (StrBuf){0};
    *call = (PendingCall){.method = memory_string(method),
                          .deadline_ms = clock_monotonic_ms() + timeout_ms,
                          .reply = reply,
                          .argument = argument};
    uuid_new(call->id);
    if (!link || !link->connected) {
        call_fail_later(manager, call, host);
        return;
    }
    AUTO_STRBUF body = {0}, frame = {0};
    vdsm_write_request(&body, method, taken.length ? taken.data : "{}", call->id);
    stomp_write(&frame, "SEND", body.data, body.length, "destination", VDSM_REQUESTS, "reply-to",
                VDSM_RESPONSES, "content-type", "application/json", NULL);
    list_append(&link->calls, &call->node);
    map_put(&link->by_id, call->id, call);
    stream_write(link->stream, frame.data, frame.length);
}

void host_call(Manager *manager, HostLink *link, const char *method, StrBuf *params, int timeout_ms,
               HostReply reply, void *argument)
{
    host_call_on(manager, link, link ? link->host : NULL, method, params, timeout_ms, reply,
                 argument);
}

void host_call_entity(Manager *manager, Entity *host, const char *method, StrBuf *params,
                      int timeout_ms, HostReply reply, void *argument)
{
    host_call_on(manager, host ? host_state(host)->link : NULL, host, method, params, timeout_ms,
                 reply, argument);
}

// ---- messages

static void link_answer(HostLink *link, const Json *message)
{
    const char *id = json_get_string(message, "id");
    PendingCall *call = id ? map_get(&link->by_id, id) : NULL;
    const Json *error = json_get(message, "error");
    AUTO_FAIL why = {0};
    int code = 0;
    if (!call)
        return; // it has timed out
    if (error && error->kind == JSON_OBJECT) {
        const char *text = json_get_string(error, "message");
        code = (int)json_get_integer(error, "code", VDSM_GENERAL);
        fail_set(&why, FAIL_HOST, "Host %s refused %s.", entity_name(link->host), call->method);
        fail_detail(&why, "%s (%d)", text ? text : vdsm_error_text(code), code);
        fail_object(&why, link->host->id);
    }
    pending_end(link, call, code ? NULL : json_get(message, "result"), &why, code);
}

// Bytes to show, from 40 before the place on.
static int message_excerpt(const StompFrame *frame, size_t offset)
{
    size_t begin = offset > 40 ? offset - 40 : 0;
    return (int)(frame->length - begin < 60 ? frame->length - begin : 60);
}

static void link_message(HostLink *link, const StompFrame *frame)
{
    AUTO_ARENA arena = {0};
    arena_init(&arena, frame->length * 2 + 4096);
    const char *error = NULL;
    size_t offset = 0;
    const Json *message = json_parse(&arena, frame->body, frame->length, &error, &offset);
    const char *method = json_get_string(message, "method");
    if (!message)
        log_warn("host.protocol", LOG_ID("host", link->host->id),
                 "A message of host %s is no valid JSON: %s at byte %zu, near \"%.*s\".",
                 entity_name(link->host), error, offset, message_excerpt(frame, offset),
                 frame->body + (offset > 40 ? offset - 40 : 0));
    else if (method)
        link->handlers->event(link, link->host, method, json_get(message, "params"));
    else if (message->kind == JSON_ARRAY)
        JSON_EACH(message, one)
            link_answer(link, one);
    else
        link_answer(link, message);
}

static void link_subscribe(HostLink *link, const char *id, const char *destination)
{
    AUTO_STRBUF frame = {0};
    stomp_write(&frame, "SUBSCRIBE", NULL, 0, "id", id, "destination", destination, "ack", "auto",
                NULL);
    stream_write(link->stream, frame.data, frame.length);
}

static void link_frame(HostLink *link, const StompFrame *frame)
{
    if (!strcmp(frame->command, "CONNECTED")) {
        link->connected = true;
        link->opened_ms = clock_monotonic_ms();
        link_subscribe(link, "responses", VDSM_RESPONSES);
        link_subscribe(link, "events", VDSM_EVENTS);
        link->handlers->opened(link, link->host);
    } else if (!strcmp(frame->command, "MESSAGE")) {
        link_message(link, frame);
    } else if (!strcmp(frame->command, "ERROR")) {
        log_warn("host.protocol", LOG_ID("host", link->host->id), "Host %s: %.*s",
                 entity_name(link->host), (int)(frame->length < 200 ? frame->length : 200),
                 frame->body);
    }
}

static size_t link_data(Stream *stream, const char *data, size_t length, void *owner)
{
    HostLink *link = owner;
    StompFrame frame;
    size_t used = 0;
    const char *error = NULL;
    switch (stomp_parse(data, length, &frame, &used, &error)) {
    case STOMP_HEARTBEAT: return used;
    case STOMP_INCOMPLETE: return 0;
    case STOMP_BROKEN:
        log_warn("host.protocol", LOG_ID("host", link->host->id), "Host %s: %s",
                 entity_name(link->host), error);
        stream_close(stream, false);
        return length;
    case STOMP_FRAME: break;
    }
    link_frame(link, &frame);
    stomp_frame_done(&frame);
    return used;
}

// ---- life

static void link_opened(Stream *stream, void *owner)
{
    char beat[32];
    AUTO_STRBUF frame = {0};
    (void)owner;
    snprintf(beat, sizeof(beat), "0,%d", HEARTBEAT_MS);
    stomp_write(&frame, "CONNECT", NULL, 0, "accept-version", "1.2", "heart-beat", beat, NULL);
    stream_write(stream, frame.data, frame.length);
}

static void link_sweep_closed(uv_handle_t *handle)
{
    HostLink *link = handle->data;
    entity_unref(link->host);
    map_done(&link->by_id);
    free(link);
}

static void link_free(HostLink *link)
{
    uv_close((uv_handle_t *)&link->sweep, link_sweep_closed);
}

static void link_closed(Stream *stream, const Fail *why, void *owner)
{
    HostLink *link = owner;
    AUTO_FAIL reason = {0};
    (void)stream;
    if (fail_is_set(why))
        fail_copy(&reason, why);
    else if (link->silent)
        fail_set(&reason, FAIL_UNAVAILABLE, "It has been silent for %d s.", SILENCE_MS / 1000);
    else
        fail_set(&reason, FAIL_UNAVAILABLE, "The host ended the connection.");
    fail_prefix(&reason, "Host %s: ", entity_name(link->host));
    link->stream = NULL;
    link->silent = false;
    link->retry_at_ms = clock_monotonic_ms() + (link->connected ? RETRY_FIRST_MS : RETRY_MS);
    link->connected = false;
    link_fail_calls(link, &reason);
    if (link->closing)
        link_free(link);
    else
        link->handlers->closed(link, link->host, &reason);
}

static const StreamHandlers link_handlers = {
    .opened = link_opened,
    .data = link_data,
    .closed = link_closed,
};

static void link_connect(HostLink *link)
{
    const ApiHost *host = ENTITY_OBJECT(link->host, Host);
    int port = host->port.set ? (int)host->port.value : VDSM_PORT;
    link->stream =
        stream_connect(link->manager->loop, host->address, port, link->manager->agent_tls,
                       host->address, CONNECT_MS, &link_handlers, link);
    stream_set_input_limit(link->stream, STOMP_BODY_MAX + STOMP_HEAD_MAX);
}

// A manager that was stopped itself has not listened: what the host sent meanwhile is read first.
static bool link_is_silent(HostLink *link, int64_t now)
{
    if (now - link->swept_ms > HEARTBEAT_MS)
        link->awake_ms = now;
    link->swept_ms = now;
    return link->connected && now - stream_last_read_ms(link->stream) > SILENCE_MS &&
           now - link->awake_ms > SILENCE_MS;
}

static void link_sweep(uv_timer_t *timer)
{
    HostLink *link = timer->data;
    int64_t now = clock_monotonic_ms();
    bool silent = link_is_silent(link, now);
    if (!link->stream && now >= link->retry_at_ms) {
        link_connect(link);
        return;
    }
    if (silent) {
        log_warn("host.silent", LOG_ID("host", link->host->id),
                 "Host %s has been silent for %d s; connecting again.", entity_name(link->host),
                 SILENCE_MS / 1000);
        link->silent = true;
        stream_close(link->stream, false);
        return;
    }
    LIST_EACH(&link->calls, PendingCall, node, call) {
        if (now < call->deadline_ms)
            continue;
        AUTO_FAIL why = {0};
        fail_set(&why, FAIL_TIMED_OUT, "Host %s did not answer %s in time.",
                 entity_name(link->host), call->method);
        pending_end(link, call, NULL, &why, 0);
        return; // the list may have changed; the rest has its turn soon
    }
}

HostLink *host_link_new(Manager *manager, Entity *host, const HostLinkHandlers *handlers)
{
    HostLink *link = NEW(HostLink);
    link->manager = manager;
    link->host = entity_ref(host);
    link->handlers = handlers;
    list_init(&link->calls);
    uv_timer_init(manager->loop, &link->sweep);
    link->sweep.data = link;
    uv_timer_start(&link->sweep, link_sweep, 0, SWEEP_MS);
    return link;
}

void host_link_close(HostLink *link)
{
    if (!link || link->closing)
        return;
    link->closing = true;
    link->connected = false;
    uv_timer_stop(&link->sweep);
    if (link->stream)
        stream_close(link->stream, true);
    else
        link_free(link);
}

bool host_link_is_open(const HostLink *link)
{
    return link && link->connected;
}
