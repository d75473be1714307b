// A backup in the place of the store. Whenever this is cut short, the state directory holds a whole
// store: the old one until the last step, the new one from then on.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/file.h"
#include "cli/administration/administrator.h"
#include "manager/store/sqlite_schema.h"

enum { COPY_STEP = 1024 * 1024 };

// ---- is it a store?

// The first column of the first row as text, NULL when the statement fails. Caller frees.
static char *query_text(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    char *text = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        text = memory_string((const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return text;
}

// "file:/path?immutable=1" with what means something in URIs escaped. Caller frees.
static char *store_uri(const char *path)
{
    AUTO_STRBUF uri = {0};
    strbuf_adds(&uri, "file:");
    for (; *path; path++)
        if (strchr("%?#", *path))
            strbuf_addf(&uri, "%%%02X", (unsigned char)*path);
        else
            strbuf_addc(&uri, *path);
    strbuf_adds(&uri, "?immutable=1");
    return strbuf_take(&uri);
}

static int store_check_content(sqlite3 *db, const char *path, Fail *why)
{
    int newest = (int)COUNT_OF(sqlite_schema);
    AUTO_FREE char *entities = query_text(
        db,
        "SELECT count(*) FROM entity WHERE kind = 'setting' AND document LIKE '%authority.key%'");
    AUTO_FREE char *events = query_text(db, "SELECT count(*) FROM event");
    AUTO_FREE char *version = query_text(db, "PRAGMA user_version");
    AUTO_FREE char *whole = entities && events ? query_text(db, "PRAGMA quick_check(1)") : NULL;
    if (!entities || !events || !strcmp(entities, "0"))
        return fail_set(why, FAIL_INVALID, "%s is no store of a Vireo manager.", path);
    if (!whole || strcmp(whole, "ok")) {
        fail_set(why, FAIL_INVALID, "%s is damaged.", path);
        fail_detail(why, "%s", whole ? whole : sqlite3_errmsg(db));
        return -EINVAL;
    }
    if (!version || atoi(version) > newest)
        return fail_set(why, FAIL_INVALID,
                        "%s has schema version %s; versions up to %d are known here.", path,
                        version ? version : "?", newest);
    return 0;
}

int store_check(const char *path, Fail *why)
{
    sqlite3 *db = NULL;
    AUTO_FREE char *log = memory_format("%s-wal", path);
    struct stat info;
    if (stat(path, &info) < 0)
        return fail_errno(why, errno == ENOENT ? FAIL_NOT_FOUND : FAIL_INVALID, errno,
                          "%s can't be read", path);
    if (stat(log, &info) == 0 && info.st_size) {
        fail_set(why, FAIL_INVALID, "%s was copied while a manager ran: %s belongs to it.", path,
                 log);
        fail_hint(why, "Use what vireo-manager backup has written");
        return -EINVAL;
    }
    // Nobody writes to it: no lock and no files beside it are needed.
    AUTO_FREE char *uri = store_uri(path);
    int code = sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    int result = code == SQLITE_OK ? store_check_content(db, path, why)
                                   : fail_set(why, FAIL_INVALID, "%s can't be opened.", path);
    sqlite3_close(db);
    return result;
}

// ---- the copy

static int copy_bytes(int from, int to)
{
    AUTO_FREE char *buffer = NEW_ARRAY(char, COPY_STEP);
    for (;;) {
        ssize_t got = read(from, buffer, COPY_STEP);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : 0;
        int result = fd_write_all(to, buffer, (size_t)got);
        if (result)
            return result;
    }
}

// As readable as the store was, by the same user; only root can give it to another one.
static int copy_owner(int fd, const char *folder)
{
    struct stat info;
    if (stat(folder, &info) < 0)
        return -errno;
    if (geteuid() == 0 && fchown(fd, info.st_uid, info.st_gid) < 0)
        return -errno;
    return 0;
}

static int copy_make(const char *from, const char *to, const char *folder, Fail *why)
{
    AUTO_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return fail_errno(why, FAIL_INVALID, errno, "%s can't be read", from);
    unlink(to);
    AUTO_CLOSE int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int result = out < 0 ? -errno : copy_bytes(in, out);
    if (!result)
        result = copy_owner(out, folder);
    if (!result && fsync(out) < 0)
        result = -errno;
    if (!result)
        return 0;
    unlink(to);
    return fail_errno(why, result == -ENOSPC ? FAIL_NO_SPACE : FAIL_STORE, result,
                      "%s can't be written", to);
}

// ---- the old store

// Brings what is still in its log into the file, and finds out whether a manager has it open.
static int old_settle(const char *path, Fail *why)
{
    sqlite3 *db = NULL;
    AUTO_FREE char *log = memory_format("%s-wal", path);
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db,
                            "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;"
                            "PRAGMA wal_checkpoint(TRUNCATE);",
                            NULL, NULL, NULL);
    sqlite3_close(db);
    if (code == SQLITE_BUSY) {
        fail_set(why, FAIL_CONFLICT, "A manager has %s open.", path);
        fail_hint(why, "Stop it first");
        return -EBUSY;
    }
    // A damaged store may be why there is a restore. Its log goes with it, or it would be read as
    // the new store's.
    AUTO_FREE char *kept = memory_format("%s.before-restore-wal", path);
    if (access(log, F_OK) < 0)
        unlink(kept);
    else if (rename(log, kept) < 0)
        return fail_errno(why, FAIL_STORE, errno, "%s can't be moved away", log);
    return 0;
}

static int old_keep(const char *path, Fail *why)
{
    AUTO_FREE char *kept = memory_format("%s.before-restore", path);
    if (access(path, F_OK) < 0)
        return 0;
    int result = old_settle(path, why);
    if (result)
        return result;
    if ((unlink(kept) < 0 && errno != ENOENT) || link(path, kept) < 0)
        return fail_errno(why, FAIL_STORE, errno, "The old store can't be kept as %s", kept);
    return 0;
}

int store_restore(const char *backup, const char *state_directory, Fail *why)
{
    AUTO_FREE char *path = memory_format("%s/store.db", state_directory);
    AUTO_FREE char *fresh = memory_format("%s/store.db.restored", state_directory);
    int result = store_check(backup, why);
    if (!result)
        result = copy_make(backup, fresh, state_directory, why);
    if (result)
        return result;
    result = old_keep(path, why);
    if (!result && rename(fresh, path) < 0)
        result = fail_errno(why, FAIL_STORE, errno, "%s can't be replaced", path);
    if (!result && directory_sync(state_directory))
        result = fail_set(why, FAIL_STORE, "%s can't be synchronized.", state_directory);
    if (result)
        unlink(fresh);
    return result;
}
