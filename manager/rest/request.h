// One request to the API, from its head to its answer.
#pragma once

#include "api/codec/document.h"
#include "api/codec/write.h"
#include "base/http_server.h"
#include "manager/manager.h"
#include "manager/operations/operation.h"
#include "manager/rest/routes.h"

enum { ROUTE_DEPTH_MAX = 12 };

typedef struct RouteStep {
    const RestService *service;
    const char *segment; // as it stands in the URL: "vms", or an id
    bool is_id;
} RouteStep;

typedef struct Route {
    RouteStep steps[ROUTE_DEPTH_MAX]; // steps[0] is the root
    int depth;                        // number of steps
    const char *path;                 // "/vms/ID/nics", without prefix and version
    const char *action;               // last segment when it is an action
} Route;

typedef struct QueryParameter {
    const char *name, *value; // value "" when given without one
    const struct QueryParameter *next;
} QueryParameter;

typedef struct User {
    const Entity *entity;  // KIND_USER
    const char *id, *name; // "admin@internal"
    const Role *role;
} User;

struct Request {
    Manager *manager;
    Http *http; // NULL in an inner request (follow)
    Arena arena;
    Route route;
    const RestMethod *method;
    const QueryParameter *query;
    const char *prefix; // of hrefs, with /v4 when the client said so
    bool json, all_content, filter, head;
    const ApiFollow *follow;
    void *body; // object of method->body, NULL when there is none
    User user;
    Cause cause;
    Fail why;
    // For handlers that wait: their own.
    void *scratch;
};

// Ids in the URL, first to last: /vms/A/nics/B -> 0: A, 1: B. NULL when there are fewer.
const char *request_id(const Request *request, int number);
// Query or matrix parameter; NULL when absent, "" when without value.
const char *request_parameter(const Request *request, const char *name);
// Absent: fallback. Without value: true.
bool request_flag(Request *request, const char *name, bool fallback);
// Negative errno when it is no number.
int request_integer(Request *request, const char *name, int64_t *value);
bool request_has_right(const Request *request, Permit permit);

// Finds services along the path; `route->path` keeps it. Returns false when nothing lies there.
bool route_find(Arena *arena, const char *path, Route *ret);
const RestService *route_service(const Route *route);
const RestMethod *route_method(const Route *route, RestVerb verb);

// An entity by the id in the URL, or 404.
Entity *request_entity(Request *request, int number, Kind kind);
// What a body refers to by id or name: <cluster id=".."/> or <cluster><name>..</name></cluster>.
// `member` is named in failures. A missing reference (NULL head) is INCOMPLETE.
Entity *request_reference(Request *request, Kind kind, const void *reference, const char *member);
// Fails unless no operation holds the object.
int request_check_free(Request *request, const Entity *entity, LockMode mode);
