#include <string.h>

#include "manager/rest/request.h"

static const RestLocator *locator_find(const RestService *service, const char *segment)
{
    const RestLocator *by_id = NULL;
    for (int i = 0; i < service->locator_count; i++) {
        const RestLocator *locator = &service->locators[i];
        if (locator->path[0] == '{')
            by_id = locator;
        else if (!strcmp(locator->path, segment))
            return locator;
    }
    return by_id;
}

static bool action_exists(const RestService *service, const char *segment)
{
    for (int i = 0; i < service->method_count; i++)
        if (service->methods[i].verb == API_ACTION && !strcmp(service->methods[i].action, segment))
            return true;
    return false;
}

bool route_find(Arena *arena, const char *path, Route *ret)
{
    Route route = {.path = path, .depth = 1};
    char *rest = arena_string(arena, path);
    route.steps[0] = (RouteStep){rest_root, "", false};
    for (char *segment; (segment = strsep(&rest, "/"));) {
        const RestService *here = route.steps[route.depth - 1].service;
        if (!*segment)
            continue;
        if (route.action)
            return false;
        const RestLocator *locator = locator_find(here, segment);
        // "/vms/ID/start": an action, unless a collection has that name.
        if ((!locator || locator->path[0] == '{') && action_exists(here, segment)) {
            route.action = segment;
            continue;
        }
        if (!locator || route.depth == ROUTE_DEPTH_MAX)
            return false;
        route.steps[route.depth++] =
            (RouteStep){locator->service, segment, locator->path[0] == '{'};
    }
    *ret = route;
    return true;
}

const RestService *route_service(const Route *route)
{
    return route->steps[route->depth - 1].service;
}

const RestMethod *route_method(const Route *route, RestVerb verb)
{
    const RestService *service = route_service(route);
    for (int i = 0; i < service->method_count; i++) {
        const RestMethod *method = &service->methods[i];
        if (method->verb == verb && (verb != API_ACTION || !strcmp(method->action, route->action)))
            return method;
    }
    return NULL;
}
