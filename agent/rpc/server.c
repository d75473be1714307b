#include "agent/rpc/server.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/rpc/verbs.h"
#include "base/list.h"
#include "base/log.h"
#include "base/uuid.h"
#include "proto/console.h"
#include "proto/stomp.h"

enum {
    DETECT_BYTES = 11, // the longest STOMP command
    DETECT_MS = 10000,
    HEARTBEAT_MIN_MS = 1000,
    SUBSCRIPTIONS_MAX = 32,
    CALLS_MAX = 200, // of one session at the same time
};

typedef enum VerbThread { VERB_LOOP, VERB_POOL } VerbThread;

typedef struct VerbRow {
    const char *name;
    VerbHandler *handler;
    VerbThread thread;
    const char *parameters;
} VerbRow;

static const VerbRow verb_rows[] = {
#define VERB(name, handler, thread, parameters) {name, handler, VERB_##thread, parameters},
#include "agent/rpc/verbs.def"
#undef VERB
};

typedef struct Subscription {
    char *id, *destination;
} Subscription;

typedef struct Session {
    RpcServer *server;
    Stream *stream;
    List node;
    Subscription subscriptions[SUBSCRIPTIONS_MAX];
    int subscription_count;
    bool tls, detected, connected, closed;
    int calls;        // running, each holds the session
    uv_timer_t timer; // detection, then heart-beats
    bool timer_open;
    int64_t started_ms;
} Session;

typedef struct PendingEvent {
    List node;
    char *method, *params;
} PendingEvent;

struct RpcServer {
    Agent *agent;
    Listener *listener, *local;
    List sessions;
    bool stopping;
    const char *held; // why no verb is served, or NULL
    uv_async_t async;
    uv_mutex_t lock; // guards events
    List events;
    void (*http)(Stream *stream, void *argument); // NULL: no HTTP here
    void *http_argument;
};

struct Call {
    Session *session;
    const VerbRow *verb;
    Arena arena;
    const Json *request, *params, *id;
    char *reply_to;
    StrBuf result;
    int error;
    char *message;
    bool answered, in_pool;
    uv_work_t work;
};

// ---- frames out

static void session_send(Session *session, const StrBuf *frame)
{
    if (!session->closed)
        stream_write(session->stream, frame->data, frame->length);
}

static void session_error(Session *session, const char *text)
{
    AUTO_STRBUF frame = {0};
    stomp_write(&frame, "ERROR", text, strlen(text), NULL);
    session_send(session, &frame);
}

static void session_message(Session *session, const Subscription *subscription,
                            const char *destination, const StrBuf *body)
{
    AUTO_STRBUF frame = {0};
    stomp_write(&frame, "MESSAGE", body->data, body->length, "destination", destination,
                "content-type", "application/json", "subscription", subscription->id, NULL);
    session_send(session, &frame);
}

// A reply goes to every subscription to exactly that destination; without one it is dropped.
static void session_reply(Session *session, const char *destination, const StrBuf *body)
{
    for (int i = 0; i < session->subscription_count; i++)
        if (!strcmp(session->subscriptions[i].destination, destination))
            session_message(session, &session->subscriptions[i], destination, body);
}

// "a.b" also hears what is sent to "a.b.c".
static bool destination_covers(const char *subscribed, const char *destination)
{
    size_t length = strlen(subscribed);
    return !strncmp(subscribed, destination, length) &&
           (!destination[length] || destination[length] == '.');
}

static bool server_publish(RpcServer *server, const char *destination, const StrBuf *body)
{
    bool heard = false;
    LIST_EACH(&server->sessions, Session, node, session)
        for (int i = 0; i < session->subscription_count; i++)
            if (destination_covers(session->subscriptions[i].destination, destination)) {
                session_message(session, &session->subscriptions[i], destination, body);
                heard = true;
            }
    return heard;
}

// ---- calls

Agent *call_agent(const Call *call)
{
    return call->session->server->agent;
}

const char *call_method(const Call *call)
{
    return call->verb->name;
}

const Json *call_params(const Call *call)
{
    return call->params;
}

Arena *call_arena(Call *call)
{
    return &call->arena;
}

const char *call_string(const Call *call, const char *name)
{
    return json_get_string(call->params, name);
}

int64_t call_integer(const Call *call, const char *name, int64_t fallback)
{
    return json_get_integer(call->params, name, fallback);
}

bool call_bool(const Call *call, const char *name, bool fallback)
{
    return json_get_bool(call->params, name, fallback);
}

const Json *call_json(const Call *call, const char *name)
{
    return json_get(call->params, name);
}

static void session_unref(Session *session);

static void call_finish(Call *call)
{
    Session *session = call->session;
    AUTO_STRBUF body = {0};
    if (call->error)
        vdsm_write_error(&body, call->id, call->error, call->message);
    else
        vdsm_write_result(&body, call->id, call->result.length ? call->result.data : "true");
    if (call->error)
        log_debug("rpc.failed", LOG_NONE, "%s: %d %s", call->verb ? call->verb->name : "?",
                  call->error, call->message);
    session_reply(session, call->reply_to, &body);
    strbuf_done(&call->result);
    free(call->message);
    free(call->reply_to);
    arena_done(&call->arena);
    free(call);
    session->calls--;
    session_unref(session);
}

static void call_answered(Call *call)
{
    if (call->answered)
        abort(); // a handler that answers twice
    call->answered = true;
    if (!call->in_pool)
        call_finish(call);
}

void call_reply(Call *call, StrBuf *json)
{
    call->result = *json;
    *json = (StrBuf){0};
    call_answered(call);
}

void call_reply_string(Call *call, const char *text)
{
    AUTO_STRBUF json = {0};
    json_quote(&json, text, strlen(text));
    call_reply(call, &json);
}

void call_ok(Call *call)
{
    call_answered(call);
}

void call_fail(Call *call, VdsmError error, const char *format, ...)
{
    AUTO_STRBUF text = {0};
    const char *meaning = vdsm_error_text(error);
    va_list args;
    va_start(args, format);
    strbuf_addv(&text, format, args);
    va_end(args);
    bool told = text.data && !strncmp(text.data, meaning, strlen(meaning));
    call->error = error;
    call->message = told ? strbuf_take(&text) : memory_format("%s: %s", meaning, text.data);
    call_answered(call);
}

void call_fail_why(Call *call, VdsmError error, const Fail *why)
{
    AUTO_FREE char *text = fail_text(why);
    call_fail(call, error, "%s", text);
}

static void call_pool_run(uv_work_t *work)
{
    Call *call = work->data;
    call->verb->handler(call);
    if (!call->answered)
        abort(); // a handler that forgets to answer
}

static void call_pool_done(uv_work_t *work, int status)
{
    (void)status;
    call_finish(work->data);
}

// ---- checking parameters

static bool json_is_kind(const Json *value, const char *kind, size_t length)
{
    int64_t number;
    bool truth;
    if (!strncmp(kind, "uuid", length))
        return json_string(value) && uuid_valid(json_string(value));
    if (!strncmp(kind, "string", length))
        return value->kind == JSON_STRING || value->kind == JSON_INTEGER;
    if (!strncmp(kind, "int", length))
        return json_integer(value, &number);
    if (!strncmp(kind, "bool", length))
        return json_bool(value, &truth);
    if (!strncmp(kind, "list", length))
        return value->kind == JSON_ARRAY;
    if (!strncmp(kind, "map", length))
        return value->kind == JSON_OBJECT;
    return true;
}

// One "name:kind" or "name:kind?"; returns the rest of the list.
static const char *parameter_next(const char *at, const char **ret_name, size_t *ret_name_length,
                                  const char **ret_kind, size_t *ret_kind_length,
                                  bool *ret_optional)
{
    at += strspn(at, " ,");
    if (!*at)
        return NULL;
    *ret_name = at;
    *ret_name_length = strcspn(at, ":");
    *ret_kind = at + *ret_name_length + 1;
    *ret_kind_length = strcspn(*ret_kind, " ,?");
    at = *ret_kind + *ret_kind_length;
    *ret_optional = *at == '?';
    return at + *ret_optional;
}

// Texts that look like numbers come as numbers from some clients; handlers see texts only. The
// value lies in the call's arena.
static void call_number_to_text(Call *call, const Json *value)
{
    Json *own = (Json *)value;
    char text[24];
    int length = snprintf(text, sizeof(text), "%lld", (long long)value->integer);
    own->kind = JSON_STRING;
    own->string = arena_bytes(&call->arena, text, (size_t)length);
    own->length = (size_t)length;
}

static bool call_check_parameters(Call *call)
{
    const char *name, *kind;
    size_t name_length, kind_length;
    bool optional;
    for (const char *at = call->verb->parameters;
         (at = parameter_next(at, &name, &name_length, &kind, &kind_length, &optional));) {
        char key[64];
        memcpy(key, name, name_length);
        key[name_length] = 0;
        const Json *value = json_get(call->params, key);
        if (!value || value->kind == JSON_NULL) {
            if (optional)
                continue;
            call_fail(call, VDSM_MISSING_PARAMETER, "%s needs %s", call->verb->name, key);
            return false;
        }
        if (!json_is_kind(value, kind, kind_length)) {
            call_fail(call, VDSM_INVALID_PARAMETER, "%s: %s must be of type %.*s", call->verb->name,
                      key, (int)kind_length, kind);
            return false;
        }
        if (value->kind == JSON_INTEGER && !strncmp(kind, "string", kind_length))
            call_number_to_text(call, value);
    }
    return true;
}

// Positional parameters get the names of the row.
static const Json *call_name_parameters(Call *call, const Json *list)
{
    const char *name, *kind, *at = call->verb->parameters;
    size_t name_length, kind_length;
    bool optional;
    Json *object = ARENA_NEW(&call->arena, Json), **tail = &object->first;
    object->kind = JSON_OBJECT;
    JSON_EACH(list, value) {
        at = at ? parameter_next(at, &name, &name_length, &kind, &kind_length, &optional) : NULL;
        if (!at)
            break;
        Json *member = ARENA_NEW(&call->arena, Json);
        *member = *value;
        member->next = NULL;
        member->key = arena_bytes(&call->arena, name, name_length);
        *tail = member;
        tail = &member->next;
        object->count++;
    }
    return object;
}

static const VerbRow *verb_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(verb_rows); i++)
        if (!strcmp(verb_rows[i].name, name))
            return &verb_rows[i];
    return NULL;
}

static void call_dispatch(Call *call)
{
    static const Json nothing = {.kind = JSON_OBJECT};
    const char *method = json_get_string(call->request, "method");
    call->id = json_get(call->request, "id");
    if (!method || call->request->kind != JSON_OBJECT) {
        call_fail(call, VDSM_INVALID_REQUEST, "a request has a method");
        return;
    }
    call->verb = verb_find(method);
    if (!call->verb) {
        call_fail(call, VDSM_METHOD_NOT_FOUND, "%.100s", method);
        return;
    }
    call->params = json_get(call->request, "params");
    if (!call->params || call->params->kind == JSON_NULL)
        call->params = &nothing;
    if (call->params->kind == JSON_ARRAY)
        call->params = call_name_parameters(call, call->params);
    if (call->params->kind != JSON_OBJECT) {
        call_fail(call, VDSM_INVALID_PARAMS, "parameters are a map");
        return;
    }
    const char *held = call->session->server->held;
    if (held && strncmp(method, "Host.ping", 9)) {
        call_fail(call, VDSM_RECOVERY_IN_PROGRESS, "%s", held);
        return;
    }
    if (!call_check_parameters(call))
        return;
    if (call->verb->thread == VERB_LOOP) {
        call->verb->handler(call);
        return;
    }
    call->in_pool = true;
    call->work.data = call;
    uv_queue_work(call->session->server->agent->loop, &call->work, call_pool_run, call_pool_done);
}

static Call *call_new(Session *session, const StompFrame *frame)
{
    const char *reply_to = stomp_header(frame, "reply-to");
    Call *call = NEW(Call);
    arena_init(&call->arena, frame->length * 3 + 1024);
    call->session = session;
    call->reply_to = memory_string(reply_to ? reply_to : VDSM_RESPONSES);
    session->calls++;
    return call;
}

static void session_request(Session *session, const StompFrame *frame)
{
    static const Json null_id = {.kind = JSON_NULL};
    const char *error = NULL;
    size_t offset = 0;
    Call *call = call_new(session, frame);
    char *text = arena_bytes(&call->arena, frame->body, frame->length);
    const Json *json = json_parse(&call->arena, text, frame->length, &error, &offset);
    call->id = &null_id;
    if (!json) {
        call_fail(call, VDSM_PARSE_ERROR, "at byte %zu: %s", offset, error);
        return;
    }
    // Python clients wrap even a single call in a list.
    if (json->kind == JSON_ARRAY && json->count == 1)
        json = json->first;
    call->request = json;
    if (json->kind == JSON_ARRAY)
        call_fail(call, VDSM_INVALID_REQUEST, "batches of several calls are not taken");
    else if (session->calls > CALLS_MAX)
        call_fail(call, VDSM_RESOURCE_EXHAUSTED, "too many calls at once");
    else
        call_dispatch(call);
}

// ---- frames in

static int heartbeat_raise(long ms)
{
    return ms && ms < HEARTBEAT_MIN_MS ? HEARTBEAT_MIN_MS : (int)ms;
}

static void session_heartbeat(uv_timer_t *timer)
{
    Session *session = timer->data;
    if (!session->closed)
        stream_write(session->stream, "\n", 1);
}

static void frame_connect(Session *session, const StompFrame *frame)
{
    const char *versions = stomp_header(frame, "accept-version");
    const char *beat = stomp_header(frame, "heart-beat");
    char text[64];
    if (!versions || strcmp(versions, "1.2")) {
        session_error(session, "Version unsupported");
        return;
    }
    long theirs = 0, wanted = 0;
    if (beat) {
        char *comma;
        theirs = strtol(beat, &comma, 10);
        wanted = *comma == ',' ? strtol(comma + 1, NULL, 10) : 0;
    }
    int out = heartbeat_raise(wanted > 0 ? wanted : 0),
        in = heartbeat_raise(theirs > 0 ? theirs : 0);
    snprintf(text, sizeof(text), "%d,%d", out, in);
    AUTO_STRBUF reply = {0};
    stomp_write(&reply, "CONNECTED", NULL, 0, "version", "1.2", "heart-beat", text, NULL);
    session_send(session, &reply);
    session->connected = true;
    if (out)
        uv_timer_start(&session->timer, session_heartbeat, (uint64_t)out, (uint64_t)out);
}

static void frame_subscribe(Session *session, const StompFrame *frame)
{
    const char *id = stomp_header(frame, "id");
    const char *destination = stomp_header(frame, "destination");
    if (!id || !destination) {
        session_error(session, "Missing destination or subscription id header");
        return;
    }
    for (int i = 0; i < session->subscription_count; i++)
        if (!strcmp(session->subscriptions[i].id, id)) {
            session_error(session, "Subscription id already exists");
            return;
        }
    if (session->subscription_count == SUBSCRIPTIONS_MAX) {
        session_error(session, "Too many subscriptions");
        return;
    }
    session->subscriptions[session->subscription_count++] =
        (Subscription){memory_string(id), memory_string(destination)};
}

static void subscription_done(Subscription *subscription)
{
    free(subscription->id);
    free(subscription->destination);
}

static void frame_unsubscribe(Session *session, const StompFrame *frame)
{
    const char *id = stomp_header(frame, "id");
    for (int i = 0; id && i < session->subscription_count; i++) {
        if (strcmp(session->subscriptions[i].id, id))
            continue;
        subscription_done(&session->subscriptions[i]);
        session->subscriptions[i] = session->subscriptions[--session->subscription_count];
        return;
    }
    session_error(session, "Subscription id not found");
}

static void frame_send(Session *session, const StompFrame *frame)
{
    const char *destination = stomp_header(frame, "destination");
    if (destination &&
        (!strcmp(destination, VDSM_REQUESTS) || !strcmp(destination, VDSM_SPM_REQUESTS))) {
        session_request(session, frame);
        return;
    }
    StrBuf body = {.data = (char *)frame->body, .length = frame->length};
    if (!destination || !server_publish(session->server, destination, &body))
        session_error(session, "Subscription not available");
}

static void frame_disconnect(Session *session, const StompFrame *frame)
{
    const char *receipt = stomp_header(frame, "receipt");
    if (receipt) {
        AUTO_STRBUF reply = {0};
        stomp_write(&reply, "RECEIPT", NULL, 0, "receipt-id", receipt, NULL);
        session_send(session, &reply);
    }
    stream_close(session->stream, true);
}

static const struct {
    const char *command;
    void (*handle)(Session *session, const StompFrame *frame);
    bool before_connect;
} frame_rows[] = {
    {"CONNECT", frame_connect, true},      {"STOMP", frame_connect, true},
    {"SUBSCRIBE", frame_subscribe, false}, {"UNSUBSCRIBE", frame_unsubscribe, false},
    {"SEND", frame_send, false},           {"DISCONNECT", frame_disconnect, true},
};

static void session_frame(Session *session, const StompFrame *frame)
{
    for (size_t i = 0; i < COUNT_OF(frame_rows); i++) {
        if (strcmp(frame_rows[i].command, frame->command))
            continue;
        if (session->connected || frame_rows[i].before_connect)
            frame_rows[i].handle(session, frame);
        else
            session_error(session, "Not connected");
        return;
    }
    session_error(session, "Invalid command");
}

// ---- sessions

static bool data_is_stomp(const char *data)
{
    for (size_t i = 0; i < COUNT_OF(frame_rows); i++)
        if (!strncmp(data, frame_rows[i].command, strlen(frame_rows[i].command)))
            return true;
    return *data == '\n';
}

// HTTP: it is no session of ours.
static void session_give(Session *session)
{
    session->closed = true;
    list_remove(&session->node);
    uv_timer_stop(&session->timer);
    session->server->http(TAKE(session->stream), session->server->http_argument);
    session_unref(session);
}

// Every host has a certificate of the same authority; one host must not rule another.
static bool session_is_trusted(Session *session)
{
    if (!session->tls)
        return true; // the Unix socket is root's
    AUTO_FREE char *unit = stream_peer_unit(session->stream);
    return (unit && !strcmp(unit, MANAGER_UNIT)) || stream_peer_is_self(session->stream);
}

static size_t session_detect(Session *session, const char *data, size_t length)
{
    if (length < DETECT_BYTES)
        return 0;
    if (!memcmp(data, "GET /", 5) && session->server->http) {
        session_give(session);
        return 0;
    }
    if (!data_is_stomp(data)) {
        log_info("rpc.unknown", LOG_NONE, "A client at %s speaks an unknown protocol.",
                 stream_peer(session->stream));
        stream_close(session->stream, false);
        return length;
    }
    if (!session_is_trusted(session)) {
        log_warn("rpc.stranger", LOG_NONE, "A client at %s is not the manager: refused.",
                 stream_peer(session->stream));
        session_error(session, "Only the manager and this host itself may call verbs");
        stream_close(session->stream, true);
        return length;
    }
    session->detected = true;
    uv_timer_stop(&session->timer);
    stream_set_input_limit(session->stream, STOMP_BODY_MAX + STOMP_HEAD_MAX);
    return 0;
}

static size_t session_data(Stream *stream, const char *data, size_t length, void *owner)
{
    Session *session = owner;
    StompFrame frame;
    size_t used = 0;
    const char *error = NULL;
    if (!session->detected && (session_detect(session, data, length), !session->detected))
        return 0;
    switch (stomp_parse(data, length, &frame, &used, &error)) {
    case STOMP_HEARTBEAT: return used;
    case STOMP_INCOMPLETE: return 0;
    case STOMP_BROKEN:
        session_error(session, error);
        stream_close(stream, true);
        return length;
    case STOMP_FRAME: break;
    }
    session_frame(session, &frame);
    stomp_frame_done(&frame);
    return used;
}

static void session_free(uv_handle_t *handle)
{
    Session *session = handle->data;
    for (int i = 0; i < session->subscription_count; i++)
        subscription_done(&session->subscriptions[i]);
    free(session);
}

static void session_unref(Session *session)
{
    if (session->calls || !session->closed || !session->timer_open)
        return;
    session->timer_open = false;
    uv_close((uv_handle_t *)&session->timer, session_free);
}

static void session_closed(Stream *stream, const Fail *why, void *owner)
{
    Session *session = owner;
    (void)stream;
    if (fail_is_set(why))
        log_debug("rpc.closed", LOG_NONE, "%s %s", why->message, why->detail ? why->detail : "");
    session->closed = true;
    list_remove(&session->node);
    uv_timer_stop(&session->timer);
    session_unref(session);
}

static void session_detect_timeout(uv_timer_t *timer)
{
    Session *session = timer->data;
    stream_close(session->stream, false);
}

static const StreamHandlers session_handlers = {.data = session_data, .closed = session_closed};

static void session_new(RpcServer *server, int fd, TlsContext *tls)
{
    Session *session = NEW(Session);
    session->server = server;
    list_append(&server->sessions, &session->node);
    uv_timer_init(server->agent->loop, &session->timer);
    session->timer.data = session;
    session->timer_open = true;
    session->tls = tls != NULL;
    uv_timer_start(&session->timer, session_detect_timeout, DETECT_MS + STREAM_HANDSHAKE_MS, 0);
    session->stream = stream_accept(server->agent->loop, fd, tls, &session_handlers, session);
}

static void server_accepted(int fd, const char *peer, void *argument)
{
    RpcServer *server = argument;
    (void)peer;
    session_new(server, fd, server->agent->tls);
}

static void server_accepted_local(int fd, const char *peer, void *argument)
{
    (void)peer;
    session_new(argument, fd, NULL);
}

// ---- events from any thread

void rpc_event(RpcServer *server, const char *method, StrBuf *params)
{
    PendingEvent *event = NEW(PendingEvent);
    event->method = memory_string(method);
    event->params = strbuf_take(params);
    uv_mutex_lock(&server->lock);
    list_append(&server->events, &event->node);
    uv_mutex_unlock(&server->lock);
    uv_async_send(&server->async);
}

static PendingEvent *server_next_event(RpcServer *server)
{
    uv_mutex_lock(&server->lock);
    PendingEvent *event = LIST_TAKE(&server->events, PendingEvent, node);
    uv_mutex_unlock(&server->lock);
    return event;
}

static void event_free(PendingEvent *event)
{
    free(event->method);
    free(event->params);
    free(event);
}

static void server_send_events(uv_async_t *async)
{
    RpcServer *server = async->data;
    for (PendingEvent *event; (event = server_next_event(server));) {
        AUTO_STRBUF body = {0};
        vdsm_write_event(&body, event->method, event->params);
        server_publish(server, VDSM_EVENTS, &body);
        event_free(event);
    }
}

// ---- the server

RpcServer *rpc_server_new(Agent *agent, Fail *why)
{
    RpcServer *server = NEW(RpcServer);
    server->agent = agent;
    list_init(&server->sessions);
    list_init(&server->events);
    server->listener = listener_new(agent->loop, agent->config.listen_address,
                                    agent->config.listen_port, server_accepted, server, why);
    if (!server->listener) {
        free(server);
        return NULL;
    }
    uv_mutex_init(&server->lock);
    uv_async_init(agent->loop, &server->async, server_send_events);
    server->async.data = server;
    return server;
}

int rpc_server_listen_path(RpcServer *server, const char *path, Fail *why)
{
    server->local =
        listener_new_path(server->agent->loop, path, 0600, server_accepted_local, server, why);
    return server->local ? 0 : fail_to_errno(FAIL_UNAVAILABLE);
}

void rpc_server_hold(RpcServer *server, const char *reason)
{
    server->held = reason;
}

void rpc_server_on_http(RpcServer *server, void (*adopt)(Stream *stream, void *argument),
                        void *argument)
{
    server->http = adopt;
    server->http_argument = argument;
}

void rpc_server_stop(RpcServer *server)
{
    server->stopping = true;
    server->http = NULL;
    listener_close(server->listener);
    listener_close(server->local);
    server->listener = server->local = NULL;
    LIST_EACH(&server->sessions, Session, node, session)
        stream_close(session->stream, true);
    uv_close((uv_handle_t *)&server->async, NULL);
}

void rpc_server_free(RpcServer *server)
{
    if (!server)
        return;
    for (PendingEvent *event; (event = server_next_event(server));)
        event_free(event);
    uv_mutex_destroy(&server->lock);
    free(server);
}
