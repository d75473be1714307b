#include "manager/store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/list.h"
#include "manager/store/sqlite_schema.h"

enum { STORE_BATCH = 1000 }; // changes in one transaction at most

typedef struct StoreRow {
    List node;
    enum { STORE_PUT, STORE_DELETE, STORE_EVENT, STORE_EXPIRE } what;
    char *kind, *id, *document;
    uint64_t revision;
    StoreEvent event;
} StoreRow;

struct StoreChange {
    List rows;
    List node;
    char *backup; // path: not a change but a request for a copy
    StoreDone done;
    void (*dropped)(void *argument);
    void *argument;
};

struct Store {
    uv_loop_t *loop;
    sqlite3 *db;
    sqlite3_stmt *put, *remove, *event, *expire;
    uv_thread_t thread;
    uv_async_t async;
    // Shared with the writer thread under `lock`.
    uv_mutex_t lock;
    uv_cond_t wake;
    List queue, finished;
    Fail failure; // set when the writer gave up on a batch
    bool stop, failed;
    StoreStats stats;
};

// ---- changes

StoreChange *store_change_new(void)
{
    StoreChange *change = NEW(StoreChange);
    list_init(&change->rows);
    return change;
}

static void store_row_free(StoreRow *row)
{
    free(row->kind);
    free(row->id);
    free(row->document);
    free(row);
}

void store_change_free(StoreChange *change)
{
    if (!change)
        return;
    LIST_EACH(&change->rows, StoreRow, node, row)
        store_row_free(row);
    free(change->backup);
    free(change);
}

static StoreRow *store_row_add(StoreChange *change, int what)
{
    StoreRow *row = NEW(StoreRow);
    row->what = what;
    list_append(&change->rows, &row->node);
    return row;
}

void store_change_put(StoreChange *change, const char *kind, const char *id, uint64_t revision,
                      const char *document)
{
    StoreRow *row = store_row_add(change, STORE_PUT);
    row->kind = memory_string(kind);
    row->id = memory_string(id);
    row->document = memory_string(document);
    row->revision = revision;
}

void store_change_delete(StoreChange *change, const char *kind, const char *id)
{
    StoreRow *row = store_row_add(change, STORE_DELETE);
    row->kind = memory_string(kind);
    row->id = memory_string(id);
}

void store_change_event(StoreChange *change, const StoreEvent *event)
{
    StoreRow *row = store_row_add(change, STORE_EVENT);
    row->event = *event;
    row->document = memory_string(event->document);
}

// ---- the writer thread

static int sqlite_fail(sqlite3 *db, Fail *why, const char *what)
{
    int code = sqlite3_errcode(db);
    fail_set(why, code == SQLITE_FULL ? FAIL_NO_SPACE : FAIL_STORE, "%s", what);
    fail_detail(why, "%s", sqlite3_errmsg(db));
    if (code == SQLITE_FULL)
        fail_hint(why, "Make room on the file system of the manager's store.");
    return fail_to_errno(FAIL_STORE);
}

static int sqlite_run(sqlite3 *db, const char *sql, Fail *why)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    return sqlite_fail(db, why, "A statement of the store failed.");
}

static int store_write_row(Store *store, const StoreRow *row, Fail *why)
{
    sqlite3_stmt *statement = row->what == STORE_PUT      ? store->put
                              : row->what == STORE_DELETE ? store->remove
                              : row->what == STORE_EVENT  ? store->event
                                                          : store->expire;
    switch (row->what) {
    case STORE_PUT:
        sqlite3_bind_int64(statement, 3, (int64_t)row->revision);
        sqlite3_bind_text(statement, 4, row->document, -1, SQLITE_STATIC);
        __attribute__((fallthrough));
    case STORE_DELETE:
        sqlite3_bind_text(statement, 1, row->kind, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 2, row->id, -1, SQLITE_STATIC);
        break;
    case STORE_EVENT:
        sqlite3_bind_int64(statement, 1, row->event.id);
        sqlite3_bind_int64(statement, 2, row->event.time_ms);
        sqlite3_bind_int(statement, 3, row->event.code);
        sqlite3_bind_int(statement, 4, row->event.severity);
        sqlite3_bind_text(statement, 5, row->document, -1, SQLITE_STATIC);
        break;
    case STORE_EXPIRE: sqlite3_bind_int64(statement, 1, row->event.time_ms); break;
    }
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return code == SQLITE_DONE ? 0 : sqlite_fail(store->db, why, "The store refused a change.");
}

static int store_write_batch(Store *store, List *batch, Fail *why)
{
    int result = sqlite_run(store->db, "BEGIN IMMEDIATE", why);
    if (result)
        return result;
    LIST_EACH(batch, StoreChange, node, change) {
        LIST_EACH(&change->rows, StoreRow, node, row) {
            result = store_write_row(store, row, why);
            if (result)
                break;
        }
        if (result)
            break;
    }
    if (!result)
        result = sqlite_run(store->db, "COMMIT", why);
    if (result)
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return result;
}

static int store_write_backup(Store *store, const char *path, Fail *why)
{
    sqlite3 *copy = NULL;
    AUTO_FREE char *fresh = memory_format("%s.new", path);
    unlink(fresh);
    int result = -EIO;
    mode_t mask = umask(077); // the copy holds password hashes
    int code = sqlite3_open(fresh, &copy);
    umask(mask);
    sqlite3_backup *backup =
        code == SQLITE_OK ? sqlite3_backup_init(copy, "main", store->db, "main") : NULL;
    if (backup && sqlite3_backup_step(backup, -1) == SQLITE_DONE)
        result = 0;
    if (backup)
        sqlite3_backup_finish(backup);
    if (result)
        sqlite_fail(copy, why, "The store could not be copied.");
    sqlite3_close(copy);
    if (!result && rename(fresh, path) < 0)
        result = fail_errno(why, FAIL_STORE, errno, "The backup could not be named %s", path);
    if (result)
        unlink(fresh);
    return result;
}

// Takes the next batch off the queue: a run of changes, or one backup.
static void store_take_batch(Store *store, List *batch)
{
    int count = 0;
    LIST_EACH(&store->queue, StoreChange, node, change) {
        if (count == STORE_BATCH || (change->backup && count))
            break;
        list_remove(&change->node);
        list_append(batch, &change->node);
        count++;
        if (change->backup)
            break;
    }
}

static void store_thread(void *argument)
{
    Store *store = argument;
    for (;;) {
        List batch;
        AUTO_FAIL why = {0};
        list_init(&batch);
        uv_mutex_lock(&store->lock);
        while (!store->stop && (list_empty(&store->queue) || store->failed))
            uv_cond_wait(&store->wake, &store->lock);
        if (list_empty(&store->queue) || store->failed) {
            uv_mutex_unlock(&store->lock);
            return;
        }
        store_take_batch(store, &batch);
        uv_mutex_unlock(&store->lock);

        StoreChange *first = CONTAINER(batch.next, StoreChange, node);
        bool backup = first->backup != NULL;
        int result = backup ? store_write_backup(store, first->backup, &why)
                            : store_write_batch(store, &batch, &why);

        uv_mutex_lock(&store->lock);
        if (!result)
            store->stats.commits++;
        if (result) {
            // A backup that fails concerns nobody else; a lost change takes those behind it along.
            store->failed = !backup;
            fail_move(&store->failure, &why);
        }
        LIST_EACH(&batch, StoreChange, node, change) {
            list_remove(&change->node);
            list_append(&store->finished, &change->node);
        }
        uv_mutex_unlock(&store->lock);
        uv_async_send(&store->async);
    }
}

// ---- the loop's thread

static void store_report(StoreChange *change, const Fail *why)
{
    if (change->done)
        change->done(why, change->argument);
    store_change_free(change);
}

// The failed batch and everything queued behind it go back, newest first.
static void store_report_failed(List *finished, List *queued, const Fail *why)
{
    while (!list_empty(queued)) {
        StoreChange *change = CONTAINER(queued->previous, StoreChange, node);
        list_remove(&change->node);
        store_report(change, why);
    }
    while (!list_empty(finished)) {
        StoreChange *change = CONTAINER(finished->previous, StoreChange, node);
        list_remove(&change->node);
        store_report(change, why);
    }
}

static void store_move(List *from, List *to)
{
    LIST_EACH(from, StoreChange, node, change) {
        list_remove(&change->node);
        list_append(to, &change->node);
    }
}

static void store_woken(uv_async_t *async)
{
    Store *store = async->data;
    AUTO_FAIL why = {0};
    List finished, queued;
    list_init(&finished);
    list_init(&queued);
    uv_mutex_lock(&store->lock);
    bool failed = store->failed;
    fail_move(&why, &store->failure);
    store_move(&store->finished, &finished);
    if (failed)
        store_move(&store->queue, &queued);
    uv_mutex_unlock(&store->lock);
    if (failed)
        store_report_failed(&finished, &queued, &why);
    else
        LIST_EACH(&finished, StoreChange, node, change) {
            list_remove(&change->node);
            store_report(change, &why);
        }
    if (!failed)
        return;
    uv_mutex_lock(&store->lock); // the owner has taken its changes back: go on
    store->failed = false;
    uv_cond_signal(&store->wake);
    uv_mutex_unlock(&store->lock);
}

static void store_queue(Store *store, StoreChange *change)
{
    uv_mutex_lock(&store->lock);
    list_append(&store->queue, &change->node);
    store->stats.changes++;
    uv_cond_signal(&store->wake);
    uv_mutex_unlock(&store->lock);
}

void store_change_on_dropped(StoreChange *change, void (*dropped)(void *argument))
{
    change->dropped = dropped;
}

void store_submit(Store *store, StoreChange *change, StoreDone done, void *argument)
{
    change->done = done;
    change->argument = argument;
    store_queue(store, change);
}

void store_backup(Store *store, const char *path, StoreDone done, void *argument)
{
    StoreChange *change = store_change_new();
    change->backup = memory_string(path);
    store_submit(store, change, done, argument);
}

void store_expire_events(Store *store, int64_t before_ms)
{
    StoreChange *change = store_change_new();
    store_row_add(change, STORE_EXPIRE)->event.time_ms = before_ms;
    store_submit(store, change, NULL, NULL);
}

// ---- open, load, close

static int store_version(sqlite3 *db)
{
    sqlite3_stmt *statement;
    int version = -1;
    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        version = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return version;
}

static int store_upgrade(sqlite3 *db, const char *path, Fail *why)
{
    int version = store_version(db), newest = (int)COUNT_OF(sqlite_schema);
    if (version < 0)
        return sqlite_fail(db, why, "The store can't be read.");
    if (version > newest)
        return fail_set(why, FAIL_STORE,
                        "The store %s has schema version %d; this manager knows versions up to %d. "
                        "Use the manager that wrote it, or a newer one.",
                        path, version, newest);
    for (; version < newest; version++) {
        AUTO_FREE char *sql = memory_format("BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT;",
                                            sqlite_schema[version], version + 1);
        int result = sqlite_run(db, sql, why);
        if (result) {
            sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
            return result;
        }
    }
    return 0;
}

static int store_prepare(Store *store, Fail *why)
{
    static const char put[] =
        "INSERT INTO entity (kind, id, revision, document) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (kind, id) DO UPDATE SET revision = ?3, document = ?4";
    static const char remove[] = "DELETE FROM entity WHERE kind = ?1 AND id = ?2";
    static const char event[] =
        "INSERT OR REPLACE INTO event (id, time, code, severity, document) VALUES (?, ?, ?, ?, ?)";
    static const char expire[] = "DELETE FROM event WHERE time < ?";
    if (sqlite3_prepare_v2(store->db, put, -1, &store->put, NULL) ||
        sqlite3_prepare_v2(store->db, remove, -1, &store->remove, NULL) ||
        sqlite3_prepare_v2(store->db, event, -1, &store->event, NULL) ||
        sqlite3_prepare_v2(store->db, expire, -1, &store->expire, NULL))
        return sqlite_fail(store->db, why, "The store's statements can't be prepared.");
    return 0;
}

static int store_open_file(Store *store, const char *path, Fail *why)
{
    mode_t mask = umask(077); // password hashes and tokens lie in it
    int code = sqlite3_open(path, &store->db);
    umask(mask);
    if (code != SQLITE_OK) {
        sqlite_fail(store->db, why, "The store can't be opened.");
        fail_hint(why, "Check that the directory of %s exists and is writable.", path);
        return fail_to_errno(FAIL_STORE);
    }
    // An exclusive lock: a second manager on the same store must fail, not corrupt it.
    int result = sqlite_run(store->db,
                            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                            "PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF;",
                            why);
    if (!result)
        result = store_upgrade(store->db, path, why);
    if (result && sqlite3_errcode(store->db) == SQLITE_BUSY)
        fail_hint(why, "Another manager is running on %s.", path);
    return result ? result : store_prepare(store, why);
}

Store *store_open(uv_loop_t *loop, const char *path, Fail *why)
{
    Store *store = NEW(Store);
    store->loop = loop;
    list_init(&store->queue);
    list_init(&store->finished);
    if (store_open_file(store, path, why)) {
        sqlite3_close_v2(store->db);
        free(store);
        return NULL;
    }
    uv_mutex_init(&store->lock);
    uv_cond_init(&store->wake);
    uv_async_init(loop, &store->async, store_woken);
    store->async.data = store;
    return store;
}

static int store_load_entities(Store *store, StoreLoadEntity entity, void *argument, Fail *why)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(store->db,
                           "SELECT kind, id, revision, document FROM entity ORDER BY number", -1,
                           &statement, NULL))
        return sqlite_fail(store->db, why, "The store can't be read.");
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        entity((const char *)sqlite3_column_text(statement, 0),
               (const char *)sqlite3_column_text(statement, 1),
               (uint64_t)sqlite3_column_int64(statement, 2),
               (const char *)sqlite3_column_text(statement, 3),
               (size_t)sqlite3_column_bytes(statement, 3), argument);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? 0 : sqlite_fail(store->db, why, "The store can't be read.");
}

static int store_load_events(Store *store, int limit, StoreLoadEvent event, void *argument,
                             Fail *why)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(store->db,
                           "SELECT id, time, code, severity, document FROM"
                           " (SELECT * FROM event ORDER BY id DESC LIMIT ?) ORDER BY id",
                           -1, &statement, NULL))
        return sqlite_fail(store->db, why, "The events can't be read.");
    sqlite3_bind_int(statement, 1, limit);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        StoreEvent row = {.id = sqlite3_column_int64(statement, 0),
                          .time_ms = sqlite3_column_int64(statement, 1),
                          .code = sqlite3_column_int(statement, 2),
                          .severity = sqlite3_column_int(statement, 3),
                          .document = (const char *)sqlite3_column_text(statement, 4)};
        event(&row, argument);
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? 0 : sqlite_fail(store->db, why, "The events can't be read.");
}

int store_load(Store *store, StoreLoadEntity entity, int events, StoreLoadEvent event,
               void *argument, Fail *why)
{
    int result = store_load_entities(store, entity, argument, why);
    if (!result)
        result = store_load_events(store, events, event, argument, why);
    if (!result)
        uv_thread_create(&store->thread, store_thread, store);
    return result;
}

static void store_closed(uv_handle_t *handle)
{
    Store *store = handle->data;
    uv_mutex_destroy(&store->lock);
    uv_cond_destroy(&store->wake);
    fail_done(&store->failure);
    free(store);
}

static void store_drop(List *changes)
{
    LIST_EACH(changes, StoreChange, node, change) {
        if (change->dropped)
            change->dropped(change->argument);
        store_change_free(change);
    }
}

void store_close(Store *store)
{
    if (!store)
        return;
    uv_mutex_lock(&store->lock);
    store->stop = true;
    uv_cond_signal(&store->wake);
    uv_mutex_unlock(&store->lock);
    if (store->thread)
        uv_thread_join(&store->thread);
    store_drop(&store->finished);
    store_drop(&store->queue);
    sqlite3_finalize(store->put);
    sqlite3_finalize(store->remove);
    sqlite3_finalize(store->event);
    sqlite3_finalize(store->expire);
    sqlite3_close(store->db);
    uv_close((uv_handle_t *)&store->async, store_closed);
}

StoreStats store_stats(const Store *store)
{
    return store->stats;
}
