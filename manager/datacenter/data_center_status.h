// What state a data centre is in: computed from its storage and hosts, never stored.
#pragma once

#include "manager/manager.h"
#include "manager/inventory/inventory.h"

typedef struct DataCenterFacts {
    int domains;        // storage domains attached to it
    bool master_wanted; // the master domain is to be active
    bool has_manager;   // a host manages the storage
    bool electing;      // one is being looked for
    int hosts_up;
} DataCenterFacts;

ApiDataCenterStatus data_center_status_of(const DataCenterFacts *facts);
ApiDataCenterStatus data_center_status(const Manager *manager, const Entity *data_center);
