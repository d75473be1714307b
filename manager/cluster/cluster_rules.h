// What a cluster is made of, and what makes it a good one.
#pragma once

#include "manager/inventory/change.h"
#include "manager/rest/request.h"

// oVirt's ids of the scheduling policy "none" and of the migration policy "minimal downtime".
#define SCHEDULING_POLICY_NONE            "b4ed2332-a7ac-4d5f-9596-99a439cb2812"
#define MIGRATION_POLICY_MINIMAL_DOWNTIME "80554327-0569-496b-bdeb-fcbbf52b827b"

// Gives every member that is not set its default.
void cluster_fill(Arena *arena, ApiCluster *cluster);
// Checks a cluster as it is going to be; `except` is the stored one, NULL for a new one.
int cluster_check(Request *request, const ApiCluster *cluster, const Entity *data_center,
                  const Entity *except);
// What may not change while hosts and VMs are there.
int cluster_check_transition(Request *request, const Entity *before, const ApiCluster *after);
size_t cluster_count_hosts(const Manager *manager, const char *cluster);
size_t cluster_count_vms(const Manager *manager, const char *cluster);

// ---- its networks: cluster->networks holds for each its id, whether hosts must have it, and its
// roles as usages (all but `vm`, which the network itself decides)

ApiNetwork *cluster_network_find(const ApiCluster *cluster, const char *network);
ApiNetwork *cluster_network_attach(Arena *arena, ApiCluster *cluster, const char *network,
                                   bool required);
void cluster_network_detach(Arena *arena, ApiCluster *cluster, const char *network);
// Gives it these roles. Only one network has a role: it leaves the one that had it; a role that
// nobody has left goes to the management network.
void cluster_network_set_roles(Arena *arena, ApiCluster *cluster, ApiNetwork *network,
                               unsigned roles);
// Makes it the management network; it is attached when it wasn't.
void cluster_set_management(Arena *arena, ApiCluster *cluster, const char *network);
