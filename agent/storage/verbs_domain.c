// Verbs on storage domains.
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "agent/storage/image.h"
#include "agent/storage/storage_path.h"
#include "agent/storage/verb_answer.h"
#include "agent/storage/volume_request.h"

static int type_from_text(const char *text)
{
    return (int)domain_type_from_text(text);
}

static int class_from_text(const char *text)
{
    return (int)domain_class_from_text(text);
}

void domain_create(Call *call)
{
    AUTO_FAIL why = {0};
    const Json *arguments = call_json(call, "typeArgs");
    const char *remote = json_string(arguments);
    DomainRequest request = {
        .id = call_string(call, "storagedomainID"),
        .name = call_string(call, "name"),
        .remote = remote ? remote : json_get_string(arguments, "remotePath"),
        .type = (DomainType)json_word(call_json(call, "domainType"), type_from_text),
        .class = (DomainClass)json_word(call_json(call, "domainClass"), class_from_text),
        .version = (int)call_integer(call, "version", DOMAIN_VERSION_MAX),
        .block_size = (int)call_integer(call, "blockSize", BLOCK_SIZE_512),
        .hosts = (int)call_integer(call, "maxHosts", HOSTS_MAX),
    };
    if (!request.remote)
        call_fail(call, VDSM_INVALID_PARAMETER_EXCEPTION, "typeArgs is no path");
    else if ((int)request.type < 0)
        call_fail(call, VDSM_DOMAIN_TYPE, "unknown domainType");
    else if ((int)request.class < 0)
        call_fail(call, VDSM_DOMAIN_CLASS, "unknown domainClass");
    else
        answer(call, storage_domain_create(call_storage(call), &request, &why), &why);
}

// ---- what there is

static void info_write(const StorageDomain *domain, JsonWriter *writer)
{
    char pool[UUID_SIZE];
    const DomainMetadata *metadata = &domain->metadata;
    const char *name = domain_metadata_get(metadata, "DESCRIPTION");
    const char *remote = domain_metadata_get(metadata, "REMOTE_PATH");
    json_open(writer, '{');
    json_add_string(writer, "uuid", domain->id);
    json_add_string(writer, "type", domain_type_name(domain->type));
    json_add_string(writer, "class", domain_class_name(domain->class));
    json_add_string(writer, "name", name ? name : "");
    json_add_string(writer, "role", storage_domain_is_master(domain) ? "Master" : "Regular");
    json_key(writer, "pool");
    json_open(writer, '[');
    if (storage_domain_pool(domain, pool))
        json_put_string(writer, pool);
    json_close(writer, ']');
    json_add_integer(writer, "version", domain->version);
    json_add_integer(writer, "block_size", domain->geometry.sector);
    json_add_integer(writer, "alignment", domain->geometry.alignment);
    json_add_string(writer, "remotePath", remote ? remote : "");
    json_add_integer(writer, "lver", LVER_INVALID);
    json_add_integer(writer, "spm_id", SPM_ID_FREE);
    json_add_integer(writer, "master_ver",
                     domain_metadata_number(metadata, "MASTER_VERSION", 0, INT32_MAX, 0));
    json_close(writer, '}');
}

void domain_get_info(Call *call)
{
    AUTO_DOMAIN domain = {0};
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    if (!call_open_domain(call, "storagedomainID", &domain))
        return;
    info_write(&domain, &writer);
    call_reply(call, &json);
}

void domain_get_stats(Call *call)
{
    AUTO_FAIL why = {0};
    AUTO_DOMAIN domain = {0};
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    DomainSpace space = {0};
    if (!call_open_domain(call, "storagedomainID", &domain))
        return;
    int error = storage_domain_space(call_storage(call), &domain, &space, &why);
    json_open(&writer, '{');
    json_add_integer(&writer, "disktotal", space.total);
    json_add_integer(&writer, "diskfree", space.free);
    json_add_bool(&writer, "mdavalid", true);
    json_add_bool(&writer, "mdathreshold", true);
    json_add_integer(&writer, "mdasize", 0);
    json_add_integer(&writer, "mdafree", 0);
    json_close(&writer, '}');
    answer_json(call, error, &why, &json);
}

void domain_validate(Call *call)
{
    AUTO_DOMAIN domain = {0};
    if (call_open_domain(call, "storagedomainID", &domain))
        call_ok(call);
}

void domain_get_images(Call *call)
{
    AUTO_FAIL why = {0};
    AUTO_DOMAIN domain = {0};
    AUTO_ARRAY images = {0};
    if (!call_open_domain(call, "storagedomainID", &domain))
        return;
    int error = image_list(call_storage(call), &domain, &images, &why);
    answer_list(call, error, &why, &images);
}

// Also Image.getVolumes. Links to templates count, as the image can't do without them.
void domain_get_volumes(Call *call)
{
    AUTO_FAIL why = {0};
    AUTO_DOMAIN domain = {0};
    AUTO_ARRAY volumes = {0};
    AUTO_VOLUME_LIST list = {0};
    const char *image = call_string(call, "imageID");
    int error;
    if (!call_open_domain(call, "storagedomainID", &domain))
        return;
    if (!image || uuid_is_zero(image))
        error = image_list_volumes(call_storage(call), &domain, &volumes, &why);
    else {
        error = volume_list(call_storage(call), &domain, image, &list, &why);
        if (error == VDSM_IMAGE_DOES_NOT_EXIST)
            error = 0;
        for (size_t i = 0; i < list.count; i++)
            array_add(&volumes, memory_string(list.entries[i].id));
    }
    answer_list(call, error, &why, &volumes);
}

typedef struct DomainFilter {
    const char *pool;
    int type, class; // -1: any
    char *mount;     // name of the mount point; NULL: any
} DomainFilter;

static bool filter_passes(Storage *storage, const DomainFilter *filter, const char *id)
{
    AUTO_DOMAIN domain = {0};
    if (storage_domain_open(storage, id, &domain, NULL))
        return false;
    const char *name = strrchr(domain.mount, '/') + 1;
    return (filter->type < 0 || filter->type == (int)domain.type) &&
           (filter->class < 0 || filter->class == (int)domain.class) &&
           (!filter->mount || !strcmp(filter->mount, name));
}

static void filter_candidates(Storage *storage, const DomainFilter *filter, Array *ids)
{
    PoolState state = storage_pool_state(storage);
    if (!filter->pool) {
        storage_place_list(&storage->places, ids);
        return;
    }
    for (int i = 0; i < state.domain_count; i++)
        array_add(ids, memory_string(state.domains[i].id));
}

void host_get_domains(Call *call)
{
    AUTO_ARRAY candidates = {0}, passed = {0};
    Storage *storage = call_storage(call);
    const char *pool = call_string(call, "storagepoolID"),
               *remote = call_string(call, "remotePath");
    AUTO_FREE char *normal = remote && *remote ? path_normalize(remote) : NULL;
    AUTO_FREE char *mount = normal ? path_escape(normal) : NULL;
    DomainFilter filter = {
        .pool = uuid_valid(pool) && !uuid_is_zero(pool) ? pool : NULL,
        .type = json_word(call_json(call, "storageType"), type_from_text),
        .class = json_word(call_json(call, "domainClass"), class_from_text),
        .mount = mount,
    };
    if (filter.pool && !call_require_pool(call, false))
        return;
    filter_candidates(storage, &filter, &candidates);
    for (size_t i = 0; i < candidates.count; i++) {
        if (filter_passes(storage, &filter, candidates.items[i]))
            array_add(&passed, memory_string(candidates.items[i]));
        free(candidates.items[i]);
    }
    answer_list(call, 0, NULL, &passed);
}

void host_get_repo_stats(Call *call)
{
    size_t count;
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    const Json *wanted = call_json(call, "domains");
    AUTO_FREE DomainHealth *all = domain_monitor_all(&call_storage(call)->monitors, &count);
    json_open(&writer, '{');
    for (size_t i = 0; i < count; i++) {
        bool listed = !wanted || !wanted->count;
        JSON_EACH(wanted, entry)
            listed |= json_string(entry) && !strcasecmp(json_string(entry), all[i].id);
        if (!listed)
            continue;
        json_key(&writer, all[i].id);
        domain_health_write(&all[i], &writer);
    }
    json_close(&writer, '}');
    call_reply(call, &json);
}

void host_start_monitoring(Call *call)
{
    domain_monitor_start(&call_storage(call)->monitors, call_string(call, "sdUUID"), false);
    call_ok(call);
}

void host_stop_monitoring(Call *call)
{
    Storage *storage = call_storage(call);
    const char *id = call_string(call, "sdUUID");
    if (domain_monitor_in_pool(&storage->monitors, id)) {
        call_fail(call, VDSM_DOMAIN_IS_MEMBER, "domain %s is watched for the pool", id);
        return;
    }
    domain_monitor_stop(&storage->monitors, id, false);
    call_ok(call);
}

// ---- files of ISO domains

enum { FILES_DEPTH_MAX = 8, FILES_MAX = 20000 };

typedef struct FileSearch {
    const char *pattern;
    int flags; // of fnmatch()
    JsonWriter writer;
    int count;
} FileSearch;

static void file_write(FileSearch *search, const char *name, const struct stat *info)
{
    bool readable = info->st_mode & S_IROTH || info->st_mode & S_IRGRP;
    json_key(&search->writer, name);
    json_open(&search->writer, '{');
    json_add_integer(&search->writer, "size", info->st_size);
    json_add_integer(&search->writer, "ctime", (int64_t)info->st_ctime);
    json_add_integer(&search->writer, "status", readable ? 0 : VDSM_STORAGE_PERMISSION);
    json_close(&search->writer, '}');
    search->count++;
}

static int files_walk(FileSearch *search, const char *directory, const char *prefix, int depth)
{
    DIR *stream = opendir(directory);
    if (!stream)
        return -errno;
    for (struct dirent *entry; search->count < FILES_MAX && (entry = readdir(stream));) {
        struct stat info;
        AUTO_FREE char *path = memory_format("%s/%s", directory, entry->d_name);
        AUTO_FREE char *name = memory_format("%s%s", prefix, entry->d_name);
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") || stat(path, &info) < 0)
            continue;
        if (S_ISDIR(info.st_mode) && depth < FILES_DEPTH_MAX) {
            AUTO_FREE char *deeper = memory_format("%s/", name);
            files_walk(search, path, deeper, depth + 1);
        } else if (S_ISREG(info.st_mode) && !fnmatch(search->pattern, path, search->flags))
            file_write(search, name, &info);
    }
    closedir(stream);
    return 0;
}

void domain_get_file_stats(Call *call)
{
    AUTO_FAIL why = {0};
    AUTO_DOMAIN domain = {0};
    AUTO_STRBUF json = {0};
    FileSearch search = {
        .pattern = call_string(call, "pattern"),
        .flags = call_bool(call, "caseSensitive", false) ? 0 : FNM_CASEFOLD,
        .writer = {.out = &json},
    };
    if (!call_open_domain(call, "storagedomainID", &domain))
        return;
    AS_OWNER(&call_storage(call)->owner);
    AUTO_FREE char *directory = storage_domain_image_path(&domain, ISO_IMAGE);
    json_open(&search.writer, '{');
    int result = files_walk(&search, directory, "", 0);
    json_close(&search.writer, '}');
    int error = result && result != -ENOENT ? storage_errno(&why, VDSM_GET_FILE_STATS, result,
                                                            "%s can't be listed", directory)
                                            : 0;
    answer_json(call, error, &why, &json);
}

// ---- changes

typedef int PoolDomainStep(Storage *storage, const char *pool, const char *domain, Fail *why);

static void pool_domain_step(Call *call, PoolDomainStep *step)
{
    AUTO_FAIL why = {0};
    answer(call,
           step(call_storage(call), call_string(call, "storagepoolID"),
                call_string(call, "storagedomainID"), &why),
           &why);
}

void domain_attach(Call *call)
{
    pool_domain_step(call, storage_pool_attach);
}

void domain_activate(Call *call)
{
    pool_domain_step(call, storage_pool_activate);
}

void domain_detach(Call *call)
{
    pool_domain_step(call, call_bool(call, "force", false) ? storage_pool_detach_force
                                                           : storage_pool_detach);
}

void domain_deactivate(Call *call)
{
    AUTO_FAIL why = {0};
    answer(call,
           storage_pool_deactivate(call_storage(call), call_string(call, "storagepoolID"),
                                   call_string(call, "storagedomainID"),
                                   call_string(call, "masterSdUUID"),
                                   (int)call_integer(call, "masterVersion", 0), &why),
           &why);
}

static int format_check(Storage *storage, const StorageDomain *domain, bool auto_detach, Fail *why)
{
    char pool[UUID_SIZE];
    PoolState state = storage_pool_state(storage);
    if (state.connected && pool_state_find(&state, domain->id))
        return storage_fail(why, VDSM_CANNOT_FORMAT_IN_POOL, "Domain %s is in pool %s", domain->id,
                            state.id);
    if (!auto_detach && storage_domain_pool(domain, pool))
        return storage_fail(why, VDSM_CANNOT_FORMAT_ATTACHED, "Domain %s is in pool %s", domain->id,
                            pool);
    return 0;
}

// A domain whose metadata is broken can be removed too.
static int format_open(Storage *storage, const char *id, StorageDomain *ret, Fail *why)
{
    AUTO_FAIL own = {0};
    int error = storage_domain_open(storage, id, ret, &own);
    bool broken = error == VDSM_DOMAIN_METADATA_NOT_FOUND || error == VDSM_METADATA_SEAL ||
                  error == VDSM_INVALID_METADATA || error == VDSM_METADATA_VALIDATION;
    if (!broken) {
        if (error)
            fail_move(why, &own);
        return error;
    }
    AUTO_FREE char *mount = storage_place_find(&storage->places, id);
    if (!mount) {
        fail_move(why, &own);
        return error;
    }
    snprintf(ret->id, sizeof(ret->id), "%s", id);
    ret->path = memory_format("%s/%s", mount, id);
    ret->mount = TAKE(mount);
    return 0;
}

static int format_locked(Storage *storage, const char *id, bool auto_detach, Fail *why)
{
    AUTO_DOMAIN domain = {0};
    int error = format_open(storage, id, &domain, why);
    if (!error)
        error = format_check(storage, &domain, auto_detach, why);
    return error ? error : storage_domain_format(storage, &domain, why);
}

void domain_format(Call *call)
{
    AUTO_FAIL why = {0};
    Storage *storage = call_storage(call);
    const char *id = call_string(call, "storagedomainID");
    LockSet locks = {0};
    LockHolder *holder;
    lock_set_domain(&locks, true, id);
    int error =
        storage_lock(&storage->locks, &locks, "removal of a domain", LOCK_WAIT_MS, &holder, &why);
    if (!error) {
        error = format_locked(storage, id, call_bool(call, "autoDetach", false), &why);
        storage_unlock(&storage->locks, holder);
    }
    answer(call, error, &why);
}

static int set_description(StorageDomain *domain, const void *argument, Fail *why)
{
    const char *text = argument;
    size_t characters = 0;
    for (const char *at = text; *at; at++)
        characters += ((unsigned char)*at & 0xc0) != 0x80;
    if (!domain_metadata_fits(text))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "The name of domain %s has line breaks", domain->id);
    if (characters > DOMAIN_DESCRIPTION_MAX)
        return storage_fail(why, VDSM_DOMAIN_DESCRIPTION_TOO_LONG,
                            "The name of domain %s is longer than %d characters", domain->id,
                            DOMAIN_DESCRIPTION_MAX);
    domain_metadata_set(&domain->metadata, "DESCRIPTION", text);
    return 0;
}

void domain_set_description(Call *call)
{
    AUTO_FAIL why = {0};
    answer(call,
           domain_change(call_storage(call), call_string(call, "storagedomainID"), set_description,
                         call_string(call, "description"), &why),
           &why);
}
