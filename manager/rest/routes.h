// The route table: what lies under which URL, who handles it, with which right and which event.
// The rows are made from api/*.api (api_routes.c).
#pragma once

#include "api/codec/write.h"
#include "api_types.h"
#include "manager/events/event_log.h"
#include "manager/identity/permit.h"

typedef struct Request Request;
typedef struct Items Items;

// Reads: puts the objects into `items`, or fails. READ_LATER: it has taken the request over and
// answers by itself.
enum { READ_LATER = 1 };
typedef int RestRead(Request *request, Items *items);
// Acts: answers by one of the functions of reply.h, now or later.
typedef void RestAct(Request *request);

typedef enum RestVerb { API_GET, API_POST, API_PUT, API_DELETE, API_ACTION } RestVerb;

typedef struct RestParameter {
    const char *name;
    ApiKind kind;
    const void *type;
} RestParameter;

typedef struct RestMethod {
    const char *name;
    RestVerb verb;
    const char *action; // for API_ACTION
    const ApiType *body, *result;
    bool result_is_list;
    const RestParameter *parameters;
    int parameter_count;
    const char *const *needs; // members the body must have: "name", "cluster.id|name"
    union {
        RestRead *read;
        RestAct *act; // NULL: answers 501
    };
    Permit permit;
    EventCode event;
} RestMethod;

typedef struct RestService RestService;

typedef struct RestLocator {
    const char *path; // a word, or "{id}"
    const char *name;
    const RestService *service;
} RestLocator;

struct RestService {
    const char *name;
    const RestMethod *methods;
    int method_count;
    const RestLocator *locators;
    int locator_count;
    const ApiTail *links, *actions; // that its objects show; NULL: none
};

extern const RestService *const rest_services[];
extern const size_t rest_services_count;
extern const RestService *const rest_root;
