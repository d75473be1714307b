// What a read hands out: objects with the function that shows them. Objects are rendered one by
// one while the answer is sent, so a list of any length needs no memory but references.
#pragma once

#include "manager/rest/request.h"

typedef struct Item {
    Entity *entity;        // a reference, or NULL
    ApiDocument *document; // the version to show, a reference, or NULL
    const void *part;      // an object inside the document (a NIC of a VM), or the view's own
} Item;

// Fills `view` (zeroed, an object of items->type): a shallow copy of what is stored, completed by
// what was observed. Strings may point anywhere that lives until the next call; `scratch` is for
// new ones.
typedef void ItemView(Request *request, const Item *item, Arena *scratch, void *view);

struct Items {
    const ApiType *type;
    ItemView *view; // NULL: the parts are shown as they are
    Item *items;
    size_t count, capacity;
    const char *base;                // "/vms": hrefs are base/id
    const RestService *service;      // of one item, for its links and actions
    const ApiExtraLink *extra_links; // of a single item, or NULL
    bool single;
};

void items_init(Items *items, const Route *route, const RestMethod *method);
void items_done(Items *items);
void items_add_entity(Items *items, Entity *entity);
void items_add_part(Items *items, Entity *entity, const void *part);
// A document that is no entity's, such as an event; the view shows it.
void items_add_document(Items *items, ApiDocument *document);
// Something that is not stored; it must live in the request's arena.
void items_add_value(Items *items, const void *value);
// Entities by name, then by id.
void items_sort(Items *items);

// All entities of a kind the user may see, filtered by search=, ordered and cut as asked.
int items_collect(Request *request, Items *items, Kind kind, ItemView *view);
// The entities of a kind for which `match` is true, ordered by name and cut by max=.
typedef bool ItemsMatch(const Request *request, const Entity *entity, const void *argument);
int items_select(Request *request, Items *items, Kind kind, ItemView *view, ItemsMatch *match,
                 const void *argument);
// Shows the items of a collection that lies below another object under their own URL: "/clusters".
void items_set_home(Request *request, Items *items, const char *path);
// The entity named in the URL (`number`: which id), as the only item.
int items_one(Request *request, Items *items, Kind kind, int number, ItemView *view);

// Writes one item at the writer's place.
void items_write(Request *request, ApiWriter *writer, const Items *items, size_t number,
                 const char *element, const ApiFollow *follow);
// A writer for this request's format.
ApiWriter request_writer(Request *request, StrBuf *out);
