// Graphics consoles: what they are, tickets for them, and .vv files for remote-viewer.
#include <string.h>
#include <strings.h>

#include <openssl/rand.h>

#include "manager/vm/vm_call.h"
#include "manager/vm/vm_view.h"
#include "rest_handlers.h"

enum { TICKET_SECONDS = 7200, VIEWER_TICKET_SECONDS = 120, TICKET_MAX_SECONDS = 7 * 24 * 3600 };

// VNC knows no more than eight characters of a password.
enum { PASSWORD_LENGTH = 8, PASSWORD_MAX = 64 };

static const ApiGraphicsConsole *console_find(const ApiVm *vm, const char *id)
{
    for (uint32_t i = 0; i < vm->graphics_consoles.count; i++)
        if (!strcmp(vm->graphics_consoles.items[i]->id, id))
            return vm->graphics_consoles.items[i];
    return NULL;
}

// ---- reading

static void console_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    const VmState *state = vm_state(item->entity);
    ApiGraphicsConsole *view = target;
    (void)request;
    *view = *(const ApiGraphicsConsole *)item->part;
    bool spice = view->protocol == API_GRAPHICS_TYPE_SPICE;
    int port = spice ? state->spice_port : state->vnc_port;
    view->vm = api_reference_new(scratch, &api_type_vm, item->entity->id);
    if (!state->host || (!port && !(spice && state->spice_tls_port)))
        return;
    view->address = state->display_address;
    view->port = port ? API_INT(port) : (ApiInteger){0};
    if (spice && state->spice_tls_port)
        view->tls_port = API_INT(state->spice_tls_port);
}

// With ?current=true only what the running VM really has.
static bool console_runs(const VmState *state, const ApiGraphicsConsole *console)
{
    if (!state->host)
        return false;
    return console->protocol == API_GRAPHICS_TYPE_SPICE ? state->spice_port || state->spice_tls_port
                                                        : state->vnc_port != 0;
}

static int consoles_of(Request *request, Items *items, const char *only)
{
    Entity *vm = request_entity(request, 0, KIND_VM);
    bool current = request_flag(request, "current", false);
    if (!vm || fail_is_set(&request->why))
        return fail_to_errno(request->why.code);
    const ApiVm *object = ENTITY_OBJECT(vm, Vm);
    items->view = console_view;
    for (uint32_t i = 0; i < object->graphics_consoles.count; i++) {
        const ApiGraphicsConsole *console = object->graphics_consoles.items[i];
        if ((!only || !strcmp(only, console->id)) &&
            (!current || console_runs(vm_state(vm), console)))
            items_add_part(items, vm, console);
    }
    if (only && !items->count)
        return fail_set(&request->why, FAIL_NOT_FOUND, "VM %s has no graphics console %s.",
                        entity_name(vm), only);
    return 0;
}

int vm_console_list(Request *request, Items *items)
{
    return consoles_of(request, items, NULL);
}

// ---- adding and removing: they become real at the next start

static const char *console_id(ApiGraphicsType protocol)
{
    return protocol == API_GRAPHICS_TYPE_SPICE ? "7370696365" : "766e63";
}

void vm_console_add(Request *request)
{
    const ApiGraphicsConsole *wanted = request->body;
    Entity *vm = request_entity(request, 0, KIND_VM);
    if (!vm || request_check_free(request, vm, LOCK_SHARED)) {
        reply_fail(request);
        return;
    }
    const char *id = console_id(wanted->protocol);
    if (console_find(ENTITY_OBJECT(vm, Vm), id)) {
        fail_set(&request->why, FAIL_EXISTS, "Cannot add Graphics Device. VM %s has a %s console.",
                 entity_name(vm), api_enum_name(&api_enum_graphics_type, wanted->protocol));
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_edit(change, vm);
    ApiGraphicsConsole *console = ARENA_NEW(&draft->arena, ApiGraphicsConsole);
    console->id = id;
    console->protocol = wanted->protocol;
    api_list_add(&draft->arena, &((ApiVm *)draft->object)->graphics_consoles, console);
    event_add(change, request->method->event, &(EventFacts){.vm = vm});
    AUTO_FREE char *path = memory_format("/vms/%s/graphicsconsoles/%s", vm->id, id);
    commit_and_show(request, change, 201, path);
}

static const ApiGraphicsConsole *wanted_console(Request *request, const Entity *vm)
{
    const char *id = request_id(request, 1);
    const ApiGraphicsConsole *console = vm ? console_find(ENTITY_OBJECT(vm, Vm), id) : NULL;
    if (vm && !console)
        fail_set(&request->why, FAIL_NOT_FOUND, "VM %s has no graphics console %s.",
                 entity_name(vm), id);
    return console;
}

void vm_console_remove(Request *request)
{
    Entity *vm = request_entity(request, 0, KIND_VM);
    const ApiGraphicsConsole *console = wanted_console(request, vm);
    if (!console || request_check_free(request, vm, LOCK_SHARED)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiVm *object = change_edit(change, vm)->object;
    api_list_remove(&object->graphics_consoles, console_find(object, console->id));
    event_add(change, request->method->event, &(EventFacts){.vm = vm});
    commit_and_remove(request, change);
}

// ---- tickets

static const VmVerb ticket_verb = {"set a console ticket for", "VM.updateDevice", VM_STATUS_LIVE,
                                   EVENT_NONE};

typedef struct TicketWish {
    ApiTicket ticket;
    ApiGraphicsType protocol;
} TicketWish;

static void ticket_password(char text[PASSWORD_LENGTH + 1])
{
    static const char letters[] =
        "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789+/-_=.:";
    uint8_t bytes[PASSWORD_LENGTH];
    RAND_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < PASSWORD_LENGTH; i++)
        text[i] = letters[bytes[i] & 63];
    text[PASSWORD_LENGTH] = 0;
}

static int ticket_fill(Request *request, TicketWish *wish, const ApiTicket *asked, int seconds)
{
    char password[PASSWORD_LENGTH + 1];
    if (asked && asked->value && strlen(asked->value) > PASSWORD_MAX)
        return fail_set(&request->why, FAIL_OUT_OF_RANGE,
                        "ticket.value: at most %d characters are possible.", PASSWORD_MAX);
    if (asked && asked->expiry.set &&
        (asked->expiry.value < 1 || asked->expiry.value > TICKET_MAX_SECONDS))
        return fail_set(&request->why, FAIL_OUT_OF_RANGE,
                        "ticket.expiry: %lld is not between 1 and %d seconds.",
                        (long long)asked->expiry.value, TICKET_MAX_SECONDS);
    ticket_password(password);
    wish->ticket.value =
        arena_string(&request->arena, asked && asked->value ? asked->value : password);
    wish->ticket.expiry = asked && asked->expiry.set ? asked->expiry : API_INT(seconds);
    return 0;
}

static void ticket_send(Request *request, Entity *vm, TicketWish *wish, VmCallDone *done)
{
    StrBuf params = {0};
    JsonWriter writer;
    request->scratch = wish;
    vm_call_params(&writer, &params, vm);
    json_key(&writer, "params");
    json_open(&writer, '{');
    json_add_string(&writer, "deviceType", "graphics");
    json_add_string(&writer, "graphicsType",
                    wish->protocol == API_GRAPHICS_TYPE_SPICE ? "spice" : "vnc");
    json_add_string(&writer, "password", wish->ticket.value);
    json_add_integer(&writer, "ttl", wish->ticket.expiry.value);
    json_add_string(&writer, "existingConnAction", "disconnect");
    json_key(&writer, "params");
    json_open(&writer, '{');
    json_add_string(&writer, "userName", request->user.name);
    json_add_string(&writer, "userId", request->user.id);
    json_close(&writer, '}');
    json_close(&writer, '}');
    json_close(&writer, '}');
    vm_call(request, vm, &ticket_verb, &params, done);
}

static void ticket_done(Request *request, Entity *vm, const Json *result)
{
    TicketWish *wish = request->scratch;
    ApiAction *action = ARENA_NEW(&request->arena, ApiAction);
    (void)result;
    action->ticket = &wish->ticket;
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, EVENT_VM_SET_TICKET, &(EventFacts){.vm = vm});
    commit_and_act(request, change, action);
}

static void ticket_begin(Request *request, Entity *vm, ApiGraphicsType protocol)
{
    const ApiAction *action = request->body;
    TicketWish *wish = ARENA_NEW(&request->arena, TicketWish);
    wish->protocol = protocol;
    if (ticket_fill(request, wish, action ? action->ticket : NULL, TICKET_SECONDS))
        reply_fail(request);
    else
        ticket_send(request, vm, wish, ticket_done);
}

// For the console people get when they ask for none in particular.
void vm_ticket(Request *request)
{
    Entity *vm = vm_call_begin(request, &ticket_verb);
    if (!vm) {
        reply_fail(request);
        return;
    }
    const VmState *state = vm_state(vm);
    bool spice = state->spice_port || state->spice_tls_port;
    ticket_begin(request, vm, spice ? API_GRAPHICS_TYPE_SPICE : API_GRAPHICS_TYPE_VNC);
}

void vm_console_ticket(Request *request)
{
    const ApiGraphicsConsole *console =
        wanted_console(request, request_entity(request, 0, KIND_VM));
    Entity *vm = console ? vm_call_begin(request, &ticket_verb) : NULL;
    if (!vm)
        reply_fail(request);
    else
        ticket_begin(request, vm, console->protocol);
}

// ---- .vv files

static void viewer_add_authority(StrBuf *out, const Manager *manager)
{
    strbuf_adds(out, "ca=");
    for (const char *at = manager->authority.certificate; *at; at++) {
        if (*at == '\n')
            strbuf_adds(out, "\\n");
        else
            strbuf_add(out, at, 1);
    }
    strbuf_adds(out, "\n");
}

// The client's token lets remote-viewer fill its menu of CDs.
static const char *bearer_token(const Request *request)
{
    const char *header = http_header(request->http, "Authorization");
    return header && !strncasecmp(header, "Bearer ", 7) ? header + 7 : NULL;
}

static void viewer_write_spice(StrBuf *out, const ApiVm *vm, const VmState *state)
{
    if (state->spice_tls_port)
        strbuf_addf(out, "tls-port=%d\n", state->spice_tls_port);
    bool smartcard = vm->display && vm->display->smartcard_enabled == API_TRUE;
    strbuf_addf(out, "enable-smartcard=%d\nenable-usb-autoshare=1\n", smartcard);
    strbuf_adds(out, "usb-filter=-1,-1,-1,-1,0\n");
    if (!state->spice_tls_port)
        return;
    strbuf_adds(out, "tls-ciphers=DEFAULT\n");
    strbuf_adds(out,
                "secure-channels=main;inputs;cursor;playback;record;display;smartcard;usbredir\n");
}

static void viewer_write(Request *request, StrBuf *out, Entity *entity, const TicketWish *wish)
{
    const ApiVm *vm = ENTITY_OBJECT(entity, Vm);
    const VmState *state = vm_state(entity);
    bool spice = wish->protocol == API_GRAPHICS_TYPE_SPICE;
    const char *token = bearer_token(request), *own = http_header(request->http, "Host");
    int port = spice ? state->spice_port : state->vnc_port;
    strbuf_addf(out, "[virt-viewer]\ntype=%s\nhost=%s\n", spice ? "spice" : "vnc",
                state->display_address ? state->display_address : "");
    if (port)
        strbuf_addf(out, "port=%d\n", port);
    strbuf_addf(out, "password=%s\n# Password is valid for %lld seconds.\n", wish->ticket.value,
                (long long)wish->ticket.expiry.value);
    strbuf_addf(out, "delete-this-file=1\nfullscreen=0\ntitle=%s:%%d\n", vm->name);
    strbuf_adds(out, "toggle-fullscreen=shift+f11\nrelease-cursor=shift+f12\n"
                     "secure-attention=ctrl+alt+end\n");
    if (spice)
        viewer_write_spice(out, vm, state);
    if (spice && state->spice_tls_port)
        viewer_add_authority(out, request->manager);
    strbuf_addf(out, "\n[ovirt]\nhost=%s\nvm-guid=%s\n", own ? own : "", entity->id);
    if (token)
        strbuf_addf(out, "sso-token=%s\n", token);
    strbuf_addf(out, "admin=%d\n", request_has_right(request, PERMIT_EDIT_HOST_CONFIGURATION));
    viewer_add_authority(out, request->manager);
}

static void viewer_done(Request *request, Entity *vm, const Json *result)
{
    AUTO_STRBUF text = {0};
    (void)result;
    viewer_write(request, &text, vm, request->scratch);
    event_write(request->manager, &request->cause, EVENT_VM_SET_TICKET, &(EventFacts){.vm = vm});
    if (request->method->verb == API_GET) {
        reply_raw(request, 200, "application/x-virt-viewer", text.data, text.length);
        return;
    }
    ApiAction *action = ARENA_NEW(&request->arena, ApiAction);
    action->remote_viewer_connection_file = arena_string(&request->arena, text.data);
    reply_action(request, action, NULL);
}

static void viewer_begin(Request *request)
{
    const ApiGraphicsConsole *console =
        wanted_console(request, request_entity(request, 0, KIND_VM));
    Entity *vm = console ? vm_call_begin(request, &ticket_verb) : NULL;
    TicketWish *wish = ARENA_NEW(&request->arena, TicketWish);
    if (!vm || ticket_fill(request, wish, NULL, VIEWER_TICKET_SECONDS)) {
        reply_fail(request);
        return;
    }
    wish->protocol = console->protocol;
    ticket_send(request, vm, wish, viewer_done);
}

void vm_console_viewer_file(Request *request)
{
    viewer_begin(request);
}

// GET answers with the file when the client accepts nothing else.
int vm_console_get(Request *request, Items *items)
{
    const char *accept = request->http ? http_header(request->http, "Accept") : NULL;
    if (!accept || !strcasestr(accept, "x-virt-viewer"))
        return consoles_of(request, items, request_id(request, 1));
    viewer_begin(request);
    return READ_LATER;
}
