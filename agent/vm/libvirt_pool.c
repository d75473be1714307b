#include "agent/vm/libvirt_pool.h"

#include <errno.h>
#include <stdlib.h>

#include <uv.h>

#include "agent/vm/hypervisor.h"
#include "base/bounded.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/memory.h"

enum {
    IDLE_MAX = 4,
    OPEN_MS = 10000,
    WATCH_AFTER_MS = 10000,
    WATCH_SECONDS = 5, // between questions to libvirtd
    WATCH_COUNT = 2,   // unanswered ones
};

typedef struct Loan {
    List node; // of idle or lent
    virConnectPtr connection;
    int64_t since_ms;
    bool kept, watched;
} Loan;

struct LibvirtPool {
    char *uri;
    uv_mutex_t lock; // guards everything below
    uv_cond_t opened;
    bool opening;
    List idle, lent;
    int idle_count;
};

// libvirtd is asked by libvirt's event thread from here on. Never while the connection has no call
// under way: the question and a call that begins in the same moment are two threads in one client.
static void loan_watch(Loan *loan)
{
    loan->watched = true;
    virConnectSetKeepAlive(loan->connection, WATCH_SECONDS, WATCH_COUNT);
}

static void loan_close(Loan *loan)
{
    if (loan->watched)
        virConnectSetKeepAlive(loan->connection, 0, 0);
    virConnectClose(loan->connection);
    free(loan);
}

static Loan *pool_take_idle(LibvirtPool *pool)
{
    uv_mutex_lock(&pool->lock);
    Loan *loan = LIST_TAKE(&pool->idle, Loan, node);
    pool->idle_count -= loan != NULL;
    uv_mutex_unlock(&pool->lock);
    return loan;
}

// ---- opening

typedef struct Attempt {
    LibvirtPool *pool;
    virConnectPtr connection;
    Fail why;
} Attempt;

static void attempt_run(void *argument)
{
    Attempt *attempt = argument;
    LibvirtPool *pool = attempt->pool;
    attempt->connection = virConnectOpen(pool->uri);
    if (!attempt->connection)
        libvirt_fail(&attempt->why, FAIL_UNAVAILABLE, "The host's libvirt does not answer.");
    uv_mutex_lock(&pool->lock);
    pool->opening = false;
    uv_cond_signal(&pool->opened);
    uv_mutex_unlock(&pool->lock);
}

static void attempt_free(void *argument)
{
    Attempt *attempt = argument;
    if (attempt->connection)
        virConnectClose(attempt->connection);
    fail_done(&attempt->why);
    free(attempt);
}

// One attempt at a time: libvirt knows no time limit for it, so a hung libvirtd holds one thread.
static bool pool_may_open(LibvirtPool *pool)
{
    uint64_t end = uv_hrtime() + OPEN_MS * UINT64_C(1000000);
    uv_mutex_lock(&pool->lock);
    while (pool->opening) {
        uint64_t now = uv_hrtime();
        if (now >= end || uv_cond_timedwait(&pool->opened, &pool->lock, end - now))
            break;
    }
    bool may = !pool->opening;
    pool->opening = true;
    uv_mutex_unlock(&pool->lock);
    return may;
}

static virConnectPtr pool_open(LibvirtPool *pool, Fail *why)
{
    Attempt *attempt = NEW(Attempt);
    attempt->pool = pool;
    int result = -ETIMEDOUT;
    if (pool_may_open(pool))
        result = bounded_call(attempt_run, attempt_free, attempt, OPEN_MS);
    else
        free(attempt);
    if (result) {
        fail_set(why, FAIL_UNAVAILABLE, "The host's libvirt has not answered for %d s.",
                 OPEN_MS / 1000);
        return NULL;
    }
    virConnectPtr connection = TAKE(attempt->connection);
    if (!connection)
        fail_move(why, &attempt->why);
    attempt_free(attempt);
    return connection;
}

// ---- lending

virConnectPtr libvirt_pool_take(LibvirtPool *pool, Fail *why)
{
    Loan *loan;
    while ((loan = pool_take_idle(pool)) && virConnectIsAlive(loan->connection) != 1)
        loan_close(loan);
    if (!loan) {
        virConnectPtr connection = pool_open(pool, why);
        if (!connection)
            return NULL;
        loan = NEW(Loan);
        loan->connection = connection;
    }
    loan->since_ms = clock_monotonic_ms();
    loan->kept = false;
    uv_mutex_lock(&pool->lock);
    list_append(&pool->lent, &loan->node);
    uv_mutex_unlock(&pool->lock);
    return loan->connection;
}

static Loan *pool_find_lent(LibvirtPool *pool, virConnectPtr connection)
{
    LIST_EACH(&pool->lent, Loan, node, loan)
        if (loan->connection == connection)
            return loan;
    return NULL;
}

void libvirt_pool_give(LibvirtPool *pool, virConnectPtr connection)
{
    bool alive = virConnectIsAlive(connection) == 1;
    uv_mutex_lock(&pool->lock);
    Loan *loan = pool_find_lent(pool, connection);
    list_remove(&loan->node);
    bool keeps = alive && !loan->watched && pool->idle_count < IDLE_MAX;
    if (keeps) {
        list_append(&pool->idle, &loan->node);
        pool->idle_count++;
    }
    uv_mutex_unlock(&pool->lock);
    if (!keeps)
        loan_close(loan);
}

void libvirt_pool_keep(LibvirtPool *pool, virConnectPtr connection, bool keeps)
{
    uv_mutex_lock(&pool->lock);
    Loan *loan = pool_find_lent(pool, connection);
    loan->kept = keeps;
    loan->since_ms = clock_monotonic_ms();
    uv_mutex_unlock(&pool->lock);
}

void libvirt_pool_watch(LibvirtPool *pool)
{
    int64_t now = clock_monotonic_ms();
    uv_mutex_lock(&pool->lock);
    LIST_EACH(&pool->lent, Loan, node, loan)
        if (!loan->kept && !loan->watched && now - loan->since_ms > WATCH_AFTER_MS)
            loan_watch(loan);
    uv_mutex_unlock(&pool->lock);
}

void libvirt_pool_clear(LibvirtPool *pool)
{
    for (Loan *loan; (loan = pool_take_idle(pool));)
        loan_close(loan);
}

LibvirtPool *libvirt_pool_new(const char *uri)
{
    LibvirtPool *pool = NEW(LibvirtPool);
    pool->uri = memory_string(uri);
    uv_mutex_init(&pool->lock);
    uv_cond_init(&pool->opened);
    list_init(&pool->idle);
    list_init(&pool->lent);
    return pool;
}
