#include "agent/storage/storage_place.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bounded.h"
#include "agent/storage/mount_table.h"
#include "agent/storage/storage_path.h"
#include "base/clock.h"
#include "base/file.h"

enum { SCAN_MS = 10000 };

#define GLUSTER_DIRECTORY "glusterSD"
#define BLOCK_DIRECTORY   "blockSD"

void storage_places_init(StoragePlaces *places, const char *mounts, const StorageOwner *owner)
{
    *places = (StoragePlaces){.mounts = memory_string(mounts), .owner = owner};
    uv_mutex_init(&places->mutex);
    uv_cond_init(&places->scanned);
}

static void place_free(DomainPlace *place)
{
    if (!place)
        return;
    free(place->mount);
    free(place);
}

bool storage_places_done(StoragePlaces *places)
{
    uv_mutex_lock(&places->mutex);
    bool clean = !places->scans.count;
    uv_mutex_unlock(&places->mutex);
    if (!clean)
        return false;
    MAP_EACH(&places->domains, slot)
        place_free(slot->value);
    map_done(&places->domains);
    map_done(&places->scans);
    free(places->mounts);
    uv_cond_destroy(&places->scanned);
    uv_mutex_destroy(&places->mutex);
    return true;
}

// ---- one mount

typedef struct Scan {
    StoragePlaces *places;
    StorageOwner owner;
    char *mount;
    Array found; // ids
    int64_t started_ms;
    int result;
} Scan;

static void scan_free(void *argument)
{
    Scan *scan = argument;
    for (size_t i = 0; i < scan->found.count; i++)
        free(scan->found.items[i]);
    array_done(&scan->found);
    free(scan->mount);
    free(scan);
}

static void scan_run(void *argument)
{
    Scan *scan = argument;
    AS_OWNER(&scan->owner);
    DIR *stream = opendir(scan->mount);
    if (!stream) {
        scan->result = -errno;
        return;
    }
    for (struct dirent *entry; (entry = readdir(stream));) {
        struct stat info;
        if (!strncmp(entry->d_name, REMOVING_PREFIX, strlen(REMOVING_PREFIX))) {
            AUTO_FREE char *half = memory_format("%s/%s", scan->mount, entry->d_name);
            directory_remove(half); // whoever removed it has died, or goes on beside us
        }
        if (!uuid_valid(entry->d_name))
            continue;
        AUTO_FREE char *inside = memory_format("%s/dom_md", entry->d_name);
        if (!fstatat(dirfd(stream), inside, &info, 0) && S_ISDIR(info.st_mode))
            array_add(&scan->found, memory_string(entry->d_name));
    }
    closedir(stream);
}

// With the mutex held.
static void place_put(StoragePlaces *places, const char *id, const char *mount)
{
    DomainPlace *place = NEW(DomainPlace);
    memcpy(place->id, id, UUID_SIZE);
    place->mount = memory_string(mount);
    place_free(map_put(&places->domains, place->id, place));
}

// False when somebody else is at it: by then that one has ended, or hangs.
static bool scan_begin(StoragePlaces *places, Scan *scan)
{
    uv_mutex_lock(&places->mutex);
    const Scan *other = map_get(&places->scans, scan->mount);
    bool first = !other;
    if (first)
        map_put(&places->scans, scan->mount, scan);
    while (other && clock_monotonic_ms() - other->started_ms < SCAN_MS) {
        uv_cond_timedwait(&places->scanned, &places->mutex, 100000000);
        other = map_get(&places->scans, scan->mount);
    }
    scan->result = other ? -ETIMEDOUT : 0;
    uv_mutex_unlock(&places->mutex);
    return first;
}

static void scan_end(Scan *scan)
{
    StoragePlaces *places = scan->places;
    uv_mutex_lock(&places->mutex);
    map_remove(&places->scans, scan->mount);
    for (size_t i = 0; i < scan->found.count; i++)
        place_put(places, scan->found.items[i], scan->mount);
    uv_cond_broadcast(&places->scanned);
    uv_mutex_unlock(&places->mutex);
}

static void scan_abandoned(void *argument)
{
    scan_end(argument);
    scan_free(argument);
}

int storage_place_scan(StoragePlaces *places, const char *mount)
{
    Scan *scan = NEW(Scan);
    scan->places = places;
    scan->owner = *places->owner;
    scan->mount = memory_string(mount);
    scan->started_ms = clock_monotonic_ms();
    if (!scan_begin(places, scan)) {
        int waited = scan->result;
        scan_free(scan);
        return waited;
    }
    int result = bounded_call(scan_run, scan_abandoned, scan, SCAN_MS);
    if (result)
        return result;
    result = scan->result;
    scan_end(scan);
    scan_free(scan);
    return result;
}

// ---- all mounts

// Reads the local directory only: not even a stat() of what may hang.
static void mounts_list(const char *directory, bool links, Array *ret)
{
    DIR *stream = opendir(directory);
    if (!stream)
        return;
    for (struct dirent *entry; (entry = readdir(stream));) {
        if (*entry->d_name == '.' || !strcmp(entry->d_name, GLUSTER_DIRECTORY) ||
            !strcmp(entry->d_name, BLOCK_DIRECTORY))
            continue;
        AUTO_FREE char *path = memory_format("%s/%s", directory, entry->d_name);
        if ((links && entry->d_type == DT_LNK) || mount_is_target(path))
            array_add(ret, TAKE(path));
    }
    closedir(stream);
}

static void mounts_scan(StoragePlaces *places)
{
    AUTO_ARRAY mounts = {0};
    AUTO_FREE char *gluster = memory_format("%s/" GLUSTER_DIRECTORY, places->mounts);
    mounts_list(places->mounts, true, &mounts);
    mounts_list(gluster, false, &mounts);
    for (size_t i = 0; i < mounts.count; i++) {
        storage_place_scan(places, mounts.items[i]);
        free(mounts.items[i]);
    }
}

char *storage_place_known(StoragePlaces *places, const char *domain)
{
    uv_mutex_lock(&places->mutex);
    const DomainPlace *place = map_get(&places->domains, domain);
    char *mount = place ? memory_string(place->mount) : NULL;
    uv_mutex_unlock(&places->mutex);
    return mount;
}

char *storage_place_find(StoragePlaces *places, const char *domain)
{
    char *mount = storage_place_known(places, domain);
    if (mount)
        return mount;
    mounts_scan(places);
    return storage_place_known(places, domain);
}

void storage_place_forget(StoragePlaces *places, const char *domain)
{
    uv_mutex_lock(&places->mutex);
    place_free(map_remove(&places->domains, domain));
    uv_mutex_unlock(&places->mutex);
}

void storage_place_forget_mount(StoragePlaces *places, const char *mount)
{
    uv_mutex_lock(&places->mutex);
    MAP_EACH(&places->domains, slot) {
        DomainPlace *place = slot->value;
        if (!strcmp(place->mount, mount))
            place_free(map_remove(&places->domains, place->id));
    }
    uv_mutex_unlock(&places->mutex);
}

void storage_place_list(StoragePlaces *places, Array *ret_ids)
{
    mounts_scan(places);
    uv_mutex_lock(&places->mutex);
    MAP_EACH(&places->domains, slot)
        array_add(ret_ids, memory_string(slot->key));
    uv_mutex_unlock(&places->mutex);
}
