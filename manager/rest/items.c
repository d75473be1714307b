#include "manager/rest/items.h"

#include <stdlib.h>
#include <string.h>

#include "manager/search/search.h"

// ---- collecting

static const RestService *item_service(const RestService *collection)
{
    for (int i = 0; i < collection->locator_count; i++)
        if (collection->locators[i].path[0] == '{')
            return collection->locators[i].service;
    return NULL;
}

void items_init(Items *items, const Route *route, const RestMethod *method)
{
    const RestService *service = route_service(route);
    *items = (Items){.type = method->result, .base = route->path};
    items->single = !method->result_is_list;
    items->service = items->single ? service : item_service(service);
}

void items_done(Items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        if (items->items[i].entity)
            entity_unref(items->items[i].entity);
        api_document_unref(items->items[i].document);
    }
    free(items->items);
    *items = (Items){0};
}

static void items_add(Items *items, Entity *entity, const void *part)
{
    if (items->count == items->capacity) {
        items->capacity = items->capacity ? items->capacity * 2 : 16;
        items->items = memory_resize(items->items, items->capacity, sizeof(Item));
    }
    items->items[items->count++] = (Item){
        .entity = entity ? entity_ref(entity) : NULL,
        .document = entity ? api_document_ref(entity->document) : NULL,
        .part = part,
    };
}

void items_add_entity(Items *items, Entity *entity)
{
    items_add(items, entity, NULL);
}

void items_add_part(Items *items, Entity *entity, const void *part)
{
    items_add(items, entity, part);
}

void items_add_document(Items *items, ApiDocument *document)
{
    items_add(items, NULL, NULL);
    items->items[items->count - 1].document = api_document_ref(document);
}

void items_add_value(Items *items, const void *value)
{
    items_add(items, NULL, value);
}

static int items_by_name(const void *one, const void *other)
{
    return entity_compare(((const Item *)one)->entity, ((const Item *)other)->entity);
}

void items_sort(Items *items)
{
    if (items->count)
        qsort(items->items, items->count, sizeof(Item), items_by_name);
}

int items_select(Request *request, Items *items, Kind kind, ItemView *view, ItemsMatch *match,
                 const void *argument)
{
    int64_t max = -1;
    items->view = view;
    if (request->http && request_integer(request, "max", &max))
        return fail_to_errno(request->why.code);
    Inventory *inventory = request->manager->inventory;
    Entity *const *all = inventory_by_name(inventory, kind);
    size_t count = inventory_count(inventory, kind);
    for (size_t i = 0; i < count && (max < 0 || items->count < (size_t)max); i++)
        if (!match || match(request, all[i], argument))
            items_add_entity(items, all[i]);
    return 0;
}

int items_collect(Request *request, Items *items, Kind kind, ItemView *view)
{
    int64_t max = -1;
    const char *search = request->http ? request_parameter(request, "search") : NULL;
    if (!search || !search[strspn(search, " ")])
        return items_select(request, items, kind, view, NULL, NULL);
    items->view = view;
    if (request_integer(request, "max", &max))
        return fail_to_errno(request->why.code);
    return search_collect(request, items, kind, search, max);
}

void items_set_home(Request *request, Items *items, const char *path)
{
    Route route;
    if (!route_find(&request->arena, arena_format(&request->arena, "%s/x", path), &route))
        return;
    items->base = path;
    items->service = route_service(&route);
}

int items_one(Request *request, Items *items, Kind kind, int number, ItemView *view)
{
    Entity *entity = request_entity(request, number, kind);
    if (!entity)
        return fail_to_errno(request->why.code);
    items->view = view;
    items_add_entity(items, entity);
    return 0;
}

// ---- showing

static bool items_expand(ApiWriter *writer, const void *object, const ApiPlace *place,
                         const ApiField *field, const ApiFollow *follow);

ApiWriter request_writer(Request *request, StrBuf *out)
{
    return (ApiWriter){.out = out,
                       .json = request->json,
                       .all_content = request->all_content,
                       .prefix = request->prefix,
                       .expand = items_expand,
                       .argument = request};
}

static const char *item_href(Arena *scratch, const char *base, const char *id)
{
    size_t before = strlen(base), length = strlen(id);
    char *href = arena_alloc(scratch, before + length + 2);
    memcpy(href, base, before);
    href[before] = '/';
    memcpy(href + before + 1, id, length);
    return href;
}

void items_write(Request *request, ApiWriter *writer, const Items *items, size_t number,
                 const char *element, const ApiFollow *follow)
{
    AUTO_ARENA scratch = {0};
    arena_init(&scratch, 2048);
    void *view = arena_alloc(&scratch, items->type->size);
    if (items->view)
        items->view(request, &items->items[number], &scratch, view);
    else
        memcpy(view, items->items[number].part, items->type->size);
    const ApiHead *head = view;
    ApiPlace place = {0};
    if (items->service) {
        place.links = items->service->links;
        place.actions = items->service->actions;
    }
    if (head->href)
        place.href = head->href;
    else if (items->single)
        place.href = items->base;
    else if (head->id)
        place.href = item_href(&scratch, items->base, head->id);
    place.extra = items->extra_links;
    place.creation = items->creation;
    if (items->service == rest_root)
        place.href = "";
    api_write_object(writer, items->type, view, &place, element, follow);
}

static int request_read_path(Request *request, const char *path, Items *items)
{
    if (!route_find(&request->arena, path, &request->route) || request->route.action)
        return -ENOENT;
    request->method = route_method(&request->route, API_GET);
    if (!request->method || !request->method->read || !request->method->result ||
        !request_has_right(request, request->method->permit))
        return -ENOSYS;
    items_init(items, &request->route, request->method);
    return request->method->read(request, items);
}

// Reads what lies at a path on behalf of the same user.
static int request_read_inner(Request *request, const char *path, Items *items)
{
    Request inner = *request; // its arena is the only one until the end
    inner.http = NULL;
    inner.query = NULL;
    inner.why = (Fail){0};
    int result = request_read_path(&inner, path, items);
    fail_done(&inner.why);
    request->arena = inner.arena; // what was allocated there belongs to the request
    return result;
}

static bool items_expand(ApiWriter *writer, const void *object, const ApiPlace *place,
                         const ApiField *field, const ApiFollow *follow)
{
    Request *request = writer->argument;
    const ApiType *type = field->type;
    Items items = {0};
    const char *path;
    if (field->flags & API_LIST) {
        if (!place || !place->href || !field->rel)
            return false;
        path = arena_format(&request->arena, "%s/%s", place->href, field->rel);
    } else {
        const ApiHead *head = *(ApiHead *const *)((const char *)object + field->offset);
        if (!head->id || (!type->home && !head->href))
            return false;
        path = head->href ? arena_string(&request->arena, head->href)
                          : arena_format(&request->arena, "/%s/%s", type->home, head->id);
    }
    bool good = request_read_inner(request, path, &items) == 0;
    if (good && !(field->flags & API_LIST))
        good = items.count == 1;
    for (size_t i = 0; good && i < items.count; i++)
        items_write(request, writer, &items, i, field->flags & API_LIST ? field->item : field->name,
                    follow);
    items_done(&items);
    return good;
}
