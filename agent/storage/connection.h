// Connections to storage servers: what has to be mounted, or linked, before there are domains.
#pragma once

#include "agent/storage/storage.h"
#include "agent/storage/storage_fail.h"
#include "agent/storage/storage_format.h"

// Both can be repeated. One connection as the peer describes it; a VdsmError.
int storage_connect(Storage *storage, DomainType type, const Json *connection, Fail *why);
int storage_disconnect(Storage *storage, DomainType type, const Json *connection, Fail *why);
// Options for mount(8), or NULL; the caller frees. For NFS with what our leases and HA need.
int connection_options(DomainType type, const Json *connection, char **ret, Fail *why);
