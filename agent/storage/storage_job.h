// Jobs of this host (SDM verbs): work on volumes that needs no pool management. The caller brings
// the id. A job is forgotten when the agent ends: what it did shows in the volume, which is legal
// again and one generation further only when the job was done.
#pragma once

#include "agent/storage/storage_work.h"
#include "base/arena.h"
#include "base/json.h"
#include "base/map.h"

typedef struct Storage Storage;

enum { JOB_KEEP_MS = 3600 * 1000 };

typedef struct JobRun {
    Storage *storage;
    const Json *parameters;
    atomic_bool *stop;
    atomic_int *percent;
} JobRun;

typedef struct JobKind {
    const char *name; // "copy_data"
    // Says what is wrong with the parameters.
    int (*check)(const Json *parameters, Fail *why);
    void (*locks)(const Json *parameters, LockSet *locks);
    int (*run)(const JobRun *run, Fail *why);
    bool progress; // can say how far it is
} JobKind;

const JobKind *job_kind_find(const char *name);

typedef struct StorageJobs {
    uv_mutex_t mutex; // guards the map and all jobs in it
    Map jobs;         // id to StorageJob
} StorageJobs;

void storage_jobs_init(Storage *storage);
void storage_jobs_done(Storage *storage); // after the work queue's end
int storage_job_add(Storage *storage, const char *kind, const char *id, const Json *parameters,
                    Fail *why);
// {id: {...}} of those of the type and among the ids, each when given.
void storage_jobs_write(Storage *storage, const char *type, const Json *ids, StrBuf *out);
