#include "manager/operations/operation.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "manager/crash_point.h"
#include "manager/manager.h"

enum {
    OPERATION_SILENCE_MS = 120000,
    OPERATION_SUCCESS_KEPT_MS = 10 * 60 * 1000,
    OPERATION_FAILURE_KEPT_MS = 60 * 60 * 1000,
    OPERATION_WATCH_MS = 5000,
    OPERATION_UNDO_PATIENCE_MS = 10000,
};

typedef struct LockHolders {
    char *object;
    Array holders; // Operation *
    Array modes;   // LockMode, as pointers, same order
} LockHolders;

typedef struct Waiter {
    List node;
    OperationEnded ended;
    void *argument;
} Waiter;

struct Operations {
    Manager *manager;
    Array kinds;
    List running;
    Map by_id, locks; // id -> Operation, object -> LockHolders
    int count;
    uv_timer_t watch;
};

static void operation_run_step(Operation *operation);

static const ApiOperation *operation_row(const Operation *operation)
{
    return ENTITY_OBJECT(operation->entity, Operation);
}

const ApiOperationContext *operation_context(const Operation *operation)
{
    return operation_row(operation)->context;
}

Cause operation_cause(const Operation *operation)
{
    const ApiOperation *row = operation_row(operation);
    return (Cause){
        .user = row->user, .user_name = row->user_name, .correlation = row->correlation_id};
}

// ---- locks

static void lock_take(Operations *operations, Operation *operation, const char *object,
                      bool exclusive)
{
    LockHolders *holders = map_get(&operations->locks, object);
    if (!holders) {
        holders = NEW(LockHolders);
        holders->object = memory_string(object);
        map_put(&operations->locks, holders->object, holders);
    }
    array_add(&holders->holders, operation);
    array_add(&holders->modes, (void *)(intptr_t)(exclusive ? LOCK_EXCLUSIVE : LOCK_SHARED));
}

static void lock_release(Operations *operations, Operation *operation, const char *object)
{
    LockHolders *holders = map_get(&operations->locks, object);
    for (size_t i = 0; holders && i < holders->holders.count;) {
        if (holders->holders.items[i] != operation) {
            i++;
            continue;
        }
        holders->holders.items[i] = holders->holders.items[--holders->holders.count];
        holders->modes.items[i] = holders->modes.items[--holders->modes.count];
    }
    if (!holders || holders->holders.count)
        return;
    map_remove(&operations->locks, object);
    array_done(&holders->holders);
    array_done(&holders->modes);
    free(holders->object);
    free(holders);
}

static void operation_take_locks(Operation *operation)
{
    const ApiOperation *row = operation_row(operation);
    for (uint32_t i = 0; i < row->locks.count; i++)
        lock_take(operation->manager->operations, operation, row->locks.items[i]->object,
                  row->locks.items[i]->exclusive == API_TRUE);
}

static void operation_release_locks(Operation *operation)
{
    const ApiOperation *row = operation_row(operation);
    for (uint32_t i = 0; i < row->locks.count; i++)
        lock_release(operation->manager->operations, operation, row->locks.items[i]->object);
}

static Operation *lock_conflict(Manager *manager, const char *object, LockMode mode)
{
    LockHolders *holders = map_get(&manager->operations->locks, object);
    for (size_t i = 0; holders && i < holders->holders.count; i++)
        if (mode == LOCK_EXCLUSIVE || (LockMode)(intptr_t)holders->modes.items[i] == LOCK_EXCLUSIVE)
            return holders->holders.items[i];
    return NULL;
}

Operation *operation_holding(Manager *manager, const char *object)
{
    return lock_conflict(manager, object, LOCK_SHARED);
}

int operation_check_free(Manager *manager, const char *object, LockMode mode, const char *noun,
                         const char *name, Fail *why)
{
    Operation *holder = lock_conflict(manager, object, mode);
    if (!holder)
        return 0;
    const ApiOperation *row = operation_row(holder);
    AUTO_FREE char *title = operation_title(manager, holder->entity);
    int64_t seconds = (clock_wall_ms() - row->start_time.value) / 1000;
    const char *step = row->step.value < holder->kind->count
                           ? holder->kind->steps[row->step.value].title
                           : "finishing";
    // oVirt's clients match "is locked" and the sentence about a related operation.
    fail_set(why, FAIL_LOCKED, "%c%s %s is locked. Related operation is currently in progress.",
             noun[0] >= 'a' && noun[0] <= 'z' ? noun[0] - 'a' + 'A' : noun[0], noun + 1, name);
    fail_detail(why, "\"%s\" holds it since %lld s (step %lld of %d: %s)", title,
                (long long)seconds, (long long)row->step.value + 1, holder->kind->count, step);
    fail_hint(why, "Wait for job %s", holder->entity->id);
    fail_object(why, object);
    return fail_to_errno(FAIL_LOCKED);
}

// ---- life in memory

static const OperationKind *operations_kind(const Operations *operations, const char *name)
{
    for (size_t i = 0; i < operations->kinds.count; i++) {
        const OperationKind *kind = operations->kinds.items[i];
        if (!strcmp(kind->name, name))
            return kind;
    }
    return NULL;
}

void operations_register(Operations *operations, const OperationKind *kind)
{
    array_add(&operations->kinds, (void *)kind);
}

static Operation *operation_new(Manager *manager, Entity *row, const OperationKind *kind)
{
    Operations *operations = manager->operations;
    Operation *operation = NEW(Operation);
    operation->manager = manager;
    operation->kind = kind;
    operation->entity = entity_ref(row);
    operation->progress_ms = clock_monotonic_ms();
    operation->progress_percent = -1;
    list_init(&operation->waiters);
    list_append(&operations->running, &operation->node);
    operations->count++;
    uv_timer_init(manager->loop, &operation->timer);
    operation->timer.data = operation;
    map_put(&operations->by_id, operation->entity->id, operation);
    operation_take_locks(operation);
    return operation;
}

static void operation_timer_closed(uv_handle_t *handle)
{
    Operation *operation = handle->data;
    entity_unref(operation->entity);
    fail_done(&operation->why);
    free(operation->scratch);
    free(operation);
}

static void operation_tell_waiters(Operation *operation, const Fail *why)
{
    while (!list_empty(&operation->waiters)) {
        Waiter *waiter = CONTAINER(operation->waiters.next, Waiter, node);
        list_remove(&waiter->node);
        waiter->ended(why, waiter->argument);
        free(waiter);
    }
}

static void operation_leave(Operation *operation, const Fail *why)
{
    Operations *operations = operation->manager->operations;
    operation->closing = true;
    operation->turn++;
    operation_release_locks(operation);
    map_remove(&operations->by_id, operation->entity->id);
    list_remove(&operation->node);
    operations->count--;
    operation_tell_waiters(operation, why);
    uv_close((uv_handle_t *)&operation->timer, operation_timer_closed);
}

Operation *operation_find(Manager *manager, const char *id)
{
    return map_get(&manager->operations->by_id, id);
}

// ---- planning

ApiOperationContext *operation_plan(Change *change, const OperationKind *kind, Arena **ret_arena,
                                    const char **ret_id)
{
    ApiDocument *draft = change_add(change, KIND_OPERATION, NULL);
    ApiOperation *row = draft->object;
    Arena *arena = &draft->arena;
    const Cause *cause = change_cause(change);
    row->kind = arena_string(arena, kind->name);
    row->phase = API_OPERATION_PHASE_FORWARD;
    row->status = API_JOB_STATUS_STARTED;
    row->step = API_INT(0);
    row->start_time = row->last_progress = API_INT(clock_wall_ms());
    row->user = arena_string(arena, cause->user);
    row->user_name = arena_string(arena, cause->user_name);
    row->correlation_id = arena_string(arena, cause->correlation);
    row->context = ARENA_NEW(arena, ApiOperationContext);
    for (int i = 0; i < kind->count; i++) {
        ApiOperationStep *step = ARENA_NEW(arena, ApiOperationStep);
        step->name = arena_string(arena, kind->steps[i].name);
        step->status = API_STEP_STATUS_UNKNOWN;
        api_list_add(arena, &row->steps, step);
    }
    *ret_arena = arena;
    *ret_id = row->id;
    return row->context;
}

void operation_lock(Change *change, const char *operation, const char *object, LockMode mode)
{
    ApiDocument *draft = change_added(change, operation);
    ApiOperation *row = draft->object;
    ApiOperationLock *lock = ARENA_NEW(&draft->arena, ApiOperationLock);
    lock->object = arena_string(&draft->arena, object);
    lock->exclusive = API_BOOL(mode == LOCK_EXCLUSIVE);
    api_list_add(&draft->arena, &row->locks, lock);
}

static void operation_timer_fired(uv_timer_t *timer)
{
    Operation *operation = timer->data;
    operation_run_step(operation);
}

static void operation_later(Operation *operation, int delay_ms)
{
    uv_timer_start(&operation->timer, operation_timer_fired, (uint64_t)delay_ms, 0);
}

void operation_planned(Manager *manager, Entity *row)
{
    const OperationKind *kind =
        operations_kind(manager->operations, ENTITY_OBJECT(row, Operation)->kind);
    if (ENTITY_OBJECT(row, Operation)->external == API_TRUE)
        return;  // others do it and report
    if (!kind) { // kinds.c has no row for it
        log_error("operation.unknown", LOG_ID("operation", row->id), "No such kind: %s.",
                  ENTITY_OBJECT(row, Operation)->kind);
        abort();
    }
    operation_new(manager, row, kind);
}

void operation_taken_back(Manager *manager, const char *id)
{
    AUTO_FAIL why = {0};
    Operation *operation = operation_find(manager, id);
    fail_set(&why, FAIL_STORE, "The operation could not be stored.");
    if (operation)
        operation_leave(operation, &why);
}

Operation *operation_begin(Manager *manager, const char *id)
{
    Operation *operation = operation_find(manager, id);
    if (!operation || operation->begun)
        return operation;
    crash_point("operation", operation->kind->name, "begin", "before");
    log_debug("operation.begin", LOG_ID("operation", id), "%s", operation->kind->name);
    operation->begun = true;
    operation_later(operation, 0);
    return operation;
}

// ---- running

static bool operation_at_end(const Operation *operation)
{
    return operation_row(operation)->step.value >= operation->kind->count;
}

static void operation_finish(Operation *operation);

static void operation_run_step(Operation *operation)
{
    const ApiOperation *row = operation_row(operation);
    operation->undoing = row->phase == API_OPERATION_PHASE_UNDO;
    if (operation->closing || row->phase == API_OPERATION_PHASE_ENDED)
        return;
    if (operation->undoing ? row->step.value < 0 : operation_at_end(operation)) {
        operation_finish(operation);
        return;
    }
    const OperationStep *step = &operation->kind->steps[row->step.value];
    OperationAct act = operation->undoing ? step->undo : step->act;
    operation->turn++;
    operation->running = true;
    crash_point("operation", operation->kind->name, step->name,
                operation->undoing ? "undo" : "before");
    if (act)
        act(operation);
    else
        operation_done(operation);
}

uint64_t operation_turn(const Operation *operation)
{
    return operation->turn;
}

bool operation_is_current(const Operation *operation, uint64_t turn)
{
    return !operation->closing && operation->running && operation->turn == turn;
}

Change *operation_change(Operation *operation)
{
    Cause cause = operation_cause(operation);
    return change_new(operation->manager, &cause);
}

ApiOperationContext *operation_edit_context(Operation *operation, Change *change, Arena **ret_arena)
{
    ApiDocument *draft = change_edit(change, operation->entity);
    *ret_arena = &draft->arena;
    return ((ApiOperation *)draft->object)->context;
}

static void operation_mark_step(ApiOperation *row, int64_t number, ApiStepStatus status)
{
    if (number < 0 || number >= row->steps.count)
        return;
    ApiOperationStep *step = row->steps.items[number];
    step->status = status;
    if (!step->start_time.set)
        step->start_time = API_INT(clock_wall_ms());
    step->end_time = API_INT(clock_wall_ms());
}

static void operation_advanced(const Fail *why, void *argument)
{
    Operation *operation = argument;
    operation->commits--;
    if (operation->closing || operation->commits)
        return;             // a later change decides how it goes on
    if (fail_is_set(why)) { // the store is in trouble: the step stays, and is observed again
        log_warn("operation.store", LOG_ID("operation", operation->entity->id),
                 "The advance could not be stored; it will be tried again.");
        operation_later(operation, 2000);
        return;
    }
    operation->progress_ms = clock_monotonic_ms();
    operation->progress_percent = -1;
    operation->alarmed = false;
    operation_run_step(operation);
}

static void operation_commit(Operation *operation, Change *change, ChangeDone durable)
{
    operation->commits++;
    change_commit(change, durable, operation);
}

void operation_done_with(Operation *operation, Change *change)
{
    ApiDocument *draft = change_edit(change, operation->entity);
    ApiOperation *row = draft->object;
    int64_t step = row->step.value;
    crash_point("operation", operation->kind->name,
                step >= 0 && step < operation->kind->count ? operation->kind->steps[step].name
                                                           : "end",
                operation->undoing ? "undone" : "after");
    operation->running = false;
    operation_mark_step(row, step,
                        operation->undoing ? API_STEP_STATUS_ABORTED : API_STEP_STATUS_FINISHED);
    row->step = API_INT(operation->undoing ? step - 1 : step + 1);
    row->last_progress = API_INT(clock_wall_ms());
    if (!operation->undoing && row->step.value < row->steps.count)
        row->steps.items[row->step.value]->start_time = API_INT(clock_wall_ms());
    operation_commit(operation, change, operation_advanced);
}

void operation_done(Operation *operation)
{
    operation_done_with(operation, operation_change(operation));
}

// The failure as those hear it who waited: with what it was that failed.
static void operation_outcome(const Operation *operation, Fail *ret)
{
    AUTO_FREE char *title = operation_title(operation->manager, operation->entity);
    fail_copy(ret, &operation->why);
    fail_prefix(ret, "%s failed. ", title);
}

// An undo may have to wait for a host for days; nobody waits with it.
static void operation_tell_late_undo(Operation *operation)
{
    AUTO_FAIL why = {0};
    if (!operation->undoing ||
        clock_monotonic_ms() - operation->progress_ms < OPERATION_UNDO_PATIENCE_MS)
        return;
    operation_outcome(operation, &why);
    if (!why.hint)
        fail_hint(&why, "What was done before is undone as soon as that is possible; see job %s",
                  operation->entity->id);
    operation_tell_waiters(operation, &why);
}

void operation_wait(Operation *operation, int delay_ms)
{
    operation->running = false;
    operation_tell_late_undo(operation);
    operation_later(operation, delay_ms);
}

static void operation_remembered(const Fail *why, void *argument)
{
    Operation *operation = argument;
    operation->commits--;
    if (operation->closing || operation->commits)
        return; // a later change decides how it goes on
    // What could not be stored is found again by observing.
    operation_later(operation, fail_is_set(why) ? 2000 : operation->remember_delay_ms);
}

void operation_remember(Operation *operation, Change *change, int delay_ms)
{
    change_edit(change, operation->entity);
    operation->running = false;
    operation->remember_delay_ms = delay_ms;
    operation->progress_ms = clock_monotonic_ms();
    operation_commit(operation, change, operation_remembered);
}

void operation_follow(Operation *operation, const char *follower)
{
    memcpy(operation->follower, follower, UUID_SIZE);
}

void operation_wake(Manager *manager, const char *object)
{
    LockHolders *holders = map_get(&manager->operations->locks, object);
    for (size_t i = 0; holders && i < holders->holders.count; i++) {
        Operation *operation = holders->holders.items[i];
        if (!operation->running && !operation->commits &&
            uv_is_active((uv_handle_t *)&operation->timer))
            operation_later(operation, 0);
    }
}

void operation_progress(Operation *operation, int percent)
{
    operation->progress_ms = clock_monotonic_ms();
    if (percent >= 0)
        operation->progress_percent = percent;
}

static void operation_begin_undo(Operation *operation)
{
    Change *change = operation_change(operation);
    ApiDocument *draft = change_edit(change, operation->entity);
    ApiOperation *row = draft->object;
    row->phase = API_OPERATION_PHASE_UNDO;
    row->fault_code = API_INT(operation->why.code);
    row->fault = arena_string(&draft->arena, operation->why.message);
    row->fault_detail = arena_string(&draft->arena, operation->why.detail);
    row->fault_hint = arena_string(&draft->arena, operation->why.hint);
    if (row->step.value >= operation->kind->count)
        row->step = API_INT(operation->kind->count - 1);
    operation_mark_step(row, row->step.value, API_STEP_STATUS_FAILED);
    operation->running = false;
    operation->turn++;
    operation_commit(operation, change, operation_advanced);
}

void operation_fail(Operation *operation, Fail *why)
{
    AUTO_FREE char *text = fail_text(why);
    if (operation->undoing) {
        // Undo must not give up: it is tried again until it works or somebody helps.
        log_warn("operation.undo", LOG_ID("operation", operation->entity->id),
                 "%s: undo of step %s failed and will be repeated: %s", operation->kind->name,
                 operation->kind->steps[operation_row(operation)->step.value].name, text);
        fail_done(why);
        operation_wait(operation, 5000);
        return;
    }
    log_info("operation.failed", LOG_ID("operation", operation->entity->id), "%s: %s",
             operation->kind->name, text);
    fail_move(&operation->why, why);
    operation_begin_undo(operation);
}

static void operation_load_fault(Operation *operation)
{
    const ApiOperation *row = operation_row(operation);
    if (fail_is_set(&operation->why) || !row->fault)
        return;
    operation->why = (Fail){.code = (FailCode)row->fault_code.value,
                            .message = memory_string(row->fault),
                            .detail = memory_string(row->fault_detail),
                            .hint = memory_string(row->fault_hint)};
}

static void operation_ended(const Fail *why, void *argument)
{
    Operation *operation = argument;
    operation->commits--;
    if (fail_is_set(why)) {
        operation_later(operation, 2000);
        return;
    }
    AUTO_FAIL outcome = {0};
    crash_point("operation", operation->kind->name, "end",
                fail_is_set(&operation->why) ? "undone" : "after");
    operation_outcome(operation, &outcome);
    if (*operation->follower) // its locks are taken before ours go
        operation_begin(operation->manager, operation->follower);
    operation_leave(operation, &outcome);
}

static void operation_finish(Operation *operation)
{
    Change *change = operation_change(operation);
    ApiDocument *draft = change_edit(change, operation->entity);
    ApiOperation *row = draft->object;
    operation_load_fault(operation);
    bool undone = row->phase == API_OPERATION_PHASE_UNDO;
    crash_point("operation", operation->kind->name, "end", undone ? "undo" : "before");
    row->phase = API_OPERATION_PHASE_ENDED;
    row->end_time = API_INT(clock_wall_ms());
    row->status = undone ? API_JOB_STATUS_FAILED : API_JOB_STATUS_FINISHED;
    if (operation->kind->finish)
        operation->kind->finish(operation, change, &operation->why);
    operation_commit(operation, change, operation_ended);
}

void operation_wait_end(Operation *operation, OperationEnded ended, void *argument)
{
    Waiter *waiter = NEW(Waiter);
    waiter->ended = ended;
    waiter->argument = argument;
    list_append(&operation->waiters, &waiter->node);
}

// ---- watching, titles, expiry

static const char *context_name(Manager *manager, Kind kind, const char *id, const char *fallback)
{
    Entity *entity = id ? inventory_get(manager->inventory, kind, id) : NULL;
    if (entity && kind == KIND_DISK) {
        const ApiDisk *disk = ENTITY_OBJECT(entity, Disk);
        return disk->alias ? disk->alias : id;
    }
    return entity ? entity_name(entity) : fallback ? fallback : id ? id : "";
}

static bool key_is(const char *key, size_t length, const char *name)
{
    return strlen(name) == length && !memcmp(name, key, length);
}

static const char *title_value(Manager *manager, const ApiOperationContext *context,
                               const char *key, size_t length)
{
    const struct {
        const char *key;
        Kind kind;
        const char *id;
    } rows[] = {
        {"vm", KIND_VM, context->vm},
        {"host", KIND_HOST, context->host},
        {"disk", KIND_DISK, context->disk},
        {"storage_domain", KIND_STORAGE_DOMAIN, context->storage_domain},
        {"data_center", KIND_DATA_CENTER, context->data_center},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (key_is(key, length, rows[i].key))
            return context_name(manager, rows[i].kind, rows[i].id, context->text);
    const char *text = key_is(key, length, "device") ? context->device_name : context->text;
    return text ? text : "";
}

char *operation_title(Manager *manager, const Entity *entity)
{
    const ApiOperation *row = ENTITY_OBJECT(entity, Operation);
    const OperationKind *kind = operations_kind(manager->operations, row->kind);
    const char *at = kind ? kind->title : row->kind;
    AUTO_STRBUF text = {0};
    if (row->external == API_TRUE)
        return memory_string(row->description);
    for (const char *mark; (mark = strstr(at, "${"));) {
        const char *end = strchr(mark, '}');
        strbuf_add(&text, at, (size_t)(mark - at));
        strbuf_adds(&text, title_value(manager, row->context, mark + 2, (size_t)(end - mark - 2)));
        at = end + 1;
    }
    strbuf_adds(&text, at);
    return strbuf_take(&text);
}

const char *operation_step_title(const Manager *manager, const ApiOperation *row, int64_t number)
{
    const OperationKind *kind = operations_kind(manager->operations, row->kind);
    return kind && number >= 0 && number < kind->count ? kind->steps[number].title : NULL;
}

static void operation_alarm(Operation *operation, int64_t silent_ms)
{
    AUTO_FREE char *title = operation_title(operation->manager, operation->entity);
    AUTO_FREE char *detail = memory_format("%lld s", (long long)silent_ms / 1000);
    Cause cause = operation_cause(operation);
    operation->alarmed = true;
    log_warn("operation.silent", LOG_ID("operation", operation->entity->id),
             "%s has made no progress for %s.", title, detail);
    event_write(operation->manager, &cause, EVENT_OPERATION_SILENT,
                &(EventFacts){.name = title, .detail = detail});
}

static void operations_watch(uv_timer_t *timer)
{
    Operations *operations = timer->data;
    int64_t now = clock_monotonic_ms();
    LIST_EACH(&operations->running, Operation, node, operation) {
        int64_t step = operation_row(operation)->step.value;
        int limit = step >= 0 && step < operation->kind->count
                        ? operation->kind->steps[step].silence_ms
                        : 0;
        if (!operation->alarmed &&
            now - operation->progress_ms > (limit ? limit : OPERATION_SILENCE_MS))
            operation_alarm(operation, now - operation->progress_ms);
    }
    operations_expire(operations);
}

void operations_expire(Operations *operations)
{
    Manager *manager = operations->manager;
    int64_t now = clock_wall_ms();
    Change *change = NULL;
    INVENTORY_EACH(manager->inventory, KIND_OPERATION, entity) {
        const ApiOperation *row = ENTITY_OBJECT(entity, Operation);
        int64_t kept = row->status == API_JOB_STATUS_FINISHED ? OPERATION_SUCCESS_KEPT_MS
                                                              : OPERATION_FAILURE_KEPT_MS;
        bool waits_to_be_cleared = row->external == API_TRUE && row->auto_cleared != API_TRUE;
        if (row->phase != API_OPERATION_PHASE_ENDED || now - row->end_time.value < kept ||
            waits_to_be_cleared)
            continue;
        if (!change)
            change = change_new(manager, NULL);
        change_remove(change, entity);
    }
    if (change)
        change_commit(change, NULL, NULL);
}

void operations_write_kinds(const Operations *operations, JsonWriter *writer)
{
    for (size_t i = 0; i < operations->kinds.count; i++) {
        const OperationKind *kind = operations->kinds.items[i];
        json_key(writer, kind->name);
        json_open(writer, '[');
        for (int j = 0; j < kind->count; j++)
            json_put_string(writer, kind->steps[j].name);
        json_close(writer, ']');
    }
}

int operations_running(const Operations *operations)
{
    return operations->count;
}

// ---- engine

Operations *operations_new(Manager *manager)
{
    Operations *operations = NEW(Operations);
    operations->manager = manager;
    list_init(&operations->running);
    uv_timer_init(manager->loop, &operations->watch);
    operations->watch.data = operations;
    uv_timer_start(&operations->watch, operations_watch, OPERATION_WATCH_MS, OPERATION_WATCH_MS);
    return operations;
}

void operations_resume(Operations *operations)
{
    Manager *manager = operations->manager;
    INVENTORY_EACH(manager->inventory, KIND_OPERATION, entity) {
        const ApiOperation *row = ENTITY_OBJECT(entity, Operation);
        const OperationKind *kind = operations_kind(operations, row->kind);
        if (row->phase == API_OPERATION_PHASE_ENDED || row->external == API_TRUE)
            continue;
        if (!kind) {
            log_error("operation.unknown", LOG_ID("operation", entity->id),
                      "The store holds an operation of the unknown kind %s; it is left alone.",
                      row->kind);
            continue;
        }
        log_notice("operation.resume", LOG_ID("operation", entity->id), "%s goes on at step %lld.",
                   kind->name, (long long)row->step.value);
        Operation *operation = operation_new(manager, entity, kind);
        operation_load_fault(operation);
        operation->begun = true;
        operation_later(operation, 0);
    }
}

static void fail_stopping(Fail *why)
{
    fail_set(why, FAIL_UNAVAILABLE,
             "The manager is stopping; the operation goes on after its start.");
}

void operations_dismiss_waiters(Operations *operations)
{
    AUTO_FAIL why = {0};
    fail_stopping(&why);
    LIST_EACH(&operations->running, Operation, node, operation)
        operation_tell_waiters(operation, &why);
}

void operations_stop(Operations *operations)
{
    AUTO_FAIL why = {0};
    fail_stopping(&why);
    LIST_EACH(&operations->running, Operation, node, operation)
        operation_leave(operation, &why);
    uv_close((uv_handle_t *)&operations->watch, NULL);
}

void operations_free(Operations *operations)
{
    if (!operations)
        return;
    array_done(&operations->kinds);
    map_done(&operations->by_id);
    map_done(&operations->locks);
    free(operations);
}
