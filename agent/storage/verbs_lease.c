// Verbs on the leases of virtual machines.
#include "agent/storage/external_lease.h"
#include "agent/storage/verb_answer.h"

typedef struct LeasePlace {
    const char *domain, *id;
} LeasePlace;

// False after it has answered.
static bool call_lease(Call *call, LeasePlace *ret)
{
    const Json *lease = call_json(call, "lease");
    *ret = (LeasePlace){json_get_string(lease, "sd_id"), json_get_string(lease, "lease_id")};
    if (uuid_valid(ret->domain) && uuid_valid(ret->id))
        return true;
    call_fail(call, VDSM_INVALID_PARAMETER_EXCEPTION, "a lease has the UUIDs sd_id and lease_id");
    return false;
}

static void lease_task(Call *call, const char *verb)
{
    AUTO_FAIL why = {0};
    LeasePlace place;
    char id[UUID_SIZE];
    PoolState state = storage_pool_state(call_storage(call));
    if (!call_lease(call, &place))
        return;
    int error = storage_pool_require(call_storage(call), state.id, true, &why);
    if (!error)
        error = storage_task_add(call_storage(call), verb, call_params(call), id, &why);
    if (error)
        call_fail_why(call, (VdsmError)error, &why);
    else
        call_reply_string(call, id);
}

void lease_create(Call *call)
{
    lease_task(call, "create_lease");
}

void lease_delete(Call *call)
{
    lease_task(call, "delete_lease");
}

void lease_info(Call *call)
{
    AUTO_FAIL why = {0};
    AUTO_DOMAIN domain = {0};
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    ExternalLease lease = {0};
    LeasePlace place;
    if (!call_lease(call, &place))
        return;
    int error = storage_domain_open(call_storage(call), place.domain, &domain, &why);
    if (!error)
        error = external_lease_find(call_storage(call), &domain, place.id, &lease, &why);
    json_open(&writer, '{');
    json_add_string(&writer, "sd_id", place.domain);
    json_add_string(&writer, "lease_id", place.id);
    json_add_string(&writer, "path", lease.path);
    json_add_integer(&writer, "offset", lease.offset);
    json_close(&writer, '}');
    external_lease_done(&lease);
    answer_json(call, error, &why, &json);
}

void lease_status(Call *call)
{
    AUTO_FAIL why = {0};
    AUTO_DOMAIN domain = {0};
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    LeaseLeader leader = {0};
    LeasePlace place;
    if (!call_lease(call, &place))
        return;
    int error = storage_domain_open(call_storage(call), place.domain, &domain, &why);
    if (!error)
        error = external_lease_read(call_storage(call), &domain, place.id, &leader, &why);
    json_open(&writer, '{');
    json_key(&writer, "owners");
    json_open(&writer, '[');
    if (leader.timestamp && leader.owner)
        json_put_integer(&writer, (int64_t)leader.owner);
    json_close(&writer, ']');
    json_add_integer(&writer, "version", (int64_t)leader.version);
    json_close(&writer, '}');
    answer_json(call, error, &why, &json);
}
