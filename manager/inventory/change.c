#include "manager/inventory/change.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "manager/events/event_log.h"
#include "manager/manager.h"
#include "manager/operations/operation.h"

typedef enum EditKind { EDIT_ADD, EDIT_CHANGE, EDIT_REMOVE } EditKind;

typedef struct Edit {
    List node;
    EditKind what;
    Kind kind;
    Entity *entity; // a reference; NULL until an added one is committed
    char id[UUID_SIZE];
    ApiDocument *draft, *before;
    uint64_t revision_before;
} Edit;

struct Change {
    Manager *manager;
    List edits;
    Array events; // ApiDocument *
    StoreChange *stored;
    char *user, *user_name, *correlation, *source;
    Cause cause;
    ChangeDone durable;
    void *argument;
};

Change *change_new(Manager *manager, const Cause *cause)
{
    Change *change = NEW(Change);
    change->manager = manager;
    change->stored = store_change_new();
    list_init(&change->edits);
    if (cause) {
        change->user = memory_string(cause->user);
        change->user_name = memory_string(cause->user_name);
        change->correlation = memory_string(cause->correlation);
        change->source = memory_string(cause->source);
    }
    change->cause = (Cause){change->user, change->user_name, change->correlation, change->source};
    return change;
}

const Cause *change_cause(const Change *change)
{
    return &change->cause;
}

Manager *change_manager(const Change *change)
{
    return change->manager;
}

static void change_free(Change *change)
{
    LIST_EACH(&change->edits, Edit, node, edit) {
        if (edit->entity)
            entity_unref(edit->entity);
        api_document_unref(edit->draft);
        api_document_unref(edit->before);
        free(edit);
    }
    for (size_t i = 0; i < change->events.count; i++)
        api_document_unref(change->events.items[i]);
    array_done(&change->events);
    store_change_free(change->stored);
    free(change->user);
    free(change->user_name);
    free(change->correlation);
    free(change->source);
    free(change);
}

static Edit *edit_add(Change *change, EditKind what, Kind kind, Entity *entity)
{
    Edit *edit = NEW(Edit);
    edit->what = what;
    edit->kind = kind;
    edit->entity = entity ? entity_ref(entity) : NULL;
    list_append(&change->edits, &edit->node);
    return edit;
}

ApiDocument *change_edit(Change *change, Entity *entity)
{
    LIST_EACH(&change->edits, Edit, node, edit)
        if (edit->entity == entity && edit->what == EDIT_CHANGE)
            return edit->draft;
    Edit *edit = edit_add(change, EDIT_CHANGE, entity->kind, entity);
    edit->draft = api_document_clone(entity->document->type, entity->document->object);
    return edit->draft;
}

ApiDocument *change_add(Change *change, Kind kind, const char *id)
{
    Edit *edit = edit_add(change, EDIT_ADD, kind, NULL);
    if (id)
        memcpy(edit->id, id, strnlen(id, UUID_SIZE - 1));
    else
        uuid_new(edit->id);
    edit->draft = api_document_new(kind_type(kind));
    ((ApiHead *)edit->draft->object)->id = arena_string(&edit->draft->arena, edit->id);
    return edit->draft;
}

ApiDocument *change_added(Change *change, const char *id)
{
    LIST_EACH(&change->edits, Edit, node, edit)
        if (edit->what == EDIT_ADD && !strcmp(edit->id, id))
            return edit->draft;
    return NULL;
}

void change_remove(Change *change, Entity *entity)
{
    edit_add(change, EDIT_REMOVE, entity->kind, entity);
}

void change_add_event(Change *change, const StoreEvent *event, ApiDocument *document)
{
    store_change_event(change->stored, event);
    if (document)
        array_add(&change->events, document);
}

void change_cancel(Change *change)
{
    if (change)
        change_free(change);
}

static void edit_store(Change *change, Edit *edit, uint64_t revision)
{
    if (edit->what == EDIT_REMOVE) {
        store_change_delete(change->stored, kind_name(edit->kind), edit->entity->id);
        return;
    }
    AUTO_STRBUF text = {0};
    api_store(&text, edit->draft->type, edit->draft->object);
    store_change_put(change->stored, kind_name(edit->kind), edit->entity->id, revision, text.data);
}

static void edit_apply(Change *change, Edit *edit)
{
    Inventory *inventory = change->manager->inventory;
    uint64_t revision = inventory_next_revision(inventory);
    switch (edit->what) {
    case EDIT_ADD:
        edit->entity =
            entity_ref(inventory_insert(inventory, edit->kind, edit->id, edit->draft, revision));
        if (edit->kind == KIND_OPERATION)
            operation_planned(change->manager, edit->entity);
        break;
    case EDIT_CHANGE:
        if (edit->entity->removed)
            return; // removed by somebody else meanwhile: nothing to keep
        edit->before = api_document_ref(edit->entity->document);
        edit->revision_before = edit->entity->revision;
        inventory_replace(inventory, edit->entity, edit->draft, revision);
        break;
    case EDIT_REMOVE: inventory_erase(inventory, edit->entity); break;
    }
    edit_store(change, edit, revision);
}

// The inventory's own reference goes with the entity.
static void edit_settle(Edit *edit)
{
    if (edit->what == EDIT_REMOVE)
        entity_unref(edit->entity);
}

static void edit_take_back(Change *change, Edit *edit)
{
    Inventory *inventory = change->manager->inventory;
    switch (edit->what) {
    case EDIT_ADD:
        if (edit->kind == KIND_OPERATION)
            operation_taken_back(change->manager, edit->id);
        inventory_erase(inventory, edit->entity);
        entity_unref(edit->entity);
        break;
    case EDIT_CHANGE:
        if (edit->before)
            inventory_replace(inventory, edit->entity, edit->before, edit->revision_before);
        break;
    case EDIT_REMOVE: inventory_restore(inventory, edit->entity); break;
    }
}

static void change_take_back(Change *change)
{
    while (!list_empty(&change->edits)) {
        Edit *edit = CONTAINER(change->edits.previous, Edit, node);
        edit_take_back(change, edit);
        list_remove(&edit->node);
        if (edit->entity)
            entity_unref(edit->entity);
        api_document_unref(edit->draft);
        api_document_unref(edit->before);
        free(edit);
    }
}

static void change_stored(const Fail *why, void *argument)
{
    Change *change = argument;
    change->stored = NULL; // the store frees it
    if (fail_is_set(why)) {
        AUTO_FREE char *text = fail_text(why);
        log_error("store.failed", LOG_NONE, "A change was taken back: %s", text);
        change_take_back(change);
    } else {
        LIST_EACH(&change->edits, Edit, node, edit)
            edit_settle(edit);
        for (size_t i = 0; i < change->events.count; i++)
            event_log_append(change->manager->events, change->events.items[i]);
    }
    if (change->durable)
        change->durable(why, change->argument);
    change_free(change);
}

// The store was closed before it could tell how it ended.
static void change_dropped(void *argument)
{
    Change *change = argument;
    change->stored = NULL;
    LIST_EACH(&change->edits, Edit, node, edit)
        edit_settle(edit);
    change_free(change);
}

// Of somebody who began before the manager's end and is late.
static void change_refuse(Change *change, ChangeDone durable, void *argument)
{
    AUTO_FAIL why = {0};
    fail_set(&why, FAIL_UNAVAILABLE, "The manager stops.");
    if (durable)
        durable(&why, argument);
    change_free(change);
}

void change_commit(Change *change, ChangeDone durable, void *argument)
{
    if (!change->manager->store) {
        change_refuse(change, durable, argument);
        return;
    }
    change->durable = durable;
    change->argument = argument;
    LIST_EACH(&change->edits, Edit, node, edit)
        edit_apply(change, edit);
    store_change_on_dropped(change->stored, change_dropped);
    store_submit(change->manager->store, change->stored, change_stored, change);
}
