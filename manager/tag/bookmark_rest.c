// Bookmarks: searches with a name.
#include <string.h>

#include "manager/rest/check.h"
#include "manager/rest/reply.h"
#include "rest_handlers.h"

enum { BOOKMARK_NAME_MAX = 40, BOOKMARK_VALUE_MAX = 300 };

static void bookmark_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    (void)request;
    (void)scratch;
    *(ApiBookmark *)target = *(const ApiBookmark *)item->document->object;
}

int bookmark_list(Request *request, Items *items)
{
    return items_select(request, items, KIND_BOOKMARK, bookmark_view, NULL, NULL);
}

int bookmark_get(Request *request, Items *items)
{
    return items_one(request, items, KIND_BOOKMARK, 0, bookmark_view);
}

static int bookmark_take(Request *request, ApiDocument *draft, const Entity *except)
{
    ApiBookmark *bookmark = draft->object;
    api_merge(&draft->arena, draft->type, bookmark, request_body_members(request));
    int result =
        request_check_identified(request, draft->type, bookmark, NAME_TEXT, BOOKMARK_NAME_MAX);
    if (!result && !*bookmark->value)
        result = fail_set(&request->why, FAIL_INVALID, "bookmark.value: a search can't be empty.");
    if (!result)
        result = request_check_text(request, "bookmark.value", bookmark->value, BOOKMARK_VALUE_MAX);
    return result ? result
                  : request_check_name_unused(request, KIND_BOOKMARK, bookmark->name, except);
}

void bookmark_add(Request *request)
{
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_add(change, KIND_BOOKMARK, NULL);
    ApiBookmark *bookmark = draft->object;
    if (bookmark_take(request, draft, NULL)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    AUTO_FREE char *path = memory_format("/bookmarks/%s", bookmark->id);
    event_add(change, request->method->event, &(EventFacts){.name = bookmark->name});
    commit_and_show(request, change, 201, path);
}

void bookmark_update(Request *request)
{
    Entity *bookmark = request_entity(request, 0, KIND_BOOKMARK);
    if (!bookmark) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    if (bookmark_take(request, change_edit(change, bookmark), bookmark)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    event_add(change, request->method->event, &(EventFacts){.name = entity_name(bookmark)});
    commit_and_show(request, change, 200, request->route.path);
}

void bookmark_remove(Request *request)
{
    Entity *bookmark = request_entity(request, 0, KIND_BOOKMARK);
    if (!bookmark) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, request->method->event, &(EventFacts){.name = entity_name(bookmark)});
    change_remove(change, bookmark);
    commit_and_remove(request, change);
}
