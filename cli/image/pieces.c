#include "cli/image/pieces.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"

enum { TICK_MS = 100, RESCUE_MS = 1000 };

// ---- pieces

void pieces_done(Pieces *pieces)
{
    free(pieces->items);
    *pieces = (Pieces){0};
}

void pieces_add(Pieces *pieces, int64_t offset, int64_t length, bool zero)
{
    int64_t limit = zero ? ZERO_PIECE_MAX : PIECE_MAX;
    if (!zero && length > 0)
        pieces->data += length;
    while (length > 0) {
        int64_t step = length < limit ? length : limit;
        if (pieces->count == pieces->capacity) {
            pieces->capacity = pieces->capacity ? pieces->capacity * 2 : 64;
            pieces->items = memory_resize(pieces->items, pieces->capacity, sizeof(Piece));
        }
        pieces->items[pieces->count++] = (Piece){offset, step, zero};
        offset += step;
        length -= step;
    }
}

int pieces_of_file(int fd, int64_t length, Pieces *ret)
{
    for (int64_t at = 0; at < length;) {
        int64_t data = lseek(fd, at, SEEK_DATA);
        if (data < 0 && errno != ENXIO) { // no holes are known here
            pieces_add(ret, at, length - at, false);
            return 0;
        }
        if (data < 0 || data > length)
            data = length;
        pieces_add(ret, at, data - at, true);
        int64_t hole = data < length ? lseek(fd, data, SEEK_HOLE) : length;
        if (hole < 0)
            return -errno;
        hole = hole < length ? hole : length;
        pieces_add(ret, data, hole - data, false);
        at = hole;
    }
    return 0;
}

bool pieces_of_extents(const Json *list, Pieces *ret, int64_t *ret_size)
{
    int64_t end = 0;
    if (!list || list->kind != JSON_ARRAY)
        return false;
    JSON_EACH(list, extent) {
        int64_t start = json_get_integer(extent, "start", -1);
        int64_t length = json_get_integer(extent, "length", -1);
        if (start != end || length <= 0 || length > INT64_MAX - start)
            return false;
        pieces_add(ret, start, length, json_get_bool(extent, "zero", false));
        end = start + length;
    }
    *ret_size = end;
    return true;
}

// ---- workers

typedef struct Workshop {
    const PieceJob *job;
    pthread_mutex_t lock; // for everything that is not atomic
    pthread_cond_t wake;
    size_t next; // piece that nobody has taken yet
    Array again; // const Piece *: broken off
    size_t finished;
    bool stop;
    int active;   // threads
    Fail failure; // the last one, as long as it may go away; the one that ended all
    bool troubled, fatal;
    atomic_llong done;  // bytes of data, for the progress
    atomic_llong alive; // bytes that have ever moved
} Workshop;

typedef struct WorkThread {
    Worker worker;
    Workshop *shop;
    pthread_t thread;
    int64_t counted; // of the current piece
    bool zero;
} WorkThread;

static void worker_moved(Worker *worker, int64_t bytes)
{
    WorkThread *thread = (WorkThread *)worker;
    atomic_fetch_add(&thread->shop->alive, bytes);
    if (thread->zero)
        return;
    thread->counted += bytes;
    atomic_fetch_add(&thread->shop->done, bytes);
}

// What the daemon or the network may get over.
static bool is_passing(const Fail *why)
{
    static const FailCode codes[] = {FAIL_UNAVAILABLE, FAIL_TIMED_OUT, FAIL_TOO_MANY,
                                     FAIL_FORBIDDEN,   FAIL_NOT_FOUND, FAIL_INTERNAL,
                                     FAIL_GONE};
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (why->code == codes[i])
            return true;
    return false;
}

static const Piece *shop_take(Workshop *shop)
{
    const Piece *piece = NULL;
    pthread_mutex_lock(&shop->lock);
    if (!shop->stop && shop->again.count)
        piece = shop->again.items[--shop->again.count];
    else if (!shop->stop && shop->next < shop->job->pieces->count)
        piece = &shop->job->pieces->items[shop->next++];
    pthread_mutex_unlock(&shop->lock);
    return piece;
}

static bool shop_all_done(Workshop *shop)
{
    pthread_mutex_lock(&shop->lock);
    bool all = shop->stop || shop->finished == shop->job->pieces->count;
    pthread_mutex_unlock(&shop->lock);
    return all;
}

static void shop_give_back(Workshop *shop, const Piece *piece, Fail *why)
{
    pthread_mutex_lock(&shop->lock);
    array_add(&shop->again, (void *)piece);
    if (!shop->fatal) {
        shop->fatal = !is_passing(why);
        shop->stop = shop->stop || shop->fatal;
        fail_move(&shop->failure, why);
    }
    shop->troubled = true;
    pthread_mutex_unlock(&shop->lock);
}

static void pause_ms(int ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

static void worker_do(WorkThread *thread, const Piece *piece)
{
    Workshop *shop = thread->shop;
    AUTO_FAIL why = {0};
    thread->counted = 0;
    thread->zero = piece->zero;
    if (shop->job->work(&thread->worker, piece, &why)) {
        atomic_fetch_sub(&shop->done, thread->counted);
        shop_give_back(shop, piece, &why);
        pause_ms(RESCUE_MS);
        return;
    }
    pthread_mutex_lock(&shop->lock);
    shop->finished++;
    pthread_mutex_unlock(&shop->lock);
}

static void *worker_main(void *argument)
{
    WorkThread *thread = argument;
    Workshop *shop = thread->shop;
    while (!shop_all_done(shop)) {
        const Piece *piece = http_interrupted() ? NULL : shop_take(shop);
        if (piece)
            worker_do(thread, piece);
        else // somebody else's piece may come back
            pause_ms(TICK_MS);
    }
    pthread_mutex_lock(&shop->lock);
    shop->active--;
    pthread_cond_signal(&shop->wake);
    pthread_mutex_unlock(&shop->lock);
    return NULL;
}

// ---- the thread that watches

static bool shop_wait(Workshop *shop)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += TICK_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&shop->lock);
    if (shop->active)
        pthread_cond_timedwait(&shop->wake, &shop->lock, &until);
    bool busy = shop->active > 0;
    pthread_mutex_unlock(&shop->lock);
    return busy;
}

static void shop_end(Workshop *shop, Fail *why)
{
    pthread_mutex_lock(&shop->lock);
    shop->stop = true;
    if (fail_is_set(why) && !shop->fatal) {
        shop->fatal = true;
        fail_move(&shop->failure, why);
    }
    pthread_mutex_unlock(&shop->lock);
}

static void shop_rescue(Workshop *shop, int64_t silent_ms)
{
    AUTO_FAIL why = {0};
    pthread_mutex_lock(&shop->lock);
    bool troubled = shop->troubled;
    shop->troubled = false;
    pthread_mutex_unlock(&shop->lock);
    if (!troubled)
        return;
    if (silent_ms > shop->job->timeout_s * 1000) {
        pthread_mutex_lock(&shop->lock);
        shop->fatal = shop->stop = true;
        fail_prefix(&shop->failure,
                    "Nothing has moved for %lld s: ", (long long)shop->job->timeout_s);
        pthread_mutex_unlock(&shop->lock);
    } else if (shop->job->rescue(shop->job->owner, &why))
        shop_end(shop, &why);
}

static void shop_watch(Workshop *shop, Progress *progress)
{
    int64_t alive = 0, alive_ms = clock_monotonic_ms(), rescue_ms = 0;
    while (shop_wait(shop)) {
        int64_t now = clock_monotonic_ms(), moved = atomic_load(&shop->alive);
        if (moved != alive) {
            alive = moved;
            alive_ms = now;
        }
        if (http_interrupted())
            shop_end(shop, NULL);
        progress_bytes(progress, atomic_load(&shop->done), shop->job->pieces->data);
        if (now - rescue_ms >= RESCUE_MS) {
            rescue_ms = now;
            shop_rescue(shop, now - alive_ms);
        }
    }
    progress_bytes(progress, atomic_load(&shop->done), shop->job->pieces->data);
}

static void shop_start(Workshop *shop, WorkThread *threads, int count)
{
    for (int i = 0; i < count; i++) {
        WorkThread *thread = &threads[i];
        *thread = (WorkThread){.shop = shop};
        thread->worker = (Worker){.http = http_client_new(shop->job->authority),
                                  .owner = shop->job->owner,
                                  .moved = worker_moved};
        shop->active++;
        if (pthread_create(&thread->thread, NULL, worker_main, thread))
            abort(); // no memory
    }
}

int workers_run(const PieceJob *job, Progress *progress, Fail *why)
{
    Workshop shop = {
        .job = job, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
    WorkThread threads[WORKERS_MAX];
    int count = job->connections < 1             ? 1
                : job->connections > WORKERS_MAX ? WORKERS_MAX
                                                 : job->connections;
    pthread_mutex_lock(&shop.lock);
    shop_start(&shop, threads, count);
    pthread_mutex_unlock(&shop.lock);
    shop_watch(&shop, progress);
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i].thread, NULL);
        http_client_free(threads[i].worker.http);
    }
    int result = 0;
    if (shop.fatal) {
        fail_move(why, &shop.failure);
        result = fail_to_errno(why ? why->code : FAIL_INTERNAL);
    } else if (http_interrupted())
        result = fail_set(why, FAIL_UNAVAILABLE, "Interrupted.");
    fail_done(&shop.failure);
    array_done(&shop.again);
    return result;
}
