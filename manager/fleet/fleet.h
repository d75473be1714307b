// All hosts: connecting, watching, bringing them to what the administrator wants.
//
// A host's document says what is wanted (up or maintenance); its state says what is seen. The
// monitor of each host compares and acts, over and over, so nothing has to be remembered: after a
// restart of the manager it simply looks again.
#pragma once

#include "manager/fleet/host_link.h"

Fleet *fleet_new(Manager *manager);
// Starts a monitor for every host in the inventory; called once after loading.
void fleet_start(Fleet *fleet);
void fleet_stop(Fleet *fleet);

// A host has been added, or its address or what is wanted of it has changed.
void fleet_host_changed(Manager *manager, Entity *host);
// A host is about to go from the inventory.
void fleet_host_removed(Manager *manager, Entity *host);
// Poll its VMs and statistics now instead of at the next turn.
void fleet_refresh(Manager *manager, Entity *host);

// Ask for its capabilities again.
void fleet_recheck(Manager *manager, Entity *host);

// Any host of the data centre that is up and connected, the storage manager first; NULL.
Entity *fleet_host_of_data_center(Manager *manager, const Entity *data_center);
// The host that manages the data centre's storage, or NULL and NO_HOST.
Entity *fleet_storage_manager(Manager *manager, const Entity *data_center, Fail *why);
// Not up, but expected to be soon: just after the manager's start, or while its agent restarts. Ends
// when the host is up, or has been silent for host_grace_seconds.
bool fleet_host_returns(const Entity *host);
// Likewise, any host of the data centre.
bool fleet_hosts_return(Manager *manager, const Entity *data_center);
// Says why a data centre has no usable host: which hosts there are and what they are doing.
void fleet_explain_no_host(Manager *manager, const Entity *data_center, Fail *why);

// The data centre of a host or cluster.
Entity *host_data_center(const Manager *manager, const Entity *host);
Entity *cluster_data_center(const Manager *manager, const char *cluster);
