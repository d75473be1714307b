// What all parts of storage share. Set up before the first call and never moved; each part guards
// its own state.
#pragma once

#include "agent/storage/domain_monitor.h"
#include "agent/storage/storage.h"
#include "agent/storage/storage_job.h"
#include "agent/storage/storage_place.h"
#include "agent/storage/storage_pool.h"
#include "agent/storage/storage_task.h"
#include "agent/storage/storage_work.h"

struct Storage {
    Agent *agent;
    char *repository; // /rhev/data-center
    char *mounts;     // <repository>/mnt
    char *links;      // /run/vdsm/storage: links to prepared images
    char *state;      // <state directory>/storage
    StorageOwner owner;
    StorageLocks locks;
    WorkQueue works;
    StoragePlaces places;
    StoragePool pool;
    DomainMonitors monitors;
    StorageTasks tasks;
    StorageJobs jobs;
};
