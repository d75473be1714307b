// Verbs on storage servers and pools.
#include <stdlib.h>
#include <string.h>

#include "agent/storage/connection.h"
#include "agent/storage/verb_answer.h"
#include "agent/storage/volume_request.h"
#include "base/log.h"

typedef int ConnectionStep(Storage *storage, DomainType type, const Json *connection, Fail *why);

static int type_from_text(const char *text)
{
    return (int)domain_type_from_text(text);
}

// One bad connection does not keep the others from being made; each has its own status.
static int connect_each(Call *call, ConnectionStep *step, JsonWriter *writer)
{
    int good = 0;
    DomainType type = (DomainType)json_word(call_json(call, "domainType"), type_from_text);
    JSON_EACH(call_json(call, "connectionParams"), connection) {
        AUTO_FAIL why = {0};
        int error = step(call_storage(call), type, connection, &why);
        AUTO_FREE char *text = error ? fail_text(&why) : NULL;
        json_open(writer, '{');
        json_add_string(writer, "id", json_get_string(connection, "id"));
        json_add_integer(writer, "status", error);
        if (error) {
            json_add_string(writer, "message", text);
            log_warn("storage.connection", LOG_ID("connection", json_get_string(connection, "id")),
                     "%s: %s", call_method(call), text);
        }
        json_close(writer, '}');
        good += !error;
    }
    return good;
}

static void connect_answer(Call *call, ConnectionStep *step)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    json_open(&writer, '[');
    int good = connect_each(call, step, &writer);
    json_close(&writer, ']');
    if (good)
        storage_tasks_resume(call_storage(call));
    call_reply(call, &json);
}

void pool_connect_server(Call *call)
{
    connect_answer(call, storage_connect);
}

void pool_disconnect_server(Call *call)
{
    connect_answer(call, storage_disconnect);
}

static PoolRequest pool_request(Call *call)
{
    const char *name = call_string(call, "name");
    return (PoolRequest){
        .id = call_string(call, "storagepoolID"),
        .name = name ? name : "",
        .master = call_string(call, "masterSdUUID"),
        .master_version = (int)call_integer(call, "masterVersion", 0),
        .leases = {.renewal_s = (int)call_integer(call, "lockRenewalIntervalSec", 0),
                   .time_s = (int)call_integer(call, "leaseTimeSec", 0),
                   .io_timeout_s = (int)call_integer(call, "ioOpTimeoutSec", 0),
                   .retries = (int)call_integer(call, "leaseRetries", 0)},
    };
}

void pool_create(Call *call)
{
    AUTO_FAIL why = {0};
    PoolRequest request = pool_request(call);
    request.domains = call_json(call, "domainList");
    answer(call, storage_pool_create(call_storage(call), &request, &why), &why);
}

static const Json *domain_dict(Call *call)
{
    const Json *domains = call_json(call, "domainDict");
    return domains && domains->kind == JSON_OBJECT ? domains : NULL;
}

void pool_connect(Call *call)
{
    AUTO_FAIL why = {0};
    PoolRequest request = pool_request(call);
    request.domains = domain_dict(call);
    request.host_id = (int)call_integer(call, "hostID", 0);
    answer(call, storage_pool_connect(call_storage(call), &request, &why), &why);
}

void pool_disconnect(Call *call)
{
    AUTO_FAIL why = {0};
    answer(call,
           storage_pool_disconnect(call_storage(call), call_string(call, "storagepoolID"), &why),
           &why);
}

void pool_destroy(Call *call)
{
    AUTO_FAIL why = {0};
    answer(call,
           storage_pool_destroy(call_storage(call), call_string(call, "storagepoolID"),
                                (int)call_integer(call, "hostID", 0), &why),
           &why);
}

void pool_reconstruct_master(Call *call)
{
    AUTO_FAIL why = {0};
    PoolRequest request = pool_request(call);
    request.domains = domain_dict(call);
    request.host_id = (int)call_integer(call, "hostId", 0);
    answer(call, storage_pool_reconstruct(call_storage(call), &request, &why), &why);
}

void pool_refresh_verb(Call *call)
{
    if (call_require_pool(call, false))
        call_ok(call);
}

void pool_set_description(Call *call)
{
    AUTO_FAIL why = {0};
    answer(call,
           storage_pool_set_description(call_storage(call), call_string(call, "storagepoolID"),
                                        call_string(call, "description"), &why),
           &why);
}

void pool_switch_master(Call *call)
{
    answer_task(call, "switchMaster", true);
}

// ---- who manages it

void pool_spm_start(Call *call)
{
    PoolState state = storage_pool_state(call_storage(call));
    if (!call_require_pool(call, false))
        return;
    if (state.role != SPM_FREE)
        call_fail(call, VDSM_IS_SPM, "this host manages pool %s already", state.id);
    else
        answer_task(call, "spmStart", false);
}

void pool_spm_stop(Call *call)
{
    AUTO_FAIL why = {0};
    answer(call,
           storage_pool_spm_stop(call_storage(call), call_string(call, "storagepoolID"), &why),
           &why);
}

void pool_get_spm_status(Call *call)
{
    static const char *const roles[] = {"Free", "Contend", "SPM"};
    AUTO_FAIL why = {0};
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    SpmStatus status = {0};
    int error = storage_pool_spm_status(call_storage(call), call_string(call, "storagepoolID"),
                                        &status, &why);
    json_open(&writer, '{');
    json_add_string(&writer, "spmStatus", roles[status.role]);
    json_add_integer(&writer, "spmLver", status.lver);
    json_add_integer(&writer, "spmId", status.id);
    json_close(&writer, '}');
    answer_json(call, error, &why, &json);
}

// ---- what it is

static void domain_info_write(Storage *storage, const PoolDomain *entry, JsonWriter *writer)
{
    DomainHealth health;
    bool watched = entry->active && domain_monitor_get(&storage->monitors, entry->id, &health);
    json_key(writer, entry->id);
    json_open(writer, '{');
    json_add_string(writer, "status", entry->active ? "Active" : "Attached");
    json_key(writer, "alerts");
    json_open(writer, '[');
    json_close(writer, ']');
    json_add_string(writer, "isoprefix", "");
    if (watched) {
        json_add_integer(writer, "version", health.version);
        if (health.total >= 0) {
            json_add_format(writer, "disktotal", "%lld", (long long)health.total);
            json_add_format(writer, "diskfree", "%lld", (long long)health.free);
        }
    }
    json_close(writer, '}');
}

static void pool_info_write(const PoolState *state, const StorageDomain *master,
                            const SpmStatus *status, JsonWriter *writer)
{
    const char *name = domain_metadata_get(&master->metadata, "POOL_DESCRIPTION");
    AUTO_FREE char *domains = pool_domains_text(state);
    json_key(writer, "info");
    json_open(writer, '{');
    json_add_string(writer, "domains", domains);
    json_add_string(writer, "isoprefix", "");
    json_add_integer(writer, "lver", status->lver);
    json_add_string(writer, "master_uuid", state->master);
    json_add_integer(writer, "master_ver", state->master_version);
    json_add_string(writer, "name", name && *name ? name : "No Description");
    json_add_string(writer, "pool_status", "connected");
    json_add_integer(writer, "spm_id", status->id);
    json_add_string(writer, "type", domain_type_name(master->type));
    json_add_format(writer, "version", "%d", master->version);
    json_close(writer, '}');
}

void pool_get_info(Call *call)
{
    AUTO_FAIL why = {0};
    AUTO_STRBUF json = {0};
    AUTO_DOMAIN master = {0};
    JsonWriter writer = {.out = &json};
    SpmStatus status = {0};
    Storage *storage = call_storage(call);
    if (!call_require_pool(call, false))
        return;
    PoolState state = storage_pool_state(storage);
    int error = storage_domain_open(storage, state.master, &master, &why);
    if (error)
        error = VDSM_POOL_MASTER_NOT_FOUND;
    else
        error = storage_pool_spm_status(storage, state.id, &status, &why);
    json_open(&writer, '{');
    if (!error)
        pool_info_write(&state, &master, &status, &writer);
    json_key(&writer, "dominfo");
    json_open(&writer, '{');
    for (int i = 0; i < state.domain_count; i++)
        domain_info_write(storage, &state.domains[i], &writer);
    json_close(&writer, '}');
    json_close(&writer, '}');
    answer_json(call, error, &why, &json);
}

void host_get_connected_pools(Call *call)
{
    AUTO_ARRAY pools = {0};
    PoolState state = storage_pool_state(call_storage(call));
    if (state.connected)
        array_add(&pools, memory_string(state.id));
    answer_list(call, 0, NULL, &pools);
}
