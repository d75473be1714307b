#include "manager/control.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "manager/events/event_log.h"
#include "manager/identity/identity.h"
#include "manager/operations/operation.h"
#include "manager/store/store.h"

enum { USER_NAME_MAX = 64 };

struct Control {
    Manager *manager;
    Listener *listener;
    List calls;
    bool stopping;
};

typedef struct ControlCall {
    Control *control;
    List node;
    Stream *stream;
    Arena arena;
    const Json *request;
    bool closed, running;
} ControlCall;

static void control_maybe_stopped(Control *control)
{
    if (control->stopping && list_empty(&control->calls))
        free(control);
}

static void call_free(ControlCall *call)
{
    if (!call->closed || call->running)
        return;
    list_remove(&call->node);
    control_maybe_stopped(call->control);
    arena_done(&call->arena);
    free(call);
}

static void control_send(ControlCall *call, StrBuf *text)
{
    strbuf_addc(text, '\n');
    if (!call->closed) {
        stream_write(call->stream, text->data, text->length);
        stream_close(call->stream, true);
    }
    call->running = false;
    call_free(call);
}

static void control_reply(ControlCall *call, const Fail *why)
{
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    json_open(&writer, '{');
    json_add_bool(&writer, "ok", !fail_is_set(why));
    if (fail_is_set(why)) {
        AUTO_FREE char *message = fail_text(why);
        json_add_string(&writer, "error", message);
    }
    json_close(&writer, '}');
    control_send(call, &text);
}

static void control_durable(const Fail *why, void *argument)
{
    control_reply(argument, why);
}

// ---- backup

static void backup_done(const Fail *why, void *argument)
{
    ControlCall *call = argument;
    Manager *manager = call->control->manager;
    AUTO_FREE char *text = fail_is_set(why) ? fail_text(why) : NULL;
    event_write(manager, NULL,
                fail_is_set(why) ? EVENT_ENGINE_BACKUP_FAILED : EVENT_ENGINE_BACKUP_COMPLETED,
                &(EventFacts){.detail = text});
    control_reply(call, why);
}

static void control_backup(ControlCall *call)
{
    AUTO_FAIL why = {0};
    const char *path = json_get_string(call->request, "path");
    if (!path || *path != '/') {
        fail_set(&why, FAIL_INVALID, "path: an absolute path is needed.");
        control_reply(call, &why);
        return;
    }
    event_write(call->control->manager, NULL, EVENT_ENGINE_BACKUP_STARTED, NULL);
    store_backup(call->control->manager->store, path, backup_done, call);
}

// ---- users

static bool user_name_is_good(const char *name)
{
    size_t length = name ? strlen(name) : 0;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f || strchr("@/\\\"'<>", name[i]))
            return false;
    return length > 0 && length <= USER_NAME_MAX;
}

static Entity *control_user(ControlCall *call, Fail *why)
{
    const char *name = json_get_string(call->request, "name");
    AUTO_FREE char *whole =
        name && !strchr(name, '@') ? memory_format("%s@internal", name) : memory_string(name);
    INVENTORY_EACH(call->control->manager->inventory, KIND_USER, user)
        if (whole && !strcmp(ENTITY_OBJECT(user, User)->principal, whole))
            return user;
    fail_set(why, FAIL_NOT_FOUND, "There is no user %s.", name ? name : "(none)");
    return NULL;
}

static void user_hashed(const char *hash, void *argument)
{
    ControlCall *call = argument;
    AUTO_FAIL why = {0};
    Entity *user = control_user(call, &why);
    if (!user) {
        control_reply(call, &why);
        return;
    }
    Change *change = change_new(call->control->manager, NULL);
    ApiDocument *draft = change_edit(change, user);
    ApiUser *object = draft->object;
    object->password_hash = arena_string(&draft->arena, hash);
    object->failures = API_INT(0);
    object->locked_until = (ApiDate){0};
    event_add(change, EVENT_USER_PASSWORD_CHANGED, &(EventFacts){.name = object->principal});
    change_commit(change, control_durable, call);
}

static void control_user_password(ControlCall *call)
{
    AUTO_FAIL why = {0};
    const char *password = json_get_string(call->request, "password");
    if (!password)
        fail_set(&why, FAIL_INCOMPLETE, "password is needed.");
    else if (control_user(call, &why) && password_acceptable(password, &why)) {
        password_hash(call->control->manager->loop, password, user_hashed, call);
        return;
    }
    control_reply(call, &why);
}

static void added_user_hashed(const char *hash, void *argument)
{
    ControlCall *call = argument;
    AUTO_FAIL why = {0}, none = {0};
    const char *name = json_get_string(call->request, "name");
    const Role *role = role_by_name(json_get_string(call->request, "role"));
    if (control_user(call, &none)) { // somebody else was quicker
        fail_set(&why, FAIL_EXISTS, "There is a user %s already.", name);
        control_reply(call, &why);
        return;
    }
    Change *change = change_new(call->control->manager, NULL);
    ApiDocument *draft = change_add(change, KIND_USER, NULL);
    ApiUser *user = draft->object;
    Arena *arena = &draft->arena;
    user->name = user->user_name = arena_string(arena, name);
    user->principal = arena_format(arena, "%s@internal", name);
    user->namespace = "*";
    user->password_hash = arena_string(arena, hash);
    user->role = arena_string(arena, role->id);
    event_add(change, EVENT_USER_ADD, &(EventFacts){.name = user->principal});
    change_commit(change, control_durable, call);
}

static void control_user_add(ControlCall *call)
{
    AUTO_FAIL why = {0}, none = {0};
    const char *name = json_get_string(call->request, "name");
    const char *password = json_get_string(call->request, "password");
    const char *role = json_get_string(call->request, "role");
    if (!user_name_is_good(name))
        fail_set(&why, FAIL_INVALID,
                 "name: a user name has 1 to %d characters, without blanks and @ / \\ \" ' < >.",
                 USER_NAME_MAX);
    else if (control_user(call, &none))
        fail_set(&why, FAIL_EXISTS, "There is a user %s already.", name);
    else if (!role_by_name(role))
        fail_set(&why, FAIL_INVALID, "role: \"%s\" is no role.", role ? role : "");
    else if (!password)
        fail_set(&why, FAIL_INCOMPLETE, "password is needed.");
    else if (password_acceptable(password, &why)) {
        password_hash(call->control->manager->loop, password, added_user_hashed, call);
        return;
    }
    control_reply(call, &why);
}

static void control_user_unlock(ControlCall *call)
{
    AUTO_FAIL why = {0};
    Entity *user = control_user(call, &why);
    if (!user) {
        control_reply(call, &why);
        return;
    }
    Change *change = change_new(call->control->manager, NULL);
    ApiUser *object = change_edit(change, user)->object;
    object->failures = API_INT(0);
    object->locked_until = (ApiDate){0};
    change_commit(change, control_durable, call);
}

static void control_user_remove(ControlCall *call)
{
    AUTO_FAIL why = {0};
    Manager *manager = call->control->manager;
    Entity *user = control_user(call, &why);
    if (user && !strcmp(ENTITY_OBJECT(user, User)->principal, "admin@internal"))
        fail_set(&why, FAIL_CONFLICT, "admin@internal can't be removed.");
    if (fail_is_set(&why)) {
        control_reply(call, &why);
        return;
    }
    Change *change = change_new(manager, NULL);
    INVENTORY_EACH(manager->inventory, KIND_SESSION, session)
        if (!strcmp(ENTITY_OBJECT(session, SessionToken)->user, user->id))
            change_remove(change, session);
    event_add(change, EVENT_USER_REMOVE_ADUSER,
              &(EventFacts){.name = ENTITY_OBJECT(user, User)->principal});
    change_remove(change, user);
    change_commit(change, control_durable, call);
}

// ---- kinds of operations, for tests that want to meet every step

static void control_operation_kinds(ControlCall *call)
{
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    json_open(&writer, '{');
    json_add_bool(&writer, "ok", true);
    json_key(&writer, "kinds");
    json_open(&writer, '{');
    operations_write_kinds(call->control->manager->operations, &writer);
    json_close(&writer, '}');
    json_close(&writer, '}');
    control_send(call, &text);
}

static const struct {
    const char *command;
    void (*handle)(ControlCall *call);
} control_rows[] = {
    {"backup", control_backup},
    {"user-add", control_user_add},
    {"user-password", control_user_password},
    {"user-unlock", control_user_unlock},
    {"user-remove", control_user_remove},
    {"operation-kinds", control_operation_kinds},
};

// ---- connections

static void control_dispatch(ControlCall *call)
{
    AUTO_FAIL why = {0};
    const char *command = json_get_string(call->request, "command");
    call->running = true;
    for (size_t i = 0; command && i < COUNT_OF(control_rows); i++)
        if (!strcmp(control_rows[i].command, command)) {
            control_rows[i].handle(call);
            return;
        }
    fail_set(&why, FAIL_INVALID, "There is no such command.");
    control_reply(call, &why);
}

static size_t control_data(Stream *stream, const char *data, size_t length, void *owner)
{
    ControlCall *call = owner;
    const char *end = memchr(data, '\n', length);
    (void)stream;
    if (!end || call->request)
        return 0;
    char *text = arena_bytes(&call->arena, data, (size_t)(end - data));
    call->request = json_parse(&call->arena, text, (size_t)(end - data), NULL, NULL);
    control_dispatch(call);
    return (size_t)(end - data) + 1;
}

static void control_closed(Stream *stream, const Fail *why, void *owner)
{
    ControlCall *call = owner;
    (void)stream;
    (void)why;
    call->closed = true;
    call_free(call);
}

static void control_ended(Stream *stream, void *owner)
{
    ControlCall *call = owner;
    if (!call->running)
        stream_close(stream, true);
}

static const StreamHandlers control_handlers = {
    .data = control_data,
    .ended = control_ended,
    .closed = control_closed,
};

static void control_accepted(int fd, const char *peer, void *argument)
{
    Control *control = argument;
    ControlCall *call = NEW(ControlCall);
    (void)peer;
    arena_init(&call->arena, 1024);
    call->control = control;
    list_append(&control->calls, &call->node);
    call->stream = stream_accept(control->manager->loop, fd, NULL, &control_handlers, call);
}

Control *control_new(Manager *manager, Fail *why)
{
    Control *control = NEW(Control);
    control->manager = manager;
    list_init(&control->calls);
    control->listener = listener_new_path(manager->loop, manager->config.control_socket, 0600,
                                          control_accepted, control, why);
    if (control->listener)
        return control;
    free(control);
    return NULL;
}

void control_stop(Control *control)
{
    if (!control)
        return;
    control->stopping = true;
    listener_close(control->listener);
    LIST_EACH(&control->calls, ControlCall, node, call)
        if (!call->closed) // also of one under way: its answer may never come
            stream_close(call->stream, true);
    control_maybe_stopped(control);
}
