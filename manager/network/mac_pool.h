// MAC addresses of VMs: handing them out from pools, and the rules for those that users give.
#pragma once

#include "manager/inventory/inventory.h"
#include "manager/manager.h"
#include "model/mac_address.h"

// The pool a cluster takes its addresses from: its own or the default one.
Entity *mac_pool_of_cluster(const Manager *manager, const Entity *cluster);
// A free address of that pool, or CONFLICT. Two calls in a row give two addresses, so that one
// change can add several NICs.
int mac_pool_allocate(Manager *manager, const Entity *cluster, char text[MAC_SIZE], Fail *why);
// Whether a NIC of any VM has the address.
bool mac_in_use(const Manager *manager, const char *text);
// An address a user gives to a NIC: INVALID unless it is a unicast one; CONFLICT when another NIC
// has it and the cluster's pool allows no duplicates.
int mac_check(const Manager *manager, const Entity *cluster, const char *text, Fail *why);
