// Storage of this host: connections to storage servers, domains in RHV's format, volumes, tasks.
//
// Every function may block and is thread-safe: verbs call them from pool threads. They return 0 or
// the VdsmError to answer with; `why` says the rest.
#pragma once

#include "agent/agent.h"
#include "base/fail.h"
#include "base/json.h"

Storage *storage_new(Agent *agent);
// Finds mounts, domains, pools and unfinished tasks of an earlier life.
int storage_recover(Storage *storage, Fail *why);
void storage_free(Storage *storage);

typedef struct VolumePath {
    char *path;       // of the data file, under the repository
    bool qcow2;       // else raw
    int64_t capacity; // bytes
    bool shared;      // a template's volume: read-only
} VolumePath;

void volume_path_done(VolumePath *path);

// Makes a volume usable on this host and says where it is. `volume` NULL or empty: the leaf.
int storage_prepare(Storage *storage, const char *domain, const char *image, const char *volume,
                    bool allow_illegal, VolumePath *ret, Fail *why);
void storage_teardown(Storage *storage, const char *domain, const char *image, const char *volume);

typedef struct StorageHealth {
    int code;           // VdsmError, 0: good
    int64_t checked_ms; // monotonic
    int64_t free;       // bytes
} StorageHealth;

// The last result of a domain's monitor; does not block. False when it has none.
bool storage_health(Storage *storage, const char *domain, StorageHealth *ret);
// Key and value of the member storageDomains of Host.getStats: {domain: {code, lastCheck, ...}}.
void storage_add_domain_stats(Storage *storage, JsonWriter *writer);
