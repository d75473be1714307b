// Collections that exist and are empty: clients walk through them.
#include <string.h>

#include "manager/rest/items.h"
#include "rest_handlers.h"

// Whose collections they are: that object must exist.
static const struct {
    const char *segment;
    Kind kind;
} owners[] = {
    {"vms", KIND_VM},
    {"hosts", KIND_HOST},
    {"templates", KIND_TEMPLATE},
    {"clusters", KIND_CLUSTER},
    {"datacenters", KIND_DATA_CENTER},
    {"storagedomains", KIND_STORAGE_DOMAIN},
};

int nothing_list(Request *request, Items *items)
{
    (void)items;
    for (size_t i = 0; i < COUNT_OF(owners) && request->route.depth > 1; i++)
        if (!strcmp(request->route.steps[1].segment, owners[i].segment))
            return request_entity(request, 0, owners[i].kind) ? 0
                                                              : fail_to_errno(request->why.code);
    return 0;
}
