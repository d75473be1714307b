#include "manager/manager.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "manager/console/serial_console.h"
#include "manager/control.h"
#include "manager/events/event_log.h"
#include "manager/fleet/fleet.h"
#include "manager/identity/identity.h"
#include "manager/inventory/inventory.h"
#include "manager/kinds.h"
#include "manager/operations/operation.h"
#include "manager/rest/server.h"
#include "manager/store/store.h"
#include "manager/transfer/transfers.h"
#include "proto/console.h"

enum {
    EVENTS_LOADED = 20000,
    CERTIFICATE_DAYS = 398, // what browsers accept at most
    STOP_GRACE_MS = 5000,
    DAILY_MS = 3600 * 1000,
};

// ---- loading

typedef struct Loading {
    Manager *manager;
    Fail *why;
    int failed;
} Loading;

static void load_entity(const char *kind_text, const char *id, uint64_t revision,
                        const char *document, size_t length, void *argument)
{
    Loading *loading = argument;
    Kind kind = kind_from_name(kind_text);
    AUTO_FAIL why = {0};
    if (kind == _KIND_MAX) {
        log_warn("store.unknown", LOG_ID("entity", id),
                 "The store holds a %s, which this version does not know; it is left alone.",
                 kind_text);
        return;
    }
    if (inventory_load(loading->manager->inventory, kind, id, revision, document, length, &why)) {
        loading->failed++;
        fail_move(loading->why, &why);
    }
}

static void load_event(const StoreEvent *event, void *argument)
{
    Loading *loading = argument;
    loading->manager->last_event = event->id;
    event_log_load(loading->manager->events, event);
}

static int manager_open_store(Manager *manager, Fail *why)
{
    AUTO_FREE char *path = memory_format("%s/store.db", manager->config.state_directory);
    int result = directory_make(manager->config.state_directory, 0700);
    if (result)
        return fail_errno(why, FAIL_STORE, result, "The directory %s can't be made",
                          manager->config.state_directory);
    manager->store = store_open(manager->loop, path, why);
    if (!manager->store)
        return fail_to_errno(FAIL_STORE);
    Loading loading = {.manager = manager, .why = why};
    manager->inventory = inventory_new();
    manager->events = event_log_new(0);
    result = store_load(manager->store, load_entity, EVENTS_LOADED, load_event, &loading, why);
    if (!result && loading.failed)
        result = fail_to_errno(FAIL_STORE);
    return result;
}

// ---- certificates

static char *manager_host_name(const Manager *manager)
{
    char name[256] = "localhost";
    if (*manager->config.host_name)
        return memory_string(manager->config.host_name);
    gethostname(name, sizeof(name) - 1);
    return memory_string(name);
}

// The unit is how hosts tell the manager from each other: hosts never get one.
static int manager_issue(const Manager *manager, const char *host, const char *names,
                         CertificatePair *ret, Fail *why)
{
    return certificate_issue_unit(&manager->authority, manager->config.organization, MANAGER_UNIT,
                                  host, names, CERTIFICATE_DAYS, ret, why);
}

static int manager_make_tls(Manager *manager, Fail *why)
{
    manager->authority.certificate =
        memory_string(manager_setting(manager, "authority.certificate"));
    manager->authority.key = memory_string(manager_setting(manager, "authority.key"));
    manager->instance_id = memory_string(manager_setting(manager, "instance"));
    AUTO_FREE char *host = manager_host_name(manager);
    AUTO_FREE char *names =
        memory_format("%s,localhost,127.0.0.1,::1,%s", host, manager->config.certificate_names);
    // A fresh one at each start: the authority is what clients trust and it stays.
    int result = manager_issue(manager, host, names, &manager->certificate, why);
    if (result)
        return result;
    manager->server_tls = tls_context_new(false, manager->certificate.certificate,
                                          manager->certificate.key, NULL, false, why);
    manager->agent_tls =
        tls_context_new(true, manager->certificate.certificate, manager->certificate.key,
                        manager->authority.certificate, true, why);
    return manager->server_tls && manager->agent_tls ? 0 : fail_to_errno(FAIL_INTERNAL);
}

// ---- listening

static void manager_accepted(int fd, const char *peer, void *argument)
{
    Manager *manager = argument;
    http_server_adopt(manager->http, fd, manager->server_tls, peer);
}

static int manager_listen(Manager *manager, Fail *why)
{
    HttpLimits limits = http_default_limits;
    limits.connections_per_address = manager->config.connections_per_address;
    limits.stall_ms = manager->config.request_stall_seconds * 1000;
    manager->http = http_server_new(manager->loop, &limits, server_handle, manager);
    manager->listener = listener_new(manager->loop, manager->config.listen_address,
                                     manager->config.listen_port, manager_accepted, manager, why);
    return manager->listener ? 0 : fail_to_errno(FAIL_UNAVAILABLE);
}

// ---- housekeeping

static void manager_expire_sessions(Manager *manager)
{
    int64_t now = clock_wall_ms();
    Change *change = change_new(manager, NULL);
    INVENTORY_EACH(manager->inventory, KIND_SESSION, session)
        if (ENTITY_OBJECT(session, SessionToken)->expires.value < now)
            change_remove(change, session);
    INVENTORY_EACH(manager->inventory, KIND_ENROLMENT, token)
        if (ENTITY_OBJECT(token, EnrolmentToken)->expires.value < now)
            change_remove(change, token);
    change_commit(change, NULL, NULL);
}

static void manager_renew_certificate(Manager *manager)
{
    int64_t from = 0, until = 0, now = clock_wall_ms() / 1000;
    AUTO_FAIL why = {0};
    if (certificate_validity(manager->certificate.certificate, &from, &until, &why) ||
        now - from < (until - from) * 2 / 3)
        return;
    CertificatePair fresh = {0};
    AUTO_FREE char *host = manager_host_name(manager);
    AUTO_FREE char *names =
        memory_format("%s,localhost,127.0.0.1,::1,%s", host, manager->config.certificate_names);
    if (manager_issue(manager, host, names, &fresh, &why) ||
        tls_context_set_certificate(manager->server_tls, fresh.certificate, fresh.key, &why) ||
        tls_context_set_certificate(manager->agent_tls, fresh.certificate, fresh.key, &why)) {
        log_error("certificate.renew", LOG_NONE, "%s", why.message);
        certificate_pair_done(&fresh);
        return;
    }
    certificate_pair_done(&manager->certificate);
    manager->certificate = fresh;
    log_notice("certificate.renew", LOG_NONE, "The manager's certificate was renewed.");
}

static void manager_hourly(uv_timer_t *timer)
{
    Manager *manager = timer->data;
    store_expire_events(manager->store,
                        clock_wall_ms() - (int64_t)manager->config.event_days * 86400000);
    manager_expire_sessions(manager);
    manager_renew_certificate(manager);
}

// ---- start and stop

int manager_start(Manager *manager, Fail *why)
{
    int64_t begun = clock_monotonic_ms();
    manager->start_ms = begun;
    int result = manager_open_store(manager, why);
    if (!result)
        result = manager_bootstrap(manager, why);
    if (!result)
        result = manager_make_tls(manager, why);
    if (result)
        return result;
    manager->operations = operations_new(manager);
    manager_register_kinds(manager);
    manager->identity = identity_new(manager);
    manager->fleet = fleet_new(manager);
    manager->consoles = serial_consoles_new(manager);
    manager->transfers = transfers_new(manager, why);
    if (!manager->transfers || (result = manager_listen(manager, why)))
        return fail_to_errno(why->code);
    manager->control = control_new(manager, why);
    if (!manager->control)
        return fail_to_errno(why->code);
    fleet_start(manager->fleet);
    operations_resume(manager->operations);
    uv_timer_init(manager->loop, &manager->daily);
    manager->daily.data = manager;
    uv_timer_start(&manager->daily, manager_hourly, 60000, DAILY_MS);
    event_write(manager, NULL, EVENT_VDC_START, NULL);
    log_notice("manager.start", LOG_NONE,
               "Ready after %lld ms: port %d, %zu hosts, %zu VMs, %d operations under way.",
               (long long)(clock_monotonic_ms() - begun), listener_port(manager->listener),
               inventory_count(manager->inventory, KIND_HOST),
               inventory_count(manager->inventory, KIND_VM),
               operations_running(manager->operations));
    return 0;
}

static void manager_drained(void *argument)
{
    Manager *manager = argument;
    http_server_free(TAKE(manager->http));
    transfers_stop(TAKE(manager->transfers));
    operations_stop(manager->operations);
    fleet_stop(TAKE(manager->fleet));
    store_close(TAKE(manager->store));
}

static void manager_stop_durable(const Fail *why, void *argument)
{
    Manager *manager = argument;
    (void)why;
    operations_dismiss_waiters(manager->operations);
    http_server_stop(manager->http, STOP_GRACE_MS, manager_drained, manager);
}

void manager_stop(Manager *manager)
{
    if (manager->stopping)
        return;
    manager->stopping = true;
    log_notice("manager.stop", LOG_NONE, "Stopping; VMs keep running.");
    listener_close(TAKE(manager->listener));
    control_stop(TAKE(manager->control));
    serial_consoles_stop(TAKE(manager->consoles));
    uv_close((uv_handle_t *)&manager->daily, NULL);
    notify_stop(&manager->notify);
    uv_close((uv_handle_t *)&manager->sigint, NULL);
    uv_close((uv_handle_t *)&manager->sigterm, NULL);
    Change *change = change_new(manager, NULL);
    event_add(change, EVENT_VDC_STOP, NULL);
    change_commit(change, manager_stop_durable, manager);
}
