// Hosts joining: an administrator gets a one-time token, the host sends it with a certificate
// request, the manager signs and begins to watch the host.
#pragma once

#include "base/http_server.h"
#include "manager/manager.h"

void enrol_handle(Manager *manager, Http *http, const char *rest);
void enrol_handle_token(Manager *manager, Http *http, const char *rest);
// The smallest number from 1 to 249 that no host of the data centre has; 0 when all are taken.
int enrol_free_number(const Manager *manager);
