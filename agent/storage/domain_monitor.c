#include "agent/storage/domain_monitor.h"

#include <stdlib.h>
#include <string.h>

#include "agent/storage/storage_domain.h"
#include "agent/storage/storage_state.h"
#include "base/clock.h"
#include "base/log.h"

enum { MONITOR_END_MS = 3000 };

typedef struct DomainMonitor {
    DomainMonitors *all;
    DomainHealth health;
    int64_t started_ms; // of the check under way; 0: none
    bool for_pool, for_others, stop;
    int references; // the table's and the thread's
    uv_cond_t wake;
} DomainMonitor;

void domain_monitors_init(DomainMonitors *monitors, Storage *storage)
{
    *monitors = (DomainMonitors){.storage = storage, .interval_ms = MONITOR_INTERVAL_MS};
    uv_mutex_init(&monitors->mutex);
    uv_cond_init(&monitors->ended);
}

// With the mutex held.
static void monitor_unref(DomainMonitor *monitor)
{
    if (--monitor->references)
        return;
    uv_cond_destroy(&monitor->wake);
    free(monitor);
}

// ---- the thread

static void monitor_check(Storage *storage, const char *id, DomainHealth *health)
{
    AUTO_FAIL why = {0};
    AUTO_DOMAIN domain = {0};
    DomainSpace space = {-1, -1};
    uint64_t start = uv_hrtime();
    health->code = storage_domain_open(storage, id, &domain, &why);
    health->delay_s = (double)(uv_hrtime() - start) / 1e9;
    if (!health->code) {
        health->version = domain.version;
        health->code = storage_domain_space(storage, &domain, &space, &why);
    }
    health->total = space.total;
    health->free = space.free;
    if (health->code) {
        AUTO_FREE char *text = fail_text(&why);
        log_debug("storage.domain", LOG_ID("domain", id), "%s", text);
    }
}

static void monitor_tell(Storage *storage, const DomainHealth *before, const DomainHealth *now)
{
    if (before->checked && before->code == now->code)
        return;
    if (now->code)
        log_warn("storage.domain.bad", LOG_ID("domain", now->id),
                 "The storage domain %s fails: %s (%d).", now->id, vdsm_error_text(now->code),
                 now->code);
    else
        log_notice("storage.domain.good", LOG_ID("domain", now->id),
                   "The storage domain %s answers.", now->id);
    if (now->code)
        return;
    storage_pool_link_domain(storage, now->id);
    storage_tasks_resume(storage);
}

static void monitor_round(DomainMonitor *monitor)
{
    DomainMonitors *all = monitor->all;
    DomainHealth before = monitor->health, now = before;
    monitor->started_ms = clock_monotonic_ms();
    uv_mutex_unlock(&all->mutex);
    monitor_check(all->storage, now.id, &now);
    uv_mutex_lock(&all->mutex);
    now.checked = true;
    now.checked_ms = clock_monotonic_ms();
    now.acquired = monitor->health.acquired;
    monitor->health = now;
    monitor->started_ms = 0;
    bool stop = monitor->stop;
    uv_mutex_unlock(&all->mutex);
    if (!stop)
        monitor_tell(all->storage, &before, &now);
    uv_mutex_lock(&all->mutex);
}

static void monitor_thread(void *argument)
{
    DomainMonitor *monitor = argument;
    DomainMonitors *all = monitor->all;
    uv_mutex_lock(&all->mutex);
    while (!monitor->stop) {
        monitor_round(monitor);
        if (!monitor->stop)
            uv_cond_timedwait(&monitor->wake, &all->mutex, (uint64_t)all->interval_ms * 1000000);
    }
    monitor_unref(monitor);
    all->threads--;
    thread_reaper_add(&all->reaper);
    uv_cond_broadcast(&all->ended);
    uv_mutex_unlock(&all->mutex);
}

// ---- from outside

static DomainMonitor *monitor_new(DomainMonitors *monitors, const char *domain)
{
    uv_thread_t thread;
    DomainMonitor *monitor = NEW(DomainMonitor);
    monitor->all = monitors;
    monitor->references = 2;
    monitor->health =
        (DomainHealth){.checked_ms = clock_monotonic_ms(), .version = -1, .total = -1, .free = -1};
    memcpy(monitor->health.id, domain, UUID_SIZE);
    uuid_lower(monitor->health.id);
    uv_cond_init(&monitor->wake);
    map_put(&monitors->monitors, monitor->health.id, monitor);
    monitors->threads++;
    if (uv_thread_create(&thread, monitor_thread, monitor))
        abort();
    return monitor;
}

void domain_monitor_start(DomainMonitors *monitors, const char *domain, bool pool)
{
    uv_mutex_lock(&monitors->mutex);
    DomainMonitor *monitor = map_get(&monitors->monitors, domain);
    if (!monitor)
        monitor = monitor_new(monitors, domain);
    monitor->for_pool |= pool;
    monitor->for_others |= !pool;
    monitor->health.acquired = true;
    ThreadReaper ended = thread_reaper_take(&monitors->reaper);
    uv_mutex_unlock(&monitors->mutex);
    thread_reaper_join(&ended);
}

// With the mutex held.
static void monitor_end(DomainMonitors *monitors, DomainMonitor *monitor)
{
    map_remove(&monitors->monitors, monitor->health.id);
    monitor->stop = true;
    uv_cond_signal(&monitor->wake);
    monitor_unref(monitor);
}

void domain_monitor_stop(DomainMonitors *monitors, const char *domain, bool pool)
{
    uv_mutex_lock(&monitors->mutex);
    DomainMonitor *monitor = map_get(&monitors->monitors, domain);
    if (monitor) {
        if (pool)
            monitor->for_pool = false;
        else
            monitor->for_others = false;
        if (!monitor->for_pool && !monitor->for_others)
            monitor_end(monitors, monitor);
    }
    uv_mutex_unlock(&monitors->mutex);
}

bool domain_monitor_in_pool(DomainMonitors *monitors, const char *domain)
{
    uv_mutex_lock(&monitors->mutex);
    const DomainMonitor *monitor = map_get(&monitors->monitors, domain);
    bool in_pool = monitor && monitor->for_pool;
    uv_mutex_unlock(&monitors->mutex);
    return in_pool;
}

// With the mutex held.
static int64_t stuck_ms(const DomainMonitor *monitor)
{
    int64_t since = monitor->started_ms ? clock_monotonic_ms() - monitor->started_ms : 0;
    return since > MONITOR_STUCK_MS ? since : 0;
}

int domain_monitor_stuck_seconds(DomainMonitors *monitors, const char *domain)
{
    uv_mutex_lock(&monitors->mutex);
    const DomainMonitor *monitor = map_get(&monitors->monitors, domain);
    int seconds = monitor ? (int)(stuck_ms(monitor) / 1000) : 0;
    uv_mutex_unlock(&monitors->mutex);
    return seconds;
}

static DomainHealth health_now(const DomainMonitor *monitor)
{
    DomainHealth health = monitor->health;
    if (stuck_ms(monitor))
        health.code = VDSM_DOMAIN_ACCESS;
    return health;
}

DomainHealth *domain_monitor_all(DomainMonitors *monitors, size_t *ret_count)
{
    uv_mutex_lock(&monitors->mutex);
    DomainHealth *all = NEW_ARRAY(DomainHealth, monitors->monitors.count);
    *ret_count = 0;
    MAP_EACH(&monitors->monitors, slot)
        all[(*ret_count)++] = health_now(slot->value);
    uv_mutex_unlock(&monitors->mutex);
    return all;
}

bool domain_monitor_get(DomainMonitors *monitors, const char *domain, DomainHealth *ret)
{
    uv_mutex_lock(&monitors->mutex);
    const DomainMonitor *monitor = map_get(&monitors->monitors, domain);
    if (monitor)
        *ret = health_now(monitor);
    uv_mutex_unlock(&monitors->mutex);
    return monitor != NULL;
}

void domain_health_write(const DomainHealth *health, JsonWriter *writer)
{
    double age_s = (double)(clock_monotonic_ms() - health->checked_ms) / 1000.0;
    json_open(writer, '{');
    json_add_integer(writer, "code", health->code);
    json_add_format(writer, "lastCheck", "%.1f", age_s);
    json_add_format(writer, "delay", "%.9f", health->delay_s);
    json_add_bool(writer, "valid", !health->code);
    json_add_integer(writer, "version", health->version);
    json_add_bool(writer, "acquired", health->acquired);
    json_add_bool(writer, "actual", health->checked);
    json_close(writer, '}');
}

bool domain_monitors_done(DomainMonitors *monitors)
{
    uint64_t deadline = uv_hrtime() + (uint64_t)MONITOR_END_MS * 1000000;
    uv_mutex_lock(&monitors->mutex);
    MAP_EACH(&monitors->monitors, slot)
        monitor_end(monitors, slot->value);
    while (monitors->threads && uv_hrtime() < deadline)
        uv_cond_timedwait(&monitors->ended, &monitors->mutex, 100000000);
    bool clean = !monitors->threads;
    ThreadReaper ended = thread_reaper_take(&monitors->reaper);
    uv_mutex_unlock(&monitors->mutex);
    thread_reaper_join(&ended);
    if (!clean)
        return false;
    map_done(&monitors->monitors);
    uv_cond_destroy(&monitors->ended);
    uv_mutex_destroy(&monitors->mutex);
    return true;
}
