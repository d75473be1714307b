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

// ---- links and actions of a service's objects, made once

typedef struct ServiceNames {
    const char **links, **actions;
} ServiceNames;

static ServiceNames *service_names;

static const char **names_add(const char **names, int *count, const char *name)
{
    names = memory_resize(names, (size_t)*count + 2, sizeof(*names));
    names[(*count)++] = name;
    names[*count] = NULL;
    return names;
}

static void names_make(const RestService *service, ServiceNames *names)
{
    int links = 0, actions = 0;
    for (int i = 0; i < service->locator_count; i++)
        if (service->locators[i].path[0] != '{')
            names->links = names_add(names->links, &links, service->locators[i].path);
    for (int i = 0; i < service->method_count; i++)
        if (service->methods[i].verb == API_ACTION)
            names->actions = names_add(names->actions, &actions, service->methods[i].action);
}

void route_names(const RestService *service, const char *const **ret_links,
                 const char *const **ret_actions)
{
    if (!service_names) {
        service_names = NEW_ARRAY(ServiceNames, rest_services_count);
        for (size_t i = 0; i < rest_services_count; i++)
            names_make(rest_services[i], &service_names[i]);
    }
    *ret_links = *ret_actions = NULL;
    // Services lie in one sorted table: the row's index is found by name.
    size_t low = 0, high = rest_services_count;
    while (service && low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(rest_services[middle]->name, service->name);
        if (!order) {
            *ret_links = service_names[middle].links;
            *ret_actions = service_names[middle].actions;
            return;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
}
