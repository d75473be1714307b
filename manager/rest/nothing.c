// Collections that exist and are empty, because nothing can be added to them yet: clients walk
// through them.
#include "manager/rest/check.h"
#include "manager/rest/items.h"
#include "rest_handlers.h"

int nothing_list(Request *request, Items *items)
{
    (void)items;
    return request_check_parents(request);
}
