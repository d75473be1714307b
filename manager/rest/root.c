// The root of the API: what there is, how much of it, who asks.
#include <string.h>

#include "base/clock.h"
#include "manager/inventory/state.h"
#include "manager/rest/items.h"
#include "manager/storage/domain.h"
#include "rest_handlers.h"

// Collections that can be searched get a second link.
static const char *const searchable[] = {
    "clusters",      "datacenters", "disks",        "events",         "hosts",     "imagetransfers",
    "instancetypes", "jobs",        "networks",     "storagedomains", "templates", "users",
    "vms",           "vmpools",     "vnicprofiles", "macpools",       "groups",
};

static ApiApiSummaryItem *summary_item(Arena *arena, int64_t active, int64_t total)
{
    ApiApiSummaryItem *item = ARENA_NEW(arena, ApiApiSummaryItem);
    item->active = API_INT(active);
    item->total = API_INT(total);
    return item;
}

static int64_t count_hosts_up(const Inventory *inventory)
{
    int64_t count = 0;
    INVENTORY_EACH(inventory, KIND_HOST, host)
    count += host_state(host)->status == API_HOST_STATUS_UP;
    return count;
}

static int64_t count_vms_running(const Inventory *inventory)
{
    int64_t count = 0;
    INVENTORY_EACH(inventory, KIND_VM, vm)
    count += vm_state(vm)->host != NULL;
    return count;
}

static int64_t count_domains_active(Manager *manager)
{
    int64_t count = 0;
    INVENTORY_EACH(manager->inventory, KIND_STORAGE_DOMAIN, domain)
    count += storage_domain_status(manager, domain) == API_STORAGE_DOMAIN_STATUS_ACTIVE;
    return count;
}

static ApiApiSummary *root_summary(Arena *arena, Manager *manager)
{
    const Inventory *inventory = manager->inventory;
    ApiApiSummary *summary = ARENA_NEW(arena, ApiApiSummary);
    int64_t users = (int64_t)inventory_count(inventory, KIND_USER);
    summary->hosts = summary_item(arena, count_hosts_up(inventory),
                                  (int64_t)inventory_count(inventory, KIND_HOST));
    summary->vms = summary_item(arena, count_vms_running(inventory),
                                (int64_t)inventory_count(inventory, KIND_VM));
    summary->storage_domains =
        summary_item(arena, count_domains_active(manager),
                     (int64_t)inventory_count(inventory, KIND_STORAGE_DOMAIN));
    summary->users = summary_item(arena, users, users);
    return summary;
}

static ApiProductInfo *root_product(Arena *arena, const Manager *manager)
{
    ApiProductInfo *info = ARENA_NEW(arena, ApiProductInfo);
    info->name = "Vireo";
    info->vendor = "Vireo";
    info->instance_id = manager->instance_id;
    // The level of the API that is spoken: clients compare it.
    info->version = ARENA_NEW(arena, ApiVersion);
    info->version->major = API_INT(4);
    info->version->minor = API_INT(5);
    info->version->build = API_INT(6);
    info->version->revision = API_INT(0);
    info->version->full_version = "4.5.6-vireo-" VIREO_VERSION;
    return info;
}

// "vms/search": where a client puts its search into the URL.
static ApiExtraLink *root_search_links(Arena *arena)
{
    ApiExtraLink *links = ARENA_ARRAY(arena, ApiExtraLink, COUNT_OF(searchable) + 1);
    for (size_t i = 0; i < COUNT_OF(searchable); i++)
        links[i] = (ApiExtraLink){arena_format(arena, "%s/search", searchable[i]),
                                  arena_format(arena, "/%s?search={query}", searchable[i])};
    return links;
}

static ApiUser *root_user(Arena *arena, const Request *request)
{
    ApiUser *user = ARENA_NEW(arena, ApiUser);
    user->id = request->user.id;
    return user;
}

int root_get(Request *request, Items *items)
{
    Arena *arena = &request->arena;
    ApiApi *api = ARENA_NEW(arena, ApiApi);
    api->product_info = root_product(arena, request->manager);
    api->special_objects = ARENA_NEW(arena, ApiSpecialObjects);
    api->special_objects->blank_template = ARENA_NEW(arena, ApiTemplate);
    api->special_objects->blank_template->id = UUID_ZERO;
    api->special_objects->root_tag = ARENA_NEW(arena, ApiTag);
    api->special_objects->root_tag->id = UUID_ZERO;
    if (request->user.role && request->user.role->administrative)
        api->summary = root_summary(arena, request->manager);
    api->time = API_INT(clock_wall_ms());
    api->authenticated_user = api->effective_user = root_user(arena, request);
    items->extra_links = root_search_links(arena);
    items_add_value(items, api);
    return 0;
}
