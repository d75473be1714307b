// Which host manages the storage of a data center, and how much space its domains have.
#include <stdlib.h>
#include <string.h>

#include "base/amount.h"
#include "base/clock.h"
#include "base/log.h"
#include "manager/events/event_log.h"
#include "manager/fleet/fleet.h"
#include "manager/operations/operation.h"
#include "manager/storage/pool.h"
#include "proto/vdsm.h"

enum {
    SPACE_EVERY_MS = 30000,
    SWEEP_EVERY_MS = 10000,
    ELECT_EVERY_MS = 3000,
    CONTEND_POLL_MS = 200,
    CONTEND_MS = 60000,
    HOST_IDS = 250,
};

void pool_set_manager(Entity *data_center, Entity *host)
{
    DataCenterState *state = data_center_state(data_center);
    if (state->spm == host)
        return;
    if (state->spm) {
        host_state(state->spm)->is_spm = false;
        entity_unref(state->spm);
    }
    state->spm = host ? entity_ref(host) : NULL;
    if (!host)
        return;
    host_state(host)->is_spm = true;
    host_state(host)->tasks_swept = false;
    memcpy(state->last_spm, host->id, UUID_SIZE);
}

void pool_host_lost(Manager *manager, Entity *host)
{
    INVENTORY_EACH(manager->inventory, KIND_DATA_CENTER, data_center)
        if (data_center_state(data_center)->spm == host)
            pool_set_manager(data_center, NULL);
}

// ---- electing

typedef struct Election {
    Manager *manager;
    Entity *host, *data_center; // references
    SpmTaskDone done;           // may be NULL
    void *argument;
    uv_timer_t timer;
    int64_t until_ms; // monotonic: contention begun elsewhere is watched for so long
} Election;

static void election_failed(Election *election, const Fail *why)
{
    AUTO_FREE char *text = fail_text(why);
    log_warn("storage.election", LOG_ID("data_center", election->data_center->id),
             "Host %s could not become the storage manager of %s: %s", entity_name(election->host),
             entity_name(election->data_center), text);
    data_center_state(election->data_center)->elect_at_ms = clock_monotonic_ms() + ELECT_EVERY_MS;
}

static void election_won(Election *election)
{
    pool_set_manager(election->data_center, election->host);
    data_center_state(election->data_center)->space_at_ms = 0;
    event_write(election->manager, NULL, EVENT_IRS_HOSTED_ON_VDS,
                &(EventFacts){.host = election->host, .data_center = election->data_center});
    operation_wake(election->manager, election->data_center->id);
}

static void election_closed(uv_handle_t *handle)
{
    Election *election = handle->data;
    entity_unref(election->host);
    entity_unref(election->data_center);
    free(election);
}

static void election_end(Election *election, const Fail *why)
{
    data_center_state(election->data_center)->connecting = false;
    if (fail_is_set(why))
        election_failed(election, why);
    else if (data_center_state(election->data_center)->spm != election->host)
        election_won(election);
    if (election->done)
        election->done(why, election->argument);
    uv_close((uv_handle_t *)&election->timer, election_closed);
}

static void election_task_done(const Fail *why, void *argument)
{
    election_end(argument, why);
}

static void election_call(Election *election, const char *method, HostReply reply)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    json_open(&writer, '{');
    json_add_string(&writer, "storagepoolID", election->data_center->id);
    if (strstr(method, "spmStart")) {
        json_add_integer(&writer, "prevID", -1);
        json_add_string(&writer, "prevLver", "-1");
        json_add_string(&writer, "enableScsiFencing", "false");
        json_add_integer(&writer, "maxHostID", HOST_IDS);
        json_add_string(&writer, "domVersion", "5");
    }
    json_close(&writer, '}');
    host_call_entity(election->manager, election->host, method, &params, POOL_CALL_MS, reply,
                     election);
}

static void election_ask(uv_timer_t *timer);

// The host became the manager, or is about to, by a call that nobody remembers: of this program
// before a crash, or one whose answer was lost.
static bool election_look_again(Election *election)
{
    if (clock_monotonic_ms() >= election->until_ms)
        return false;
    uv_timer_start(&election->timer, election_ask, CONTEND_POLL_MS, 0);
    return true;
}

static void election_started(const Json *result, const Fail *why, int code, void *argument)
{
    Election *election = argument;
    if (code == VDSM_IS_SPM && election_look_again(election))
        return;
    if (fail_is_set(why) || !json_string(result))
        election_end(election, why);
    else
        spm_task_wait(election->manager, election->host, json_string(result), election_task_done,
                      election);
}

static void election_status(const Json *result, const Fail *why, int code, void *argument)
{
    static const Fail good;
    Election *election = argument;
    const char *status = json_get_string(result, "spmStatus");
    (void)code;
    if (fail_is_set(why))
        election_end(election, why);
    else if (status && !strcmp(status, "SPM"))
        election_end(election, &good);
    else if (status && !strcmp(status, "Contend") && election_look_again(election))
        return;
    else
        election_call(election, "StoragePool.spmStart", election_started);
}

static void election_ask(uv_timer_t *timer)
{
    election_call(timer->data, "StoragePool.getSpmStatus", election_status);
}

static void election_connected(const Fail *why, void *argument)
{
    Election *election = argument;
    if (fail_is_set(why))
        election_end(election, why);
    else
        election_ask(&election->timer);
}

void pool_elect(Manager *manager, Entity *data_center, Entity *host, SpmTaskDone done,
                void *argument)
{
    Election *election = NEW(Election);
    *election = (Election){.manager = manager,
                           .host = entity_ref(host),
                           .data_center = entity_ref(data_center),
                           .done = done,
                           .argument = argument,
                           .until_ms = clock_monotonic_ms() + CONTEND_MS};
    uv_timer_init(manager->loop, &election->timer);
    election->timer.data = election;
    data_center_state(data_center)->connecting = true;
    // A host may have restarted and forgotten the pool.
    pool_connect_host(manager, host, election_connected, election);
}

// The host that managed it last and is about to come back still holds the lease.
static bool former_manager_returns(const Manager *manager, const DataCenterState *state,
                                   Entity **ret)
{
    Entity *last =
        *state->last_spm ? inventory_get(manager->inventory, KIND_HOST, state->last_spm) : NULL;
    *ret = NULL;
    if (!last)
        return false;
    ApiHostStatus status = host_state(last)->status;
    if (status == API_HOST_STATUS_UP)
        *ret = last;
    return status == API_HOST_STATUS_CONNECTING || status == API_HOST_STATUS_INITIALIZING ||
           status == API_HOST_STATUS_UNASSIGNED;
}

static void pool_look_for_manager(Manager *manager, Entity *data_center)
{
    const DataCenterState *state = data_center_state(data_center);
    Entity *master = pool_master(manager, data_center), *last;
    if (!master || ENTITY_OBJECT(master, StorageDomain)->wanted_active != API_TRUE ||
        former_manager_returns(manager, state, &last))
        return;
    Entity *host = last ? last : fleet_host_of_data_center(manager, data_center);
    if (host)
        pool_elect(manager, data_center, host, NULL, NULL);
}

void pool_need_manager(Manager *manager, Entity *data_center)
{
    const DataCenterState *state = data_center_state(data_center);
    if (!state->spm && !state->connecting && clock_monotonic_ms() >= state->elect_at_ms)
        pool_look_for_manager(manager, data_center);
}

// ---- space

typedef struct SpaceCall {
    Manager *manager;
    char domain[UUID_SIZE];
} SpaceCall;

static void warn_of_space(Manager *manager, Entity *domain)
{
    const ApiStorageDomain *object = ENTITY_OBJECT(domain, StorageDomain);
    StorageDomainState *state = storage_domain_state(domain);
    int64_t total = state->available + state->used;
    int64_t percent = total > 0 ? state->available * 100 / total : 100;
    bool low = percent < object->warning_low_space_indicator.value;
    if (low && !state->low_space) {
        AUTO_FREE char *left = amount_text(state->available);
        AUTO_FREE char *detail = memory_format("%s (%lld %%)", left, (long long)percent);
        event_write(manager, NULL, EVENT_IRS_DISK_SPACE_LOW,
                    &(EventFacts){.storage_domain = domain, .detail = detail});
    }
    state->low_space = low;
}

static void space_answered(const Json *result, const Fail *why, int code, void *argument)
{
    SpaceCall *call = argument;
    Entity *domain = inventory_get(call->manager->inventory, KIND_STORAGE_DOMAIN, call->domain);
    (void)code;
    if (domain && !fail_is_set(why)) {
        StorageDomainState *state = storage_domain_state(domain);
        int64_t total = json_get_integer(result, "disktotal", 0);
        state->available = json_get_integer(result, "diskfree", 0);
        state->used = total - state->available;
        state->code = 0;
        state->seen_ms = clock_monotonic_ms();
        warn_of_space(call->manager, domain);
    }
    free(call);
}

static void ask_space(Manager *manager, Entity *host, const Entity *domain)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    SpaceCall *call = NEW(SpaceCall);
    call->manager = manager;
    memcpy(call->domain, domain->id, UUID_SIZE);
    json_open(&writer, '{');
    json_add_string(&writer, "storagedomainID", domain->id);
    json_close(&writer, '}');
    host_call_entity(manager, host, "StorageDomain.getStats", &params, POOL_CALL_MS, space_answered,
                     call);
}

void pool_refresh_space(Manager *manager, Entity *data_center)
{
    AUTO_ARRAY domains = {0};
    DataCenterState *state = data_center_state(data_center);
    if (!state->spm)
        return;
    state->space_at_ms = clock_monotonic_ms() + SPACE_EVERY_MS;
    pool_domains(manager, data_center, &domains);
    for (size_t i = 0; i < domains.count; i++)
        if (ENTITY_OBJECT((Entity *)domains.items[i], StorageDomain)->wanted_active == API_TRUE)
            ask_space(manager, state->spm, domains.items[i]);
}

// ---- the tick

static void pool_tick(Manager *manager, Entity *data_center, int64_t now)
{
    DataCenterState *state = data_center_state(data_center);
    if (!operation_holding(manager, data_center->id))
        pool_need_manager(manager, data_center);
    if (state->spm && now >= state->space_at_ms)
        pool_refresh_space(manager, data_center);
    if (now < state->sweep_at_ms)
        return;
    state->sweep_at_ms = now + SWEEP_EVERY_MS;
    INVENTORY_EACH(manager->inventory, KIND_HOST, host)
        if (host_data_center(manager, host) == data_center && !host_state(host)->tasks_swept &&
            host_link_is_open(host_state(host)->link))
            spm_tasks_sweep(manager, host);
}

void pools_tick(Manager *manager)
{
    int64_t now = clock_monotonic_ms();
    INVENTORY_EACH(manager->inventory, KIND_DATA_CENTER, data_center)
        pool_tick(manager, data_center, now);
}
