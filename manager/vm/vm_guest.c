// What guests tell of themselves: who is logged in. And what a VM is now, as a snapshot.
#include <string.h>
#include <strings.h>

#include "manager/rest/items.h"
#include "manager/inventory/state.h"
#include "rest_handlers.h"

// ---- sessions

static ApiSession *session_of(Arena *arena, const Entity *vm, const char *user)
{
    char id[UUID_SIZE];
    ApiSession *session = ARENA_NEW(arena, ApiSession);
    AUTO_FREE char *name = memory_format("%s:%s", vm->id, user);
    session->id = arena_string(arena, uuid_from_name("session", name, id));
    session->user = ARENA_NEW(arena, ApiUser);
    session->user->user_name = user;
    session->vm = api_reference_new(arena, &api_type_vm, vm->id);
    session->console_user = API_FALSE;
    return session;
}

// Names come as "root, alice".
static int sessions_of(Request *request, Items *items, const char *only)
{
    Entity *vm = request_entity(request, 0, KIND_VM);
    if (!vm)
        return fail_to_errno(request->why.code);
    char *names = arena_string(&request->arena, vm_state(vm)->sessions);
    for (char *name; names && (name = strsep(&names, ", "));) {
        if (!*name || !strcasecmp(name, "none"))
            continue;
        ApiSession *session = session_of(&request->arena, vm, name);
        if (!only || !strcmp(only, session->id))
            items_add_value(items, session);
    }
    if (only && !items->count)
        return fail_set(&request->why, FAIL_NOT_FOUND, "VM %s has no session %s.", entity_name(vm),
                        only);
    return 0;
}

int vm_session_list(Request *request, Items *items)
{
    return sessions_of(request, items, NULL);
}

int vm_session_get(Request *request, Items *items)
{
    return sessions_of(request, items, request_id(request, 1));
}

// ---- the one snapshot that every VM has: what it is now

static ApiSnapshot *active_snapshot(Arena *arena, const Entity *vm)
{
    char id[UUID_SIZE];
    ApiSnapshot *snapshot = ARENA_NEW(arena, ApiSnapshot);
    snapshot->id = arena_string(arena, uuid_from_name("active", vm->id, id));
    snapshot->description = "Active VM";
    snapshot->snapshot_type = API_SNAPSHOT_TYPE_ACTIVE;
    snapshot->snapshot_status = API_SNAPSHOT_STATUS_OK;
    snapshot->persist_memorystate = API_FALSE;
    snapshot->date = ENTITY_OBJECT(vm, Vm)->creation_time;
    snapshot->vm = api_reference_new(arena, &api_type_vm, vm->id);
    return snapshot;
}

int vm_snapshot_list(Request *request, Items *items)
{
    Entity *vm = request_entity(request, 0, KIND_VM);
    if (!vm)
        return fail_to_errno(request->why.code);
    items_add_value(items, active_snapshot(&request->arena, vm));
    return 0;
}

int vm_snapshot_get(Request *request, Items *items)
{
    Entity *vm = request_entity(request, 0, KIND_VM);
    const char *id = request_id(request, 1);
    ApiSnapshot *snapshot = vm ? active_snapshot(&request->arena, vm) : NULL;
    if (!vm)
        return fail_to_errno(request->why.code);
    if (strcmp(snapshot->id, id))
        return fail_set(&request->why, FAIL_NOT_FOUND, "VM %s has no snapshot %s.", entity_name(vm),
                        id);
    items_add_value(items, snapshot);
    return 0;
}
