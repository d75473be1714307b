// The manager's HTTPS port: which part of the program a path belongs to.
#pragma once

#include "manager/manager.h"

#define API_PREFIX "/ovirt-engine/api"
#define SSO_PREFIX "/ovirt-engine/sso"

// The head handler of the HTTP server.
void server_handle(Http *http, void *manager);
// A request under API_PREFIX; `path` is behind it.
void request_begin(Manager *manager, Http *http, const char *path);
