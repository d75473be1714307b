#include "agent/storage/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/storage/direct.h"
#include "agent/storage/mount_table.h"
#include "agent/storage/storage_link.h"
#include "agent/storage/storage_path.h"
#include "agent/storage/storage_state.h"
#include "base/file.h"
#include "base/log.h"
#include "base/spawn.h"

enum {
    MOUNT_MS = 120000,
    UNMOUNT_MS = 60000,
    NFS_TIMEO = 100, // tenths of a second; less than sanlock's 10 s would break renewals
    NFS_RETRANS = 3,
    KERNEL_TABLE_MAX = 65536,
};

// ---- options

static bool has_option(const char *options, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = options; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (!strncmp(at, name, length) && (at[length] == ',' || !at[length]))
            return true;
    return false;
}

// "3", "4.1", or empty for "auto"; NFS 3 when nothing is said.
static int nfs_version(const Json *connection, char version[8], Fail *why)
{
    const Json *value = json_get(connection, "protocol_version");
    const char *text = json_string(value);
    int64_t number;
    unsigned major, minor;
    char end;
    if (!value || value->kind == JSON_NULL || (text && !*text))
        text = "3";
    else if (!text && json_integer(value, &number) && number > 0 && number < 10) {
        snprintf(version, 8, "%d", (int)number);
        return 0;
    }
    if (text && !strcmp(text, "auto")) {
        *version = 0;
        return 0;
    }
    if (!text || strlen(text) > 5 ||
        (sscanf(text, "%u.%u%c", &major, &minor, &end) != 2 &&
         sscanf(text, "%u%c", &major, &end) != 1))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION, "There is no NFS version \"%s\"",
                            text ? text : "");
    snprintf(version, 8, "%s", text);
    return 0;
}

static int nfs_options(const Json *connection, const char *extra, StrBuf *out, Fail *why)
{
    char version[8];
    int error = nfs_version(connection, version, why);
    if (error)
        return error;
    strbuf_addf(out, "soft,nosharecache,timeo=%lld,retrans=%lld",
                (long long)json_get_integer(connection, "timeout", NFS_TIMEO),
                (long long)json_get_integer(connection, "retrans", NFS_RETRANS));
    char *dot = strchr(version, '.');
    if (dot)
        strbuf_addf(out, ",nfsvers=%.*s,minorversion=%s", (int)(dot - version), version, dot + 1);
    else if (*version)
        strbuf_addf(out, ",nfsvers=%s", version);
    if (extra && *extra)
        strbuf_addf(out, ",%s", extra);
    // Locks on the server of NFS 3 outlive a dead host and keep its VMs from starting elsewhere.
    bool maybe_3 = !*version || *version == '3';
    if (maybe_3 && !has_option(extra, "lock") && !has_option(extra, "nolock"))
        strbuf_adds(out, ",nolock");
    return 0;
}

int connection_options(DomainType type, const Json *connection, char **ret, Fail *why)
{
    AUTO_STRBUF options = {0};
    const char *extra = json_get_string(connection, "mnt_options");
    if (extra && strpbrk(extra, " \t\n"))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "The mount options \"%s\" have blanks", extra);
    int error = type == DOMAIN_NFS ? nfs_options(connection, extra, &options, why) : 0;
    if (error)
        return error;
    if (type != DOMAIN_NFS && extra)
        strbuf_adds(&options, extra);
    *ret = options.length ? strbuf_take(&options) : NULL;
    return 0;
}

// ---- mounts

typedef struct Mount {
    DomainType type;
    char *source, *target, *options;
    const char *file_system; // for mount -t; NULL: mount finds out
    bool bind;
} Mount;

static void mount_done(Mount *mount)
{
    free(mount->source);
    free(mount->target);
    free(mount->options);
}
#define AUTO_MOUNT __attribute__((cleanup(mount_done))) Mount

static int mount_parse(Storage *storage, DomainType type, const Json *connection, Mount *mount,
                       Fail *why)
{
    const char *source = json_get_string(connection, "connection");
    const char *file_system = json_get_string(connection, "vfs_type");
    if (!source || !*source || *source == '-' || strpbrk(source, "\n\r"))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "The connection does not say what to connect to");
    if (type == DOMAIN_NFS && !strchr(source, ':'))
        return storage_fail(why, VDSM_STORAGE_VALIDATION, "\"%s\" is no SERVER:/PATH", source);
    if (file_system && *file_system == '-')
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION, "There is no file system %s",
                            file_system);
    mount->type = type;
    mount->source = path_normalize(source);
    mount->target = storage_mount_path(storage, type, source);
    mount->file_system = type == DOMAIN_NFS            ? "nfs"
                         : file_system && *file_system ? file_system
                                                       : NULL;
    mount->bind = mount->file_system &&
                  (!strcmp(mount->file_system, "bind") || !strcmp(mount->file_system, "none"));
    return connection_options(type, connection, &mount->options, why);
}

static void mount_hint(const Mount *mount, Fail *why)
{
    AUTO_FREE char *table = NULL;
    const char *name = mount->file_system ? mount->file_system : "";
    bool known =
        mount->bind || !*name || file_read("/proc/filesystems", KERNEL_TABLE_MAX, &table, NULL);
    const char *at = table ? strstr(table, name) : NULL;
    known |= at && (at[strlen(name)] == '\n' || !strcmp(name, "nfs"));
    if (!known)
        fail_hint(why,
                  "The kernel of this host knows no %s; load its module, and install the "
                  "mount helper (for NFS: the package nfs-common or nfs-utils).",
                  name);
    else if (mount->type == DOMAIN_NFS)
        fail_hint(why, "Check that the server is up, that it exports this path to this host, and "
                       "that firewalls let NFS through.");
    else
        fail_hint(why, "Check the path, the file system type and the mount options.");
}

// Where the agent is confined to a mount namespace of its own, what it mounts there nobody else
// sees; what is mounted where libvirt lives comes to it by propagation.
static void mount_enter(const Storage *storage, Array *words, char **ret_option)
{
    const char *name = storage->agent->config.mount_namespace;
    if (!*name)
        return;
    *ret_option = memory_format("--mount=%s", name);
    array_add(words, (void *)"nsenter");
    array_add(words, *ret_option);
    array_add(words, (void *)"--");
}

static int mount_run(const Storage *storage, const Mount *mount, Fail *why)
{
    AUTO_ARRAY words = {0};
    AUTO_FREE char *space = NULL;
    mount_enter(storage, &words, &space);
    AUTO_FREE char *bind_options = mount->bind
                                       ? memory_format("bind%s%s", mount->options ? "," : "",
                                                       mount->options ? mount->options : "")
                                       : NULL;
    const char *options = bind_options ? bind_options : mount->options;
    array_add(&words, (void *)"mount");
    if (mount->file_system && !mount->bind) {
        array_add(&words, (void *)"-t");
        array_add(&words, (void *)mount->file_system);
    }
    if (options) {
        array_add(&words, (void *)"-o");
        array_add(&words, (void *)options);
    }
    array_add(&words, (void *)"--");
    array_add(&words, mount->source);
    array_add(&words, mount->target);
    array_add(&words, NULL);
    if (!spawn_run((const char *const *)words.items, NULL, MOUNT_MS, NULL, why))
        return 0;
    fail_prefix(why, "%s can't be mounted: ", mount->source);
    mount_hint(mount, why);
    return VDSM_MOUNT;
}

static int unmount_run(const Storage *storage, const char *target, bool lazy, Fail *why)
{
    AUTO_ARRAY words = {0};
    AUTO_FREE char *space = NULL;
    if (!mount_is_target(target))
        return 0;
    mount_enter(storage, &words, &space);
    const char *const own[] = {"umount", lazy ? "-fl" : "-f", "--", target, NULL};
    for (size_t i = 0; i < COUNT_OF(own); i++)
        array_add(&words, (void *)own[i]);
    if (!spawn_run((const char *const *)words.items, NULL, UNMOUNT_MS, NULL, why))
        return 0;
    fail_prefix(why, "%s can't be unmounted: ", target);
    return VDSM_STORAGE_DISCONNECTION;
}

static int mount_check_access(Storage *storage, const char *directory, Fail *why)
{
    AS_OWNER(&storage->owner);
    return direct_check_access(directory, why);
}

static int mount_connect(Storage *storage, DomainType type, const Json *connection, Fail *why)
{
    AUTO_MOUNT mount = {0};
    int error = mount_parse(storage, type, connection, &mount, why);
    if (error)
        return error;
    if (!mount_is_target(mount.target)) {
        int result = directory_make(mount.target, 0755);
        if (result)
            return storage_errno(why, VDSM_MOUNT, result, "%s can't be made", mount.target);
        error = mount_run(storage, &mount, why);
        if (!error && (error = mount_check_access(storage, mount.target, why)))
            unmount_run(storage, mount.target, true, NULL);
        if (error) {
            rmdir(mount.target);
            return error;
        }
        log_notice("storage.mounted", LOG_NONE, "%s is mounted at %s.", mount.source, mount.target);
    }
    storage_place_scan(&storage->places, mount.target);
    return 0;
}

// ---- local directories

// What is wrong with a folder that takes no files. Often it is an empty mount point.
static void local_explain(const Storage *storage, const char *path, const struct stat *info,
                          Fail *why)
{
    struct stat above;
    struct statvfs system;
    AUTO_FREE char *parent = memory_format("%s/..", path);
    if (!why || statvfs(path, &system) || system.f_flag & ST_RDONLY)
        return; // what there is to say has been said
    bool mounted = stat(parent, &above) || above.st_dev != info->st_dev;
    AUTO_FREE char *give =
        memory_format("chown %d:%d %s", storage->owner.set ? (int)storage->owner.user : 0,
                      storage->owner.set ? (int)storage->owner.group : 0, path);
    fail_detail(why, "%s. It belongs to %d:%d, has mode %04o, and %s",
                why->detail ? why->detail : "It can't be used", (int)info->st_uid,
                (int)info->st_gid, info->st_mode & 07777,
                mounted ? "a file system is mounted there" : "nothing is mounted there");
    if (mounted)
        fail_hint(why, "On this host: %s", give);
    else
        fail_hint(why, "If a file system belongs there, mount it on this host; else: %s", give);
}

static int local_connect(Storage *storage, const Json *connection, Fail *why)
{
    struct stat info;
    const char *path = json_get_string(connection, "connection");
    if (!path || *path != '/')
        return storage_fail(why, VDSM_STORAGE_VALIDATION, "\"%s\" is no absolute path",
                            path ? path : "");
    AUTO_FREE char *normal = path_normalize(path);
    AUTO_FREE char *link = storage_mount_path(storage, DOMAIN_LOCALFS, path);
    if (stat(normal, &info) < 0 || !S_ISDIR(info.st_mode)) {
        storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION, "%s is no directory of this host",
                     normal);
        fail_hint(why, "Make it, and give it to user 36 and group 36: chown 36:36 %s", normal);
        return VDSM_INVALID_PARAMETER_EXCEPTION;
    }
    int error = mount_check_access(storage, normal, why);
    if (error == VDSM_STORAGE_PERMISSION)
        local_explain(storage, normal, &info, why);
    if (error)
        return error;
    int result = directory_make(storage->mounts, 0755);
    if (!result)
        result = link_point(link, normal);
    if (result)
        return storage_errno(why, VDSM_STORAGE_CONNECTION, result, "%s can't be linked as %s",
                             normal, link);
    storage_place_scan(&storage->places, link);
    return 0;
}

// ---- both

int storage_connect(Storage *storage, DomainType type, const Json *connection, Fail *why)
{
    LockSet locks = {0};
    LockHolder *holder;
    const char *source = json_get_string(connection, "connection");
    lock_set_add(&locks, true, "mount:%.80s", source ? source : "");
    int error =
        storage_lock(&storage->locks, &locks, "connection of storage", LOCK_WAIT_MS, &holder, why);
    if (error)
        return error;
    switch (type) {
    case DOMAIN_LOCALFS: error = local_connect(storage, connection, why); break;
    case DOMAIN_NFS:
    case DOMAIN_POSIXFS:
    case DOMAIN_GLUSTERFS: error = mount_connect(storage, type, connection, why); break;
    default:
        error = storage_fail(why, VDSM_STORAGE_TYPE, "This host connects no storage of type %s",
                             domain_type_name(type));
        break;
    }
    storage_unlock(&storage->locks, holder);
    return error;
}

// A domain of the pool that is in use would lose its ground.
static int check_unused(Storage *storage, const char *target, Fail *why)
{
    PoolState state = storage_pool_state(storage);
    for (int i = 0; i < state.domain_count; i++) {
        AUTO_FREE char *mount = storage_place_known(&storage->places, state.domains[i].id);
        if (!state.domains[i].active || !mount || strcmp(mount, target))
            continue;
        storage_fail(why, VDSM_STORAGE_DISCONNECTION, "Domain %s on %s is active in pool %s",
                     state.domains[i].id, target, state.id);
        fail_hint(why, "Deactivate the domain, or disconnect this host from the pool, first.");
        return VDSM_STORAGE_DISCONNECTION;
    }
    return 0;
}

static int disconnect_locked(Storage *storage, DomainType type, const char *target, Fail *why)
{
    int error = check_unused(storage, target, why);
    if (error)
        return error;
    storage_place_forget_mount(&storage->places, target);
    if (type == DOMAIN_LOCALFS) {
        if (unlink(target) < 0 && errno != ENOENT)
            return storage_errno(why, VDSM_STORAGE_DISCONNECTION, errno, "%s can't be removed",
                                 target);
        return 0;
    }
    error = unmount_run(storage, target, true, why);
    if (!error && rmdir(target) < 0 && errno != ENOENT)
        log_warn("storage.unmounted", LOG_NONE, "%s can't be removed: %s.", target,
                 strerror(errno));
    return error;
}

int storage_disconnect(Storage *storage, DomainType type, const Json *connection, Fail *why)
{
    LockSet locks = {0};
    LockHolder *holder;
    const char *source = json_get_string(connection, "connection");
    if (!source || !*source)
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "The connection does not say what to disconnect");
    if (type < 0 || domain_type_is_block(type))
        return storage_fail(why, VDSM_STORAGE_TYPE, "This host connects no storage of type %s",
                            domain_type_name(type));
    AUTO_FREE char *target = storage_mount_path(storage, type, source);
    lock_set_add(&locks, true, "mount:%.80s", source);
    int error = storage_lock(&storage->locks, &locks, "disconnection of storage", LOCK_WAIT_MS,
                             &holder, why);
    if (error)
        return error;
    error = disconnect_locked(storage, type, target, why);
    storage_unlock(&storage->locks, holder);
    return error;
}
