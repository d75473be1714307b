// Watches domains: every 10 seconds the metadata is read past the cache, on a thread per domain
// that nobody waits for. Whoever asks gets the last result; a hung server shows as its growing age.
#pragma once

#include <uv.h>

#include "agent/storage/storage.h"
#include "base/map.h"
#include "base/uuid.h"

enum {
    MONITOR_INTERVAL_MS = 10000,
    MONITOR_STUCK_MS = 20000, // then calls on the domain are refused at once
};

typedef struct DomainHealth {
    char id[UUID_SIZE];
    bool checked;       // at least once
    int code;           // VdsmError
    int64_t checked_ms; // monotonic time of the last result, or of the start
    double delay_s;
    int version;
    int64_t total, free; // bytes; -1: unknown
    bool acquired;       // the host may use the domain under its host id
} DomainHealth;

typedef struct DomainMonitors {
    uv_mutex_t mutex; // guards everything here and in the monitors
    uv_cond_t ended;
    Map monitors; // domain id to DomainMonitor
    int threads;
    int interval_ms;
    Storage *storage;
} DomainMonitors;

void domain_monitors_init(DomainMonitors *monitors, Storage *storage);
// False when a thread still hangs: the memory must stay then.
bool domain_monitors_done(DomainMonitors *monitors);
// For the pool, or for somebody else besides; starting twice is fine.
void domain_monitor_start(DomainMonitors *monitors, const char *domain, bool pool);
// Stops when neither the pool nor somebody else wants it.
void domain_monitor_stop(DomainMonitors *monitors, const char *domain, bool pool);
bool domain_monitor_in_pool(DomainMonitors *monitors, const char *domain);
// How long its present check has been hanging; 0 when it is fine or not watched.
int domain_monitor_stuck_seconds(DomainMonitors *monitors, const char *domain);
// A copy of all results; the caller frees. A hung domain has code VDSM_DOMAIN_ACCESS.
DomainHealth *domain_monitor_all(DomainMonitors *monitors, size_t *ret_count);
bool domain_monitor_get(DomainMonitors *monitors, const char *domain, DomainHealth *ret);
void domain_health_write(const DomainHealth *health, JsonWriter *writer);
