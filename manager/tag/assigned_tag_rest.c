// The tags of VMs, hosts, templates and users. Each object keeps the ids of its own.
#include <string.h>

#include "manager/rest/check.h"
#include "manager/rest/reply.h"
#include "manager/tag/tag_view.h"
#include "rest_handlers.h"

typedef struct TaggedRow {
    const char *service;
    Kind kind;
    EventCode attached, detached;
} TaggedRow;

static const TaggedRow tagged_rows[] = {
    {"Vm", KIND_VM, EVENT_USER_ATTACH_TAG_TO_VM, EVENT_USER_DETACH_VM_FROM_TAG},
    {"Host", KIND_HOST, EVENT_USER_ATTACH_TAG_TO_VDS, EVENT_USER_DETACH_VDS_FROM_TAG},
    {"Template", KIND_TEMPLATE, EVENT_USER_ATTACH_TAG_TO_TEMPLATE,
     EVENT_USER_DETACH_TEMPLATE_FROM_TAG},
    {"User", KIND_USER, EVENT_USER_ATTACH_TAG_TO_USER, EVENT_USER_DETACH_USER_FROM_TAG},
};

typedef struct Tagged {
    const TaggedRow *row;
    Entity *entity;
    size_t offset; // of its tags
} Tagged;

static int tagged_of_path(Request *request, Tagged *ret)
{
    if (request_check_parents(request))
        return fail_to_errno(request->why.code);
    for (size_t i = 0; i < COUNT_OF(tagged_rows); i++) {
        const TaggedRow *row = &tagged_rows[i];
        const char *id = request_id_of(request, row->service);
        if (!id)
            continue;
        *ret = (Tagged){row, inventory_get(request->manager->inventory, row->kind, id),
                        api_field_find(kind_type(row->kind), "tags")->offset};
        return 0;
    }
    return fail_set(&request->why, FAIL_NOT_IMPLEMENTED,
                    "Tags of groups are part of the API but not implemented yet.");
}

static ApiList *tags_of(const ApiDocument *document, const Tagged *tagged)
{
    return (ApiList *)((char *)document->object + tagged->offset);
}

static void *assigned(const ApiDocument *document, const Tagged *tagged, const char *id)
{
    const ApiList *tags = tags_of(document, tagged);
    for (uint32_t i = 0; i < tags->count; i++)
        if (reference_is(((void **)tags->items)[i], id))
            return ((void **)tags->items)[i];
    return NULL;
}

int assigned_tag_list(Request *request, Items *items)
{
    Tagged tagged;
    if (request_is_below(request, "Group"))
        return request_check_parents(request);
    if (tagged_of_path(request, &tagged))
        return fail_to_errno(request->why.code);
    const ApiList *tags = tags_of(tagged.entity->document, &tagged);
    items->view = tag_view;
    for (uint32_t i = 0; i < tags->count; i++) {
        const ApiHead *head = ((void **)tags->items)[i];
        Entity *tag = inventory_get(request->manager->inventory, KIND_TAG, head->id);
        if (tag)
            items_add_entity(items, tag);
    }
    return 0;
}

static Entity *tag_of_path(Request *request, Tagged *ret)
{
    const char *id = request_last_id(request);
    bool of_group = request_is_below(request, "Group"); // groups have none
    if (of_group ? request_check_parents(request) : tagged_of_path(request, ret))
        return NULL;
    Entity *tag = inventory_get(request->manager->inventory, KIND_TAG, id);
    if (tag && !of_group && assigned(ret->entity->document, ret, id))
        return tag;
    request_not_found(request, kind_noun(KIND_TAG), id);
    return NULL;
}

int assigned_tag_get(Request *request, Items *items)
{
    Tagged tagged;
    Entity *tag = tag_of_path(request, &tagged);
    if (!tag)
        return fail_to_errno(request->why.code);
    items->view = tag_view;
    items_add_entity(items, tag);
    return 0;
}

static void add_event(Change *change, EventCode code, const Tagged *tagged, const Entity *tag)
{
    const Entity *entity = tagged->entity;
    Kind kind = entity->kind;
    event_add(change, code,
              &(EventFacts){
                  .name = entity_name(tag),
                  .vm = kind == KIND_VM ? entity : NULL,
                  .host = kind == KIND_HOST ? entity : NULL,
                  .template = kind == KIND_TEMPLATE ? entity : NULL,
                  .detail = kind == KIND_USER ? ENTITY_OBJECT(entity, User)->principal : NULL,
              });
}

// A tag that is there already is there afterwards too.
void assigned_tag_add(Request *request)
{
    Tagged tagged;
    Entity *tag = tagged_of_path(request, &tagged)
                      ? NULL
                      : request_reference(request, KIND_TAG, request->body, "tag");
    if (!tag) {
        reply_fail(request);
        return;
    }
    AUTO_FREE char *path = memory_format("%s/%s", request->route.path, tag->id);
    if (assigned(tagged.entity->document, &tagged, tag->id)) {
        reply_object(request, 201, path);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_edit(change, tagged.entity);
    api_list_add(&draft->arena, tags_of(draft, &tagged),
                 api_reference_new(&draft->arena, &api_type_tag, tag->id));
    add_event(change, tagged.row->attached, &tagged, tag);
    commit_and_show(request, change, 201, path);
}

void assigned_tag_remove(Request *request)
{
    Tagged tagged;
    Entity *tag = tag_of_path(request, &tagged);
    if (!tag) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_edit(change, tagged.entity);
    api_list_remove(tags_of(draft, &tagged), assigned(draft, &tagged, tag->id));
    add_event(change, tagged.row->detached, &tagged, tag);
    commit_and_remove(request, change);
}
