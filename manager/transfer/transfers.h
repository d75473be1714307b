// Image transfers: disks in and out, through tickets on hosts.
//
// A transfer is an entity and the operation that keeps its ticket alive. What a user asks of it
// (pause, finalize, cancel) is a new phase in the entity; the operation sees it and acts. How far
// clients have come is the host's to tell and is never stored.
#pragma once

#include "manager/manager.h"
#include "manager/operations/operation.h"

enum { IMAGE_SERVER_PORT = 54322 };

extern const OperationKind image_transfer_kind;

// The proxy's port, and forgetting transfers that ended a while ago.
Transfers *transfers_new(Manager *manager, Fail *why);
void transfers_stop(Transfers *transfers);

// Not at its end yet: it has, had or will have a ticket.
bool transfer_is_open(const ApiImageTransfer *transfer);
// Clients see raw data whatever the disk's format is; an NBD server on the host converts.
bool transfer_converts(const ApiImageTransfer *transfer, const ApiDisk *disk);
// Adds the transfer of the context's disk to the change; its members must be set already.
void transfer_plan(Change *change, const ApiImageTransfer *transfer, const Entity *disk,
                   const char **ret_operation);
