// Calls of the REST API in JSON. Faults become a Fail with the API's own words.
#pragma once

#include "base/json.h"
#include "cli/cli.h"

// `path` is below the API ("vms/ID", "vms?search=..."), `body` may be NULL. *ret is NULL when the
// answer is empty; everything lies in the arena. The session is opened when it is needed.
int rest_call(Cli *cli, Arena *arena, const char *method, const char *path, const Json *body,
              const Json **ret, Fail *why);
int rest_get(Cli *cli, Arena *arena, const char *path, const Json **ret, Fail *why);
// The objects in an answer's list ("vm"), or NULL.
const Json *rest_list(const Json *answer, const char *member);
// Opens the session, with a token.
int rest_open(Cli *cli, Fail *why);

typedef struct RestRequest {
    const char *method, *path;
    const char *body; // NULL: none
    size_t length;
    const char *type; // NULL: application/json
    bool outside;     // the path is one of the manager, not below the API
} RestRequest;

// The same, but any status is a success. The caller frees the answer's body.
int rest_send(Cli *cli, const RestRequest *request, HttpAnswer *ret, Fail *why);
// Turns an answer that is no success into a failure.
int rest_fault(Arena *arena, const RestRequest *request, const HttpAnswer *answer, Fail *why);
