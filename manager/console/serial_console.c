#include "manager/console/serial_console.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "manager/identity/identity.h"
#include "manager/transfer/answer.h"
#include "manager/vm/vm_call.h"
#include "manager/vm/vm_view.h"
#include "proto/console.h"
#include "proto/vdsm.h"

enum {
    CONSOLES_MAX = 1000,
    CONSOLE_CONNECT_MS = 10000,
    CONSOLE_ANSWER_MS = 30000,   // until the line is open
    CONSOLE_REFUSAL_MAX = 16384, // bytes of a host's refusal
    CONSOLE_SWEEP_MS = 5000,
};

struct SerialConsoles {
    Manager *manager;
    List relays;
    int count;
    uv_timer_t sweep;
    bool stopping;
};

typedef struct Relay {
    SerialConsoles *consoles;
    List node;
    Http *http;               // the client until it is upgraded
    Stream *client, *host;    // NULL: not yet, or gone
    Entity *vm, *host_entity; // references
    char *user, *user_name, *peer, *token;
    Answer answer; // the host's refusal
    StrBuf refusal;
    int64_t deadline_ms; // until it is open
    bool identifying;
    Fail why;
} Relay;

static const StreamHandlers host_handlers, client_handlers;

// ---- the end

static void consoles_maybe_stopped(SerialConsoles *consoles);

// When nobody holds it any more.
static void relay_release(Relay *relay)
{
    SerialConsoles *consoles = relay->consoles;
    if (relay->http || relay->client || relay->host || relay->identifying)
        return;
    list_remove(&relay->node);
    entity_unref(relay->vm);
    entity_unref(relay->host_entity);
    answer_done(&relay->answer);
    strbuf_done(&relay->refusal);
    fail_done(&relay->why);
    free(relay->user);
    free(relay->user_name);
    free(relay->peer);
    free(relay->token);
    free(relay);
    consoles->count--;
    consoles_maybe_stopped(consoles);
}

static void console_refuse(Http *http, const Fail *why)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    AUTO_FREE char *text = fail_text(why);
    int status = fail_http_status(why->code);
    json_open(&writer, '{');
    json_add_string(&writer, "reason", fail_reason(why->code));
    json_add_string(&writer, "detail", text);
    json_close(&writer, '}');
    if (status == 401)
        http_add_header(http, "WWW-Authenticate", "Bearer realm=\"Vireo\"");
    http_reply(http, status, "application/json", json.data, json.length);
}

// Tells relay->why to a client that is not upgraded yet, and lets the host go.
static void relay_refuse(Relay *relay)
{
    if (relay->http)
        console_refuse(TAKE(relay->http), &relay->why);
    if (relay->host)
        stream_close(relay->host, false);
    relay_release(relay);
}

static void relay_cut(Relay *relay, const char *text)
{
    AUTO_FREE char *line = memory_format("\r\n[vireo: %s]\r\n", text);
    if (relay->client && stream_is_open(relay->client)) {
        stream_write(relay->client, line, strlen(line));
        stream_linger(relay->client);
        stream_close(relay->client, true);
    }
    if (relay->host)
        stream_close(relay->host, false);
}

// ---- bytes

static void stream_look(Stream *stream)
{
    if (!stream)
        return;
    stream_pause(stream); // its bytes are shown again
    stream_resume(stream);
}

static size_t relay_pass(Stream *to, const char *data, size_t length)
{
    if (!to || !stream_is_open(to))
        return length;
    if (stream_queued(to) > STREAM_HIGH_WATER)
        return 0; // until it is drained
    stream_write(to, data, length);
    return length;
}

static size_t client_data(Stream *stream, const char *data, size_t length, void *owner)
{
    (void)stream;
    return relay_pass(((Relay *)owner)->host, data, length);
}

static void client_drained(Stream *stream, void *owner)
{
    (void)stream;
    stream_look(((Relay *)owner)->host);
}

static void relay_tell(const Relay *relay, EventCode code)
{
    Cause cause = {.user = relay->user, .user_name = relay->user_name, .source = relay->peer};
    event_write(relay->consoles->manager, &cause, code,
                &(EventFacts){.vm = relay->vm, .host = relay->host_entity, .detail = relay->peer});
}

static void client_closed(Stream *stream, const Fail *why, void *owner)
{
    Relay *relay = owner;
    (void)stream;
    (void)why;
    relay->client = NULL;
    if (!relay->consoles->stopping)
        relay_tell(relay, EVENT_VM_CONSOLE_DISCONNECTED);
    if (relay->host)
        stream_close(relay->host, false);
    relay_release(relay);
}

static const StreamHandlers client_handlers = {
    .data = client_data,
    .drained = client_drained,
    .closed = client_closed,
};

// ---- the host

static void host_opened(Stream *stream, void *owner)
{
    Relay *relay = owner;
    const ApiHost *host = ENTITY_OBJECT(relay->host_entity, Host);
    AUTO_STRBUF out = {0};
    strbuf_addf(&out, "GET " CONSOLE_PATH "%s" CONSOLE_SERIAL " HTTP/1.1\r\nHost: %s\r\n",
                relay->vm->id, host->address);
    strbuf_addf(&out, "Connection: Upgrade\r\nUpgrade: " CONSOLE_PROTOCOL "\r\n");
    strbuf_addf(&out, CONSOLE_VIEWER ": %s at %s\r\n\r\n", relay->user_name, relay->peer);
    stream_keep_alive(stream);
    stream_write(stream, out.data, out.length);
}

static void host_refused(Relay *relay)
{
    AUTO_ARENA arena;
    arena_init(&arena, CONSOLE_REFUSAL_MAX);
    const Json *json = relay->refusal.length ? json_parse(&arena, relay->refusal.data,
                                                          relay->refusal.length, NULL, NULL)
                                             : NULL;
    const char *detail = json_get_string(json, "detail");
    fail_set(&relay->why, FAIL_HOST, "The serial console of VM %s can't be opened on host %s.",
             entity_name(relay->vm), entity_name(relay->host_entity));
    if (detail)
        fail_detail(&relay->why, "%s", detail);
    else
        fail_detail(&relay->why, "it answers with status %d", relay->answer.status);
    relay_refuse(relay);
}

static size_t host_refuses(Relay *relay, const char *data, size_t length)
{
    size_t used = 0;
    AnswerStep step = answer_step(&relay->answer, data, length, &used);
    if (step == ANSWER_BODY)
        strbuf_add(&relay->refusal, data, used);
    bool over = relay->answer.state == ANSWER_AT_END || step == ANSWER_BROKEN ||
                relay->refusal.length > CONSOLE_REFUSAL_MAX;
    if (over)
        host_refused(relay);
    return over ? length : used;
}

static size_t host_agrees(Relay *relay, size_t head)
{
    relay->client = http_upgrade(TAKE(relay->http), CONSOLE_PROTOCOL, &client_handlers, relay);
    if (!relay->client) {
        stream_close(relay->host, false);
        return head;
    }
    stream_keep_alive(relay->client);
    relay_tell(relay, EVENT_VM_CONSOLE_CONNECTED);
    return head;
}

static size_t host_data(Stream *stream, const char *data, size_t length, void *owner)
{
    static const char agreed[] = "HTTP/1.1 101 ";
    Relay *relay = owner;
    (void)stream;
    if (!relay->http)
        return relay_pass(relay->client, data, length);
    size_t head = relay->answer.state == ANSWER_IN_HEAD ? http_head_end(data, length) : 0;
    if (head > sizeof(agreed) && !memcmp(data, agreed, sizeof(agreed) - 1))
        return host_agrees(relay, head);
    return host_refuses(relay, data, length);
}

static void host_drained(Stream *stream, void *owner)
{
    (void)stream;
    stream_look(((Relay *)owner)->client);
}

static void host_closed(Stream *stream, const Fail *why, void *owner)
{
    Relay *relay = owner;
    (void)stream;
    relay->host = NULL;
    if (relay->client && stream_is_open(relay->client)) {
        if (fail_is_set(why))
            relay_cut(relay, "The connection to the host broke.");
        else
            stream_close(relay->client, true);
    }
    if (relay->http && !fail_is_set(&relay->why)) {
        fail_set(&relay->why, FAIL_HOST, "Host %s opens no serial console for VM %s.",
                 entity_name(relay->host_entity), entity_name(relay->vm));
        if (fail_is_set(why))
            fail_detail(&relay->why, "%s %s", why->message, why->detail ? why->detail : "");
    }
    if (relay->http)
        relay_refuse(relay);
    else
        relay_release(relay);
}

static const StreamHandlers host_handlers = {
    .opened = host_opened,
    .data = host_data,
    .drained = host_drained,
    .closed = host_closed,
};

static void relay_connect(Relay *relay)
{
    Manager *manager = relay->consoles->manager;
    const ApiHost *host = ENTITY_OBJECT(relay->host_entity, Host);
    int port = host->port.set ? (int)host->port.value : VDSM_PORT;
    relay->deadline_ms = clock_monotonic_ms() + CONSOLE_ANSWER_MS;
    relay->host = stream_connect(manager->loop, host->address, port, manager->agent_tls,
                                 host->address, CONSOLE_CONNECT_MS, &host_handlers, relay);
}

// ---- who may, and what

// "/VMID/serial"
static Entity *path_vm(const Manager *manager, const char *rest, Fail *why)
{
    char id[UUID_SIZE];
    size_t length = strlen(rest);
    bool whole = length == UUID_SIZE + strlen(CONSOLE_SERIAL) && *rest == '/' &&
                 !strcmp(rest + UUID_SIZE, CONSOLE_SERIAL);
    if (!whole) {
        fail_set(why, FAIL_NOT_FOUND,
                 "Serial consoles are at " CONSOLE_PATH "VMID" CONSOLE_SERIAL ".");
        return NULL;
    }
    memcpy(id, rest + 1, UUID_SIZE - 1);
    id[UUID_SIZE - 1] = 0;
    uuid_lower(id);
    Entity *vm = inventory_get(manager->inventory, KIND_VM, id);
    if (!vm)
        fail_set(why, FAIL_NOT_FOUND, "There is no VM with the id %s.", id);
    return vm;
}

static bool vm_check(Manager *manager, Entity *vm, Fail *why)
{
    const ApiVm *object = ENTITY_OBJECT(vm, Vm);
    ApiVmStatus status = vm_status(manager, vm);
    if (object->console && object->console->enabled == API_FALSE)
        fail_set(why, FAIL_STATE, "VM %s has no serial console.", entity_name(vm));
    else if (!(VM_STATUS_LIVE >> status & 1) || !vm_state(vm)->host)
        fail_set(why, FAIL_STATE, "VM %s is %s: its serial console can't be opened.",
                 entity_name(vm), api_enum_name(&api_enum_vm_status, status));
    return !fail_is_set(why);
}

static bool user_check(const User *user, Fail *why)
{
    if (role_permits(user->role, PERMIT_CONNECT_TO_SERIAL_CONSOLE))
        return true;
    fail_set(why, FAIL_FORBIDDEN, "User %s is not permitted to open serial consoles.", user->name);
    fail_detail(why, "the right %s is missing", permit_name(PERMIT_CONNECT_TO_SERIAL_CONSOLE));
    return false;
}

static bool relay_check(Relay *relay, const User *user)
{
    Manager *manager = relay->consoles->manager;
    const HttpHead *head = http_head(relay->http);
    Fail *why = &relay->why;
    if (!user_check(user, why))
        return false;
    Entity *vm = path_vm(manager, head->path + strlen(CONSOLE_PATH) - 1, why);
    if (!vm)
        return false;
    if (strcmp(head->method, "GET") || !http_wants_upgrade(relay->http, CONSOLE_PROTOCOL))
        fail_set(why, FAIL_INVALID,
                 "A console needs a GET with \"Upgrade: " CONSOLE_PROTOCOL "\".");
    else if (relay->consoles->stopping || relay->consoles->count > CONSOLES_MAX)
        fail_set(why, FAIL_UNAVAILABLE, "The manager opens no more consoles now.");
    else if (vm_check(manager, vm, why)) {
        relay->vm = entity_ref(vm);
        relay->host_entity = entity_ref(vm_state(vm)->host);
    }
    return relay->host_entity != NULL;
}

static void relay_identified(const User *user, const Fail *why, void *argument)
{
    Relay *relay = argument;
    relay->identifying = false;
    if (!relay->http) { // it has gone meanwhile
        relay_release(relay);
        return;
    }
    if (fail_is_set(why))
        fail_copy(&relay->why, why);
    if (fail_is_set(why) || !relay_check(relay, user)) {
        relay_refuse(relay);
        return;
    }
    relay->user = memory_string(user->id);
    relay->user_name = memory_string(user->name);
    relay_connect(relay);
}

static void relay_gone(Http *http, void *argument)
{
    Relay *relay = argument;
    relay->http = NULL;
    http_end(http);
    if (relay->host)
        stream_close(relay->host, false);
    relay_release(relay);
}

void serial_console_handle(Manager *manager, Http *http, const char *rest)
{
    SerialConsoles *consoles = manager->consoles;
    const char *authorization = http_header(http, "Authorization");
    (void)rest; // relay_check() looks again when the user is known
    if (!consoles) {
        AUTO_FAIL why = {0};
        fail_set(&why, FAIL_UNAVAILABLE, "The manager stops.");
        console_refuse(http, &why);
        return;
    }
    Relay *relay = NEW(Relay);
    relay->consoles = consoles;
    relay->http = http;
    relay->peer = memory_string(http_peer(http));
    if (authorization && !strncasecmp(authorization, "Bearer ", 7))
        relay->token = memory_string(authorization + 7);
    list_append(&consoles->relays, &relay->node);
    consoles->count++;
    relay->identifying = true;
    relay->deadline_ms = INT64_MAX;
    http_on_gone(http, relay_gone, relay);
    identity_of_http(manager->identity, http, NULL, relay_identified, relay);
}

// ---- what may change while a console is open

static const char *relay_verdict(const Relay *relay, int64_t now)
{
    Manager *manager = relay->consoles->manager;
    User user;
    if (!relay->client)
        return now > relay->deadline_ms ? "late" : NULL;
    Entity *entity = inventory_get(manager->inventory, KIND_USER, relay->user);
    if (!entity || !identity_user(manager->identity, entity, &user) || !user_check(&user, NULL))
        return "This console is not permitted any more.";
    if (relay->token && !identity_session(manager->identity, relay->token))
        return "The login has ended.";
    return NULL;
}

static void consoles_sweep(uv_timer_t *timer)
{
    SerialConsoles *consoles = timer->data;
    int64_t now = clock_monotonic_ms();
    LIST_EACH(&consoles->relays, Relay, node, relay) {
        const char *verdict = relay_verdict(relay, now);
        if (verdict && relay->client)
            relay_cut(relay, verdict);
        else if (verdict && relay->host)
            stream_close(relay->host, false); // host_closed() tells the client
    }
}

// ---- life

SerialConsoles *serial_consoles_new(Manager *manager)
{
    SerialConsoles *consoles = NEW(SerialConsoles);
    consoles->manager = manager;
    list_init(&consoles->relays);
    uv_timer_init(manager->loop, &consoles->sweep);
    consoles->sweep.data = consoles;
    uv_timer_start(&consoles->sweep, consoles_sweep, CONSOLE_SWEEP_MS, CONSOLE_SWEEP_MS);
    uv_unref((uv_handle_t *)&consoles->sweep);
    return consoles;
}

static void consoles_freed(uv_handle_t *handle)
{
    free(handle->data);
}

static void consoles_maybe_stopped(SerialConsoles *consoles)
{
    if (consoles->stopping && !consoles->count && !uv_is_closing((uv_handle_t *)&consoles->sweep))
        uv_close((uv_handle_t *)&consoles->sweep, consoles_freed);
}

void serial_consoles_stop(SerialConsoles *consoles)
{
    if (!consoles)
        return;
    consoles->stopping = true;
    LIST_EACH(&consoles->relays, Relay, node, relay)
        relay_cut(relay, "The manager stops.");
    consoles_maybe_stopped(consoles);
}
