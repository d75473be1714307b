// Domains of a pool: in and out, on and off, and which is the master.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "agent/storage/pool_internal.h"
#include "agent/storage/storage_owner.h"
#include "base/file.h"
#include "base/log.h"
#include "base/spawn.h"

enum { COPY_MS = 120000 };

// ---- changes of metadata

typedef struct PoolKeys {
    const PoolRequest *request;
    const PoolState *domains;
    const DomainMetadata *leases_of; // copied from there when given
} PoolKeys;

static int make_master(StorageDomain *domain, const void *argument, Fail *why)
{
    static const char *const lease_keys[] = {"LOCKRENEWALINTERVALSEC", "LEASETIMESEC",
                                             "IOOPTIMEOUTSEC", "LEASERETRIES"};
    const PoolKeys *keys = argument;
    DomainMetadata *metadata = &domain->metadata;
    AUTO_FREE char *domains = pool_domains_text(keys->domains);
    char pool[UUID_SIZE];
    if (storage_domain_pool(domain, pool) && strcasecmp(pool, keys->request->id))
        return storage_fail(why, VDSM_DOMAIN_ALREADY_ATTACHED, "Domain %s is in pool %s",
                            domain->id, pool);
    if (keys->leases_of)
        for (size_t i = 0; i < COUNT_OF(lease_keys); i++) {
            const char *value = domain_metadata_get(keys->leases_of, lease_keys[i]);
            domain_metadata_set(metadata, lease_keys[i], value ? value : "");
        }
    else
        pool_leases_set(metadata, &keys->request->leases);
    domain_metadata_set_number(metadata, "MASTER_VERSION", keys->request->master_version);
    domain_metadata_set(metadata, "POOL_DESCRIPTION", keys->request->name);
    domain_metadata_set(metadata, "POOL_DOMAINS", domains);
    domain_metadata_set_number(metadata, "POOL_SPM_ID", SPM_ID_FREE);
    domain_metadata_set_number(metadata, "POOL_SPM_LVER", LVER_INVALID);
    domain_metadata_set(metadata, "POOL_UUID", keys->request->id);
    domain_metadata_set(metadata, "ROLE", "Master");
    return 0;
}

static int make_regular(StorageDomain *domain, const void *argument, Fail *why)
{
    (void)argument;
    (void)why;
    domain_metadata_set(&domain->metadata, "ROLE", "Regular");
    return 0;
}

static int enter_pool(StorageDomain *domain, const void *argument, Fail *why)
{
    char pool[UUID_SIZE];
    if (domain->class != DOMAIN_ISO && storage_domain_pool(domain, pool) &&
        strcasecmp(pool, argument)) {
        storage_fail(why, VDSM_DOMAIN_ALREADY_ATTACHED, "Domain %s is in pool %s", domain->id,
                     pool);
        fail_hint(why, "Detach it there, or detach it by force.");
        return VDSM_DOMAIN_ALREADY_ATTACHED;
    }
    storage_domain_add_pool(domain, argument);
    return 0;
}

static int leave_pool(StorageDomain *domain, const void *argument, Fail *why)
{
    (void)why;
    storage_domain_remove_pool(domain, argument);
    domain_metadata_set(&domain->metadata, "ROLE", "Regular");
    return 0;
}

static int leave_all_pools(StorageDomain *domain, const void *argument, Fail *why)
{
    (void)argument;
    (void)why;
    domain_metadata_set(&domain->metadata, "POOL_UUID", "");
    domain_metadata_set(&domain->metadata, "ROLE", "Regular");
    return 0;
}

static int set_pool_domains(StorageDomain *domain, const void *argument, Fail *why)
{
    (void)why;
    domain_metadata_set(&domain->metadata, "POOL_DOMAINS", argument);
    return 0;
}

static int set_pool_name(StorageDomain *domain, const void *argument, Fail *why)
{
    (void)why;
    domain_metadata_set(&domain->metadata, "POOL_DESCRIPTION", argument);
    return 0;
}

// In memory, in the file, and in the master where the domains are read from there.
static int state_changed(Storage *storage, const PoolState *state, Fail *why)
{
    AUTO_FREE char *domains = pool_domains_text(state);
    int error =
        state->told ? 0 : domain_change(storage, state->master, set_pool_domains, domains, why);
    if (error)
        return error;
    pool_state_set(storage, state);
    pool_refresh(storage, state);
    return 0;
}

// ---- creating

static int request_check(const PoolRequest *request, Fail *why)
{
    size_t length = strlen(request->name);
    if (!uuid_valid(request->master))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION, "The master has no valid id");
    if (length > POOL_NAME_MAX * 4 || !domain_metadata_fits(request->name))
        return storage_fail(why, VDSM_POOL_DESCRIPTION_TOO_LONG,
                            "The name of pool %s is too long or has line breaks", request->id);
    if (request->master_version < 0)
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION, "%d is no version of a master",
                            request->master_version);
    return 0;
}

static int create_check_domain(Storage *storage, const char *id, int version, Fail *why)
{
    AUTO_DOMAIN domain = {0};
    char pool[UUID_SIZE];
    int error = storage_domain_open(storage, id, &domain, why);
    if (error)
        return error;
    if (domain.class != DOMAIN_ISO && storage_domain_pool(&domain, pool))
        return storage_fail(why, VDSM_DOMAIN_ALREADY_ATTACHED, "Domain %s is in pool %s", id, pool);
    if (domain.class == DOMAIN_DATA && version && domain.version != version)
        return storage_fail(why, VDSM_MIXED_VERSIONS, "Domain %s has version %d, the master has %d",
                            id, domain.version, version);
    return 0;
}

static int create_collect(Storage *storage, const PoolRequest *request, PoolState *state, Fail *why)
{
    AUTO_DOMAIN master = {0};
    int error = storage_domain_open(storage, request->master, &master, why);
    if (error)
        return error;
    if (master.class != DOMAIN_DATA)
        return storage_fail(why,
                            master.class == DOMAIN_ISO ? VDSM_ISO_AS_MASTER : VDSM_BACKUP_AS_MASTER,
                            "Domain %s has class %s and can't be the master", master.id,
                            domain_class_name(master.class));
    JSON_EACH(request->domains, entry) {
        const char *id = json_string(entry);
        if (!uuid_valid(id))
            return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION, "A domain has no valid id");
        if ((error = create_check_domain(storage, id, master.version, why)))
            return error;
        pool_state_put(state, id, !strcasecmp(id, request->master));
    }
    if (!pool_state_find(state, request->master))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "The master %s is not among the domains of pool %s", request->master,
                            request->id);
    return pool_lease_check(storage, &master, HOST_ID_MAX, why);
}

static int create_locked(Storage *storage, const PoolRequest *request, Fail *why)
{
    PoolState state = {0};
    PoolKeys keys = {.request = request, .domains = &state};
    int done = 0;
    int error = create_collect(storage, request, &state, why);
    if (error)
        return error;
    // The master last: without it there is no pool, and the others are let go again.
    for (; !error && done < state.domain_count; done++)
        if (!state.domains[done].active)
            error = domain_change(storage, state.domains[done].id, enter_pool, request->id, why);
    if (!error)
        error = domain_change(storage, request->master, make_master, &keys, why);
    for (int i = 0; error && i < done; i++)
        if (!state.domains[i].active)
            domain_change(storage, state.domains[i].id, leave_pool, request->id, NULL);
    return error;
}

static int reconstruct_locked(Storage *storage, const PoolRequest *request, Fail *why)
{
    AUTO_DOMAIN master = {0};
    PoolState state = {0};
    PoolKeys keys = {.request = request, .domains = &state};
    int error = storage_domain_open(storage, request->master, &master, why);
    if (!error)
        error = pool_lease_check(storage, &master, request->host_id, why);
    if (error)
        return error;
    JSON_EACH(request->domains, entry) {
        bool active = false;
        if (!uuid_valid(entry->key) || !pool_status_parse(json_string(entry), &active))
            return storage_fail(why, VDSM_DOMAIN_STATUS, "Domain %s has an unknown status",
                                entry->key);
        pool_state_put(&state, entry->key, active);
    }
    if (!pool_state_find(&state, request->master))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "The master %s is not among the domains of pool %s", request->master,
                            request->id);
    return domain_change(storage, request->master, make_master, &keys, why);
}

// What is done to a pool as a whole is done by a host that is not connected to it: `connected` is the
// error of one that is.
static int pool_act(Storage *storage, const PoolRequest *request, int connected, const char *doing,
                    int (*act)(Storage *storage, const PoolRequest *request, Fail *why), Fail *why)
{
    LockHolder *holder;
    PoolState now = storage_pool_state(storage);
    int error = request_check(request, why);
    if (error)
        return error;
    if (now.connected && !strcasecmp(now.id, request->id))
        return storage_fail(why, connected, "This host is connected to pool %s", now.id);
    error = storage_pool_lock(storage, request->id, doing, &holder, why);
    if (error)
        return error;
    error = act(storage, request, why);
    storage_unlock(&storage->locks, holder);
    return error;
}

int storage_pool_create(Storage *storage, const PoolRequest *request, Fail *why)
{
    return pool_act(storage, request, VDSM_POOL_EXISTS, "creation of a pool", create_locked, why);
}

int storage_pool_reconstruct(Storage *storage, const PoolRequest *request, Fail *why)
{
    return pool_act(storage, request, VDSM_POOL_CONNECTED, "choice of a new master",
                    reconstruct_locked, why);
}

int storage_pool_set_description(Storage *storage, const char *pool, const char *text, Fail *why)
{
    int error = storage_pool_require(storage, pool, true, why);
    if (error)
        return error;
    if (strlen(text) > POOL_NAME_MAX * 4 || !domain_metadata_fits(text))
        return storage_fail(why, VDSM_POOL_DESCRIPTION_TOO_LONG,
                            "The name of pool %s is too long or has line breaks", pool);
    PoolState state = storage_pool_state(storage);
    return domain_change(storage, state.master, set_pool_name, text, why);
}

// ---- in and out

typedef int PoolStep(Storage *storage, PoolState *state, const char *domain, Fail *why);

// The step gets a copy of the state to change.
static int pool_step(Storage *storage, const char *pool, const char *domain, const char *what,
                     PoolStep *step, Fail *why)
{
    LockHolder *holder;
    int error = storage_pool_require(storage, pool, true, why);
    if (!error)
        error = storage_pool_lock(storage, pool, what, &holder, why);
    if (error)
        return error;
    PoolState state = storage_pool_state(storage);
    error = step(storage, &state, domain, why);
    if (!error)
        error = state_changed(storage, &state, why);
    storage_unlock(&storage->locks, holder);
    return error;
}

static int require_member(const PoolState *state, const char *domain, Fail *why)
{
    if (pool_state_find(state, domain))
        return 0;
    return storage_fail(why, VDSM_DOMAIN_NOT_MEMBER, "Domain %s is not in pool %s", domain,
                        state->id);
}

static int attach_step(Storage *storage, PoolState *state, const char *id, Fail *why)
{
    AUTO_DOMAIN domain = {0}, master = {0};
    int error = storage_domain_open(storage, id, &domain, why);
    if (error)
        return error;
    if (pool_state_find(state, id) && storage_domain_in_pool(&domain, state->id))
        return 0;
    if (state->domain_count == POOL_DOMAINS_MAX)
        return storage_fail(why, VDSM_TOO_MANY_DOMAINS, "Pool %s has %d domains already", state->id,
                            POOL_DOMAINS_MAX);
    if ((error = storage_domain_open(storage, state->master, &master, why)))
        return error;
    if (domain.class == DOMAIN_DATA && domain.version > master.version)
        return storage_fail(why, VDSM_MIXED_VERSIONS, "Domain %s has version %d, the master has %d",
                            id, domain.version, master.version);
    if ((error = pool_lease_check(storage, &domain, state->host_id, why)) ||
        (error = domain_change(storage, id, enter_pool, state->id, why)))
        return error;
    pool_state_put(state, id, false);
    return 0;
}

int storage_pool_attach(Storage *storage, const char *pool, const char *domain, Fail *why)
{
    return pool_step(storage, pool, domain, "attachment of a domain", attach_step, why);
}

static int detach_step(Storage *storage, PoolState *state, const char *id, Fail *why)
{
    AUTO_DOMAIN domain = {0};
    int error = require_member(state, id, why);
    if (error)
        return error;
    if (!strcasecmp(id, state->master))
        return storage_fail(why, VDSM_CANNOT_DETACH_MASTER, "Domain %s is the master of pool %s",
                            id, state->id);
    if (pool_state_find(state, id)->active)
        return storage_fail(why, VDSM_DOMAIN_ILLEGAL_STATE, "Domain %s is active in pool %s", id,
                            state->id);
    if ((error = storage_domain_open(storage, id, &domain, why)))
        return error;
    if (!storage_domain_in_pool(&domain, state->id))
        return storage_fail(why, VDSM_DOMAIN_NOT_IN_POOL,
                            "The metadata of domain %s names no pool %s", id, state->id);
    if ((error = domain_change(storage, id, leave_pool, state->id, why)))
        return error;
    pool_state_drop(state, id);
    return 0;
}

int storage_pool_detach(Storage *storage, const char *pool, const char *domain, Fail *why)
{
    return pool_step(storage, pool, domain, "detachment of a domain", detach_step, why);
}

static int detach_force_step(Storage *storage, PoolState *state, const char *id, Fail *why)
{
    (void)storage;
    if (!strcasecmp(id, state->master))
        return storage_fail(why, VDSM_CANNOT_DETACH_MASTER, "Domain %s is the master of pool %s",
                            id, state->id);
    pool_state_drop(state, id);
    return 0;
}

int storage_pool_detach_force(Storage *storage, const char *pool, const char *domain, Fail *why)
{
    if (uuid_is_zero(pool))
        return domain_change(storage, domain, leave_all_pools, NULL, why);
    return pool_step(storage, pool, domain, "detachment of a domain", detach_force_step, why);
}

// ---- on and off

static int activate_step(Storage *storage, PoolState *state, const char *id, Fail *why)
{
    AUTO_DOMAIN domain = {0};
    int error = require_member(state, id, why);
    if (!error)
        error = storage_domain_open(storage, id, &domain, why);
    if (error)
        return error;
    if (!storage_domain_in_pool(&domain, state->id))
        return storage_fail(why, VDSM_DOMAIN_NOT_IN_POOL,
                            "The metadata of domain %s names no pool %s", id, state->id);
    // It was a master once, and was away when another became it.
    if (storage_domain_is_master(&domain) && strcasecmp(id, state->master) &&
        (error = domain_change(storage, id, make_regular, NULL, why)))
        return error;
    pool_state_put(state, id, true);
    return 0;
}

int storage_pool_activate(Storage *storage, const char *pool, const char *domain, Fail *why)
{
    int error = pool_step(storage, pool, domain, "activation of a domain", activate_step, why);
    if (!error)
        pool_collect_garbage(storage, domain);
    return error;
}

static int deactivate_step(Storage *storage, PoolState *state, const char *id, Fail *why)
{
    (void)storage;
    int error = require_member(state, id, why);
    if (error)
        return error;
    if (!strcasecmp(id, state->master)) {
        // As old hosts did: the master goes only for another.
        log_info("storage.master", LOG_ID("domain", id), "The master stays active.");
        return 0;
    }
    pool_state_put(state, id, false);
    return 0;
}

static int deactivate_master(Storage *storage, const char *pool, const char *domain,
                             const char *new_master, int version, Fail *why)
{
    LockHolder *holder;
    int error = storage_pool_lock(storage, pool, "change of the master", &holder, why);
    if (error)
        return error;
    error = storage_pool_migrate_master(storage, domain, new_master, version, why);
    storage_unlock(&storage->locks, holder);
    return error;
}

int storage_pool_deactivate(Storage *storage, const char *pool, const char *domain,
                            const char *new_master, int master_version, Fail *why)
{
    int error = storage_pool_require(storage, pool, true, why);
    if (error)
        return error;
    PoolState state = storage_pool_state(storage);
    bool other = new_master && *new_master && !uuid_is_zero(new_master);
    if (other && !strcasecmp(domain, state.master) && strcasecmp(domain, new_master) &&
        (error = deactivate_master(storage, pool, domain, new_master, master_version, why)))
        return error;
    return pool_step(storage, pool, domain, "deactivation of a domain", deactivate_step, why);
}

// ---- another master

static int master_copy(Storage *storage, const StorageDomain *from, const StorageDomain *to,
                       Fail *why)
{
    AUTO_ARRAY words = {0};
    OwnerWords owner;
    AUTO_FREE char *source = memory_format("%s/master/.", from->path);
    AUTO_FREE char *target = memory_format("%s/master", to->path);
    {
        AS_OWNER(&storage->owner);
        int result = directory_remove(target);
        if (!result)
            result = directory_make(target, 0755);
        if (result)
            return storage_errno(why, VDSM_MASTER_COPY, result, "%s can't be made anew", target);
        if (!file_exists(source))
            return 0;
    }
    storage_owner_prefix(&storage->owner, &owner, &words);
    const char *const copy[] = {"cp", "-rT", "--preserve=mode", source, target, NULL};
    for (size_t i = 0; i < COUNT_OF(copy); i++)
        array_add(&words, (void *)copy[i]);
    if (!spawn_run((const char *const *)words.items, NULL, COPY_MS, NULL, why))
        return 0;
    fail_prefix(why, "The master's files can't be copied to domain %s: ", to->id);
    return VDSM_MASTER_COPY;
}

static int migrate_check(const PoolState *state, const char *from, const char *to, int version,
                         Fail *why)
{
    const PoolDomain *entry = pool_state_find(state, to);
    if (strcasecmp(state->master, from))
        return storage_fail(why, VDSM_POOL_WRONG_MASTER, "Domain %s is not the master of pool %s",
                            from, state->id);
    if (version <= state->master_version)
        return storage_fail(why, VDSM_POOL_WRONG_MASTER,
                            "The new version %d of the master is not above %d", version,
                            state->master_version);
    if (!entry)
        return storage_fail(why, VDSM_DOMAIN_NOT_IN_POOL, "Domain %s is not in pool %s", to,
                            state->id);
    if (!entry->active)
        return storage_fail(why, VDSM_DOMAIN_NOT_ACTIVE, "Domain %s is not active", to);
    return 0;
}

int storage_pool_migrate_master(Storage *storage, const char *from, const char *to, int version,
                                Fail *why)
{
    AUTO_DOMAIN old = {0}, new = {0};
    PoolState state = storage_pool_state(storage);
    int error = migrate_check(&state, from, to, version, why);
    if (!error)
        error = storage_domain_open(storage, from, &old, why);
    if (!error)
        error = storage_domain_open(storage, to, &new, why);
    if (!error)
        error = pool_lease_check(storage, &new, state.host_id, why);
    if (!error)
        error = master_copy(storage, &old, &new, why);
    if (error)
        return error;
    const char *name = domain_metadata_get(&old.metadata, "POOL_DESCRIPTION");
    PoolRequest request = {
        .id = state.id, .name = name ? name : "", .master = to, .master_version = version};
    PoolKeys keys = {.request = &request, .domains = &state, .leases_of = &old.metadata};
    if ((error = domain_change(storage, to, make_master, &keys, why)))
        return error;
    // From here on there is a new master, whatever becomes of the old one.
    snprintf(state.master, sizeof(state.master), "%s", new.id);
    state.master_version = version;
    pool_state_set(storage, &state);
    pool_refresh(storage, &state);
    AUTO_FAIL own = {0};
    if (domain_change(storage, from, make_regular, NULL, &own)) {
        AUTO_FREE char *text = fail_text(&own);
        log_warn("storage.master", LOG_ID("domain", from), "The old master stays marked: %s", text);
    }
    return 0;
}
