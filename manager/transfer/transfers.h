// Image transfers: disks in and out, through tickets on hosts.
//
// A transfer is an entity and the operation that keeps its ticket alive. What a user asks of it
// (pause, finalize, cancel) is a new phase in the entity; the operation sees it and acts.
#pragma once

#include "manager/manager.h"
#include "manager/operations/operation.h"

enum { IMAGE_SERVER_PORT = 54322 };

Transfers *transfers_new(Manager *manager, Fail *why);
void transfers_stop(Transfers *transfers);

// Not at its end yet: it has, had or will have a ticket.
bool transfer_is_open(const ApiImageTransfer *transfer);
