// Connections to storage servers: what a host must mount to reach a domain.
#pragma once

#include "manager/rest/request.h"

// The storage that a body describes, whole or by the id of a known connection. `ret_connection` is
// the known one, or NULL.
int storage_of_request(Request *request, const ApiHostStorage *given, const Entity *host,
                       const ApiHostStorage **ret, Entity **ret_connection);
int storage_check(Request *request, const ApiHostStorage *storage);
// Adds one to the change; returns its id.
const char *connection_add(Change *change, const ApiHostStorage *storage, const Entity *host);
// Fails when a domain uses the connection already; NULL is fine.
int connection_check_unused(Request *request, const Entity *connection);
Entity *connection_domain(const Manager *manager, const Entity *connection);
