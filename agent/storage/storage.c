#include "agent/storage/storage.h"

#include <stdlib.h>
#include <string.h>

#include "agent/storage/image.h"
#include "agent/storage/storage_state.h"
#include "base/file.h"

#define DEFAULT_REPOSITORY "/rhev/data-center"
#define DEFAULT_LINKS      "/run/vdsm/storage"

Storage *storage_new(Agent *agent)
{
    const Config *config = &agent->config;
    Storage *storage = NEW(Storage);
    storage->agent = agent;
    storage->repository = memory_string(config->repository);
    storage->mounts = memory_format("%s/mnt", config->repository);
    // Domain XML of managers names the links under their usual path; another repository is a
    // second agent on the host, or a test, and must not touch them.
    storage->links = strcmp(config->repository, DEFAULT_REPOSITORY)
                         ? memory_format("%s/storage", config->run_directory)
                         : memory_string(DEFAULT_LINKS);
    storage->state = memory_format("%s/storage", config->state_directory);
    storage_owner_find(&storage->owner, config->storage_user, config->storage_group);
    storage_locks_init(&storage->locks);
    work_queue_init(&storage->works, &storage->locks);
    storage_places_init(&storage->places, storage->mounts, &storage->owner);
    storage_pool_init(storage);
    domain_monitors_init(&storage->monitors, storage);
    storage_tasks_init(storage);
    storage_jobs_init(storage);
    return storage;
}

int storage_recover(Storage *storage, Fail *why)
{
    int result = directory_make(storage->state, 0700);
    if (!result)
        result = directory_make(storage->mounts, 0755);
    if (result)
        return fail_errno(why, FAIL_INTERNAL, result, "%s or %s can't be made", storage->state,
                          storage->mounts);
    directory_drop_unfinished(storage->state);
    storage_links_recover(storage);
    storage_pool_recover(storage);
    return storage_tasks_recover(storage, why);
}

// Threads that hang on a dead server keep their memory; the process ends anyway.
void storage_free(Storage *storage)
{
    if (!storage)
        return;
    atomic_store(&storage->tasks.stopping, true);
    bool clean = work_queue_done(&storage->works);
    clean &= domain_monitors_done(&storage->monitors);
    clean &= storage_places_done(&storage->places);
    if (!clean)
        return;
    storage_tasks_done(storage);
    storage_jobs_done(storage);
    storage_pool_done(storage);
    storage_locks_done(&storage->locks);
    free(storage->repository);
    free(storage->mounts);
    free(storage->links);
    free(storage->state);
    free(storage);
}

bool storage_health(Storage *storage, const char *domain, StorageHealth *ret)
{
    DomainHealth health;
    if (!domain_monitor_get(&storage->monitors, domain, &health) || !health.checked)
        return false;
    *ret = (StorageHealth){health.code, health.checked_ms, health.free};
    return true;
}

void storage_add_domain_stats(Storage *storage, JsonWriter *writer)
{
    size_t count;
    AUTO_FREE DomainHealth *all = domain_monitor_all(&storage->monitors, &count);
    json_key(writer, "storageDomains");
    json_open(writer, '{');
    for (size_t i = 0; i < count; i++) {
        json_key(writer, all[i].id);
        domain_health_write(&all[i], writer);
    }
    json_close(writer, '}');
}
