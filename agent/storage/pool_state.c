// The pool's state: in memory, in its file, as links and monitors.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "agent/storage/pool_internal.h"
#include "agent/storage/storage_link.h"
#include "base/file.h"
#include "base/log.h"

enum { STATE_FILE_MAX = 256 * 1024 };

static char *state_path(Storage *storage)
{
    return memory_format("%s/pool.json", storage->state);
}

void storage_pool_init(Storage *storage)
{
    uv_mutex_init(&storage->pool.mutex);
}

void storage_pool_done(Storage *storage)
{
    uv_mutex_destroy(&storage->pool.mutex);
}

PoolState storage_pool_state(Storage *storage)
{
    uv_mutex_lock(&storage->pool.mutex);
    PoolState state = storage->pool.state;
    uv_mutex_unlock(&storage->pool.mutex);
    return state;
}

const PoolDomain *pool_state_find(const PoolState *state, const char *domain)
{
    for (int i = 0; i < state->domain_count; i++)
        if (!strcasecmp(state->domains[i].id, domain))
            return &state->domains[i];
    return NULL;
}

void pool_state_put(PoolState *state, const char *domain, bool active)
{
    PoolDomain *found = (PoolDomain *)pool_state_find(state, domain);
    if (!found && state->domain_count < POOL_DOMAINS_MAX) {
        found = &state->domains[state->domain_count++];
        snprintf(found->id, sizeof(found->id), "%s", domain);
        uuid_lower(found->id);
    }
    if (found)
        found->active = active;
}

void pool_state_drop(PoolState *state, const char *domain)
{
    PoolDomain *found = (PoolDomain *)pool_state_find(state, domain);
    if (found)
        *found = state->domains[--state->domain_count];
}

bool pool_status_parse(const char *status, bool *ret_active)
{
    bool active = status && !strcasecmp(status, "active");
    if (!active && (!status || (strcasecmp(status, "attached") && strcasecmp(status, "inactive") &&
                                strcasecmp(status, "unknown"))))
        return false;
    *ret_active = active;
    return true;
}

static int domain_order(const void *one, const void *other)
{
    return strcmp(((const PoolDomain *)one)->id, ((const PoolDomain *)other)->id);
}

char *pool_domains_text(const PoolState *state)
{
    AUTO_STRBUF text = {0};
    PoolState sorted = *state;
    qsort(sorted.domains, (size_t)sorted.domain_count, sizeof(PoolDomain), domain_order);
    for (int i = 0; i < sorted.domain_count; i++)
        strbuf_addf(&text, "%s%s:%s", i ? "," : "", sorted.domains[i].id,
                    sorted.domains[i].active ? "Active" : "Attached");
    return strbuf_take(&text);
}

// ---- the file

static char *boot_id(void)
{
    char *id = NULL;
    if (file_read("/proc/sys/kernel/random/boot_id", 4096, &id, NULL))
        return memory_string("");
    id[strcspn(id, "\n")] = 0;
    return id;
}

static void state_write(const PoolState *state, StrBuf *out)
{
    AUTO_FREE char *boot = boot_id();
    AUTO_FREE char *domains = pool_domains_text(state);
    JsonWriter writer = {.out = out};
    json_open(&writer, '{');
    json_add_string(&writer, "boot", boot);
    json_add_string(&writer, "pool", state->id);
    json_add_integer(&writer, "host_id", state->host_id);
    json_add_string(&writer, "master", state->master);
    json_add_integer(&writer, "master_version", state->master_version);
    json_add_bool(&writer, "told", state->told);
    json_add_string(&writer, "domains", domains);
    json_add_bool(&writer, "spm", state->role == SPM_ACQUIRED);
    json_add_integer(&writer, "lver", state->lver);
    json_close(&writer, '}');
    strbuf_addc(out, '\n');
}

void pool_state_set(Storage *storage, const PoolState *state)
{
    AUTO_FREE char *path = state_path(storage);
    AUTO_STRBUF text = {0};
    uv_mutex_lock(&storage->pool.mutex);
    storage->pool.state = *state;
    uv_mutex_unlock(&storage->pool.mutex);
    state_write(state, &text);
    int result = state->connected ? file_write_atomic(path, text.data, text.length, 0600)
                 : unlink(path) && errno != ENOENT ? -errno
                                                   : 0;
    if (result)
        log_error("storage.state", LOG_NONE,
                  "%s can't be written (%s): after a restart this host will not know its pool.",
                  path, strerror(-result));
}

void pool_domains_parse(PoolState *state, const char *text)
{
    AUTO_FREE char *copy = memory_string(text ? text : "");
    char *rest = copy;
    for (char *one; (one = strsep(&rest, ","));) {
        char *colon = strchr(one, ':');
        bool active = false;
        if (!colon)
            continue;
        *colon = 0;
        if (uuid_valid(one) && pool_status_parse(colon + 1, &active))
            pool_state_put(state, one, active);
    }
}

static bool state_parse(const char *text, PoolState *ret)
{
    AUTO_ARENA arena = {0};
    const char *error;
    size_t offset;
    AUTO_FREE char *boot = boot_id();
    arena_init(&arena, 4096);
    const Json *json = json_parse(&arena, text, strlen(text), &error, &offset);
    const char *id = json_get_string(json, "pool"), *master = json_get_string(json, "master");
    const char *written = json_get_string(json, "boot");
    if (!uuid_valid(id) || !uuid_valid(master) || !written || strcmp(written, boot))
        return false;
    *ret = (PoolState){
        .connected = true,
        .host_id = (int)json_get_integer(json, "host_id", 0),
        .master_version = (int)json_get_integer(json, "master_version", 0),
        .told = json_get_bool(json, "told", true),
        .role = json_get_bool(json, "spm", false) ? SPM_ACQUIRED : SPM_FREE,
        .lver = json_get_integer(json, "lver", LVER_INVALID),
    };
    memcpy(ret->id, id, UUID_SIZE);
    memcpy(ret->master, master, UUID_SIZE);
    pool_domains_parse(ret, json_get_string(json, "domains"));
    return true;
}

void storage_pool_recover(Storage *storage)
{
    AUTO_FREE char *path = state_path(storage);
    AUTO_FREE char *text = NULL;
    PoolState state;
    if (file_read(path, STATE_FILE_MAX, &text, NULL))
        return;
    if (!state_parse(text, &state)) {
        unlink(path);
        return;
    }
    uv_mutex_lock(&storage->pool.mutex);
    storage->pool.state = state;
    uv_mutex_unlock(&storage->pool.mutex);
    log_notice("storage.pool", LOG_ID("pool", state.id),
               "Connected to the storage pool %s again%s.", state.id,
               state.role == SPM_ACQUIRED ? ", as its manager" : "");
    for (int i = 0; i < state.domain_count; i++)
        if (state.domains[i].active)
            domain_monitor_start(&storage->monitors, state.domains[i].id, true);
}

// ---- links and monitors

static char *pool_path(Storage *storage, const char *pool)
{
    return memory_format("%s/%s", storage->repository, pool);
}

static void link_domain(Storage *storage, const PoolState *state, const char *domain,
                        const char *mount)
{
    AUTO_FREE char *directory = pool_path(storage, state->id);
    AUTO_FREE char *link = memory_format("%s/%s", directory, domain);
    AUTO_FREE char *master = memory_format("%s/" MASTER_LINK, directory);
    AUTO_FREE char *target = memory_format("%s/%s", mount, domain);
    int result = directory_make(directory, 0755);
    if (!result)
        result = link_point(link, target);
    if (!result && !strcmp(domain, state->master))
        result = link_point(master, target);
    if (result)
        log_warn("storage.link", LOG_ID("domain", domain), "%s can't be made: %s.", link,
                 strerror(-result));
}

void storage_pool_link_domain(Storage *storage, const char *domain)
{
    PoolState state = storage_pool_state(storage);
    const PoolDomain *entry = state.connected ? pool_state_find(&state, domain) : NULL;
    AUTO_FREE char *mount =
        entry && entry->active ? storage_place_find(&storage->places, domain) : NULL;
    if (mount)
        link_domain(storage, &state, entry->id, mount);
}

static void links_remove_stale(Storage *storage, const PoolState *state)
{
    AUTO_FREE char *directory = pool_path(storage, state->id);
    DIR *stream = opendir(directory);
    if (!stream)
        return;
    for (struct dirent *entry; (entry = readdir(stream));) {
        const PoolDomain *domain = pool_state_find(state, entry->d_name);
        if (*entry->d_name == '.' || (domain && domain->active) ||
            !strcmp(entry->d_name, MASTER_LINK))
            continue;
        unlinkat(dirfd(stream), entry->d_name, 0);
    }
    closedir(stream);
}

void pool_links_remove(Storage *storage, const char *pool)
{
    AUTO_FREE char *directory = pool_path(storage, pool);
    directory_remove(directory);
}

void pool_refresh(Storage *storage, const PoolState *state)
{
    size_t count;
    AUTO_FREE DomainHealth *watched = domain_monitor_all(&storage->monitors, &count);
    for (size_t i = 0; i < count; i++) {
        const PoolDomain *entry = pool_state_find(state, watched[i].id);
        if (!state->connected || !entry || !entry->active)
            domain_monitor_stop(&storage->monitors, watched[i].id, true);
    }
    if (!state->connected)
        return;
    links_remove_stale(storage, state);
    for (int i = 0; i < state->domain_count; i++) {
        if (!state->domains[i].active)
            continue;
        storage_pool_link_domain(storage, state->domains[i].id);
        domain_monitor_start(&storage->monitors, state->domains[i].id, true);
    }
}
