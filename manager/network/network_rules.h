// What makes a network a good one, and what uses it.
#pragma once

#include "manager/inventory/change.h"
#include "manager/rest/request.h"

// Usages as bits: 1 << API_NETWORK_USAGE_VM ...
unsigned network_usages(const ApiNetwork *network);
void network_set_usages(Arena *arena, ApiNetwork *network, unsigned usages);
#define USAGE_BIT(usage) (1u << API_NETWORK_USAGE_##usage)

Entity *network_data_center(const Manager *manager, const Entity *network);
Entity *network_named(const Manager *manager, const Entity *data_center, const char *name);
// The name of the network's bridge on hosts: its own where the kernel allows that.
void network_set_bridge_name(Arena *arena, ApiNetwork *network);

// Checks a network as it is going to be. `except` is the stored one, NULL for a new one.
int network_check(Request *request, const ApiNetwork *network, const Entity *data_center,
                  const Entity *except);
// CONFLICT, naming them, when NICs of VMs are on one of the network's profiles (`profile` NULL) or
// on that profile. `verb` and `noun` begin the sentence.
int network_check_unused(Request *request, const Entity *network, const Entity *profile,
                         const char *verb);
// A host's bridge has the network's name.
const Entity *network_host(const Manager *manager, const Entity *network);

// Adds a network that is fit for management with its vNIC profile to a change: what every data
// centre begins with. The id is the draft's.
const char *network_add_management(Change *change, const char *data_center);
// The vNIC profile a network for VMs begins with.
void network_add_profile(Change *change, const ApiNetwork *network);
// Takes the network out of the change's data: its profiles, its place in clusters, itself.
void network_remove_from(Change *change, Entity *network);
