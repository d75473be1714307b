// Templates, and what lies below them and below instance types.
#include <string.h>

#include "manager/rest/check.h"
#include "manager/rest/items.h"
#include "rest_handlers.h"

static void template_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiTemplate *view = target;
    (void)request;
    (void)scratch;
    *view = *(const ApiTemplate *)item->document->object;
    view->description = VIEW_TEXT(view->description);
    view->comment = VIEW_TEXT(view->comment);
    if (!view->status)
        view->status = API_TEMPLATE_STATUS_OK;
}

int template_list(Request *request, Items *items)
{
    return items_collect(request, items, KIND_TEMPLATE, template_view);
}

int template_get(Request *request, Items *items)
{
    return items_one(request, items, KIND_TEMPLATE, 0, template_view);
}

// ---- devices: lists inside the document

typedef struct PartRow {
    const char *collection, *one; // services
    const char *member;
} PartRow;

static const PartRow part_rows[] = {
    {"TemplateCdroms", "TemplateCdrom", "cdroms"},
    {"TemplateDiskAttachments", "TemplateDiskAttachment", "disk_attachments"},
    {"TemplateGraphicsConsoles", "TemplateGraphicsConsole", "graphics_consoles"},
    {"TemplateMediatedDevices", "TemplateMediatedDevice", "mediated_devices"},
    {"TemplateNics", "TemplateNic", "nics"},
    {"TemplateWatchdogs", "TemplateWatchdog", "watchdogs"},
    {"InstanceTypeGraphicsConsoles", "InstanceTypeGraphicsConsole", "graphics_consoles"},
    {"InstanceTypeNics", "InstanceTypeNic", "nics"},
    {"InstanceTypeWatchdogs", "InstanceTypeWatchdog", "watchdogs"},
};

static const ApiList *parts_of_path(Request *request, Entity **ret_entity)
{
    bool below_template = request_id_of(request, "Template") != NULL;
    const char *service = route_service(&request->route)->name;
    *ret_entity = below_template ? request_entity_of(request, "Template", KIND_TEMPLATE)
                                 : request_entity_of(request, "InstanceType", KIND_INSTANCE_TYPE);
    for (size_t i = 0; *ret_entity && i < COUNT_OF(part_rows); i++) {
        if (strcmp(part_rows[i].collection, service) && strcmp(part_rows[i].one, service))
            continue;
        const ApiField *field = api_field_find((*ret_entity)->document->type, part_rows[i].member);
        return (const void *)((const char *)(*ret_entity)->document->object + field->offset);
    }
    return NULL;
}

int template_part_list(Request *request, Items *items)
{
    Entity *entity;
    const ApiList *parts = parts_of_path(request, &entity);
    if (!parts)
        return fail_to_errno(request->why.code);
    for (uint32_t i = 0; i < parts->count; i++)
        items_add_part(items, entity, ((void **)parts->items)[i]);
    return 0;
}

int template_part_get(Request *request, Items *items)
{
    Entity *entity;
    const char *id = request_last_id(request);
    const ApiList *parts = parts_of_path(request, &entity);
    if (!parts)
        return fail_to_errno(request->why.code);
    for (uint32_t i = 0; i < parts->count; i++)
        if (reference_is(((void **)parts->items)[i], id)) {
            items_add_part(items, entity, ((void **)parts->items)[i]);
            return 0;
        }
    return request_not_found(request, items->type->one, id);
}
