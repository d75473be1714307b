// Tags: a tree under the root tag, which is not stored.
#include "manager/tag/tag_view.h"

#include <string.h>

#include "manager/rest/check.h"
#include "manager/rest/reply.h"
#include "rest_handlers.h"

enum { TAG_NAME_MAX = 50 };

static const char *const root_name = "root";

// The root has no entity.
void tag_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiTag *view = target;
    (void)request;
    if (!item->entity) {
        view->id = UUID_ZERO;
        view->name = view->description = root_name;
        return;
    }
    *view = *(const ApiTag *)item->document->object;
    view->description = VIEW_TEXT(view->description);
    if (!view->parent)
        view->parent = api_reference_new(scratch, &api_type_tag, UUID_ZERO);
}

int tag_list(Request *request, Items *items)
{
    int result = items_select(request, items, KIND_TAG, tag_view, NULL, NULL);
    if (!result && !(request->http && request_parameter(request, "max")))
        items_add_value(items, root_name);
    return result;
}

int tag_get(Request *request, Items *items)
{
    if (strcmp(request_last_id(request), UUID_ZERO))
        return items_one(request, items, KIND_TAG, 0, tag_view);
    items->view = tag_view;
    items_add_value(items, root_name);
    return 0;
}

// ---- rules

static bool is_root(const ApiTag *reference)
{
    return reference->id ? !strcmp(reference->id, UUID_ZERO)
                         : reference->name && !strcmp(reference->name, root_name);
}

static bool is_within(const Inventory *inventory, const Entity *tag, const char *ancestor)
{
    while (tag && strcmp(tag->id, ancestor)) {
        const ApiTag *parent = ENTITY_OBJECT(tag, Tag)->parent;
        tag = parent ? inventory_get(inventory, KIND_TAG, parent->id) : NULL;
    }
    return tag != NULL;
}

static int take_parent(Request *request, ApiDocument *draft, const Entity *except)
{
    const ApiTag *wanted = ((const ApiTag *)request->body)->parent;
    ApiTag *tag = draft->object;
    if (!wanted)
        return 0;
    tag->parent = NULL;
    if (is_root(wanted))
        return 0;
    Entity *parent = request_reference(request, KIND_TAG, wanted, "tag.parent");
    if (!parent)
        return fail_to_errno(request->why.code);
    if (except && is_within(request->manager->inventory, parent, except->id))
        return fail_set(&request->why, FAIL_REJECTED,
                        "tag.parent: %s lies within tag %s and can't be its parent.",
                        entity_name(parent), entity_name(except));
    tag->parent = api_reference_new(&draft->arena, &api_type_tag, parent->id);
    return 0;
}

static int tag_take(Request *request, ApiDocument *draft, const Entity *except)
{
    ApiTag *tag = draft->object;
    const ApiTag *wanted = request->body;
    ApiTag *parent = tag->parent;
    if (wanted->name)
        tag->name = arena_string(&draft->arena, wanted->name);
    if (wanted->description)
        tag->description = arena_string(&draft->arena, wanted->description);
    if (wanted->comment)
        tag->comment = arena_string(&draft->arena, wanted->comment);
    tag->parent = parent;
    int result = request_check_identified(request, &api_type_tag, tag, NAME_TEXT, TAG_NAME_MAX);
    if (!result && !strcmp(tag->name, root_name))
        result = fail_set(&request->why, FAIL_EXISTS,
                          "Cannot %s tag. The name %s is already in "
                          "use.",
                          except ? "edit" : "add", root_name);
    if (!result)
        result = request_check_name_unused(request, KIND_TAG, tag->name, except);
    return result ? result : take_parent(request, draft, except);
}

// ---- acts

void tag_add(Request *request)
{
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_add(change, KIND_TAG, NULL);
    ApiTag *tag = draft->object;
    if (tag_take(request, draft, NULL)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    AUTO_FREE char *path = memory_format("/tags/%s", tag->id);
    event_add(change, request->method->event, &(EventFacts){.name = tag->name});
    commit_and_show(request, change, 201, path);
}

static Entity *tag_to_change(Request *request)
{
    if (strcmp(request_last_id(request), UUID_ZERO))
        return request_entity(request, 0, KIND_TAG);
    fail_set(&request->why, FAIL_CONFLICT, "The root tag can't be changed.");
    return NULL;
}

void tag_update(Request *request)
{
    Entity *tag = tag_to_change(request);
    if (!tag) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    if (tag_take(request, change_edit(change, tag), tag)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    event_add(change, request->method->event, &(EventFacts){.name = entity_name(tag)});
    commit_and_show(request, change, 200, request->route.path);
}

// ---- removing: with everything below it, and from everything that has it

static const Kind tagged_kinds[] = {KIND_VM, KIND_HOST, KIND_TEMPLATE, KIND_USER};

static void detach(Change *change, const char *id)
{
    Inventory *inventory = change_manager(change)->inventory;
    for (size_t i = 0; i < COUNT_OF(tagged_kinds); i++) {
        size_t offset = api_field_find(kind_type(tagged_kinds[i]), "tags")->offset;
        INVENTORY_EACH(inventory, tagged_kinds[i], entity) {
            const ApiList *tags = (const void *)((char *)entity->document->object + offset);
            for (uint32_t j = 0; j < tags->count; j++) {
                if (!reference_is(((void **)tags->items)[j], id))
                    continue;
                ApiDocument *draft = change_edit(change, entity);
                ApiList *edited = (void *)((char *)draft->object + offset);
                for (uint32_t k = 0; k < edited->count; k++)
                    if (reference_is(((void **)edited->items)[k], id))
                        api_list_remove(edited, ((void **)edited->items)[k]);
                break;
            }
        }
    }
}

void tag_remove(Request *request)
{
    Entity *tag = tag_to_change(request);
    if (!tag) {
        reply_fail(request);
        return;
    }
    Inventory *inventory = request->manager->inventory;
    Change *change = change_new(request->manager, &request->cause);
    INVENTORY_EACH(inventory, KIND_TAG, other) {
        if (!is_within(inventory, other, tag->id))
            continue;
        detach(change, other->id);
        change_remove(change, other);
        event_add(change, request->method->event, &(EventFacts){.name = entity_name(other)});
    }
    commit_and_remove(request, change);
}
