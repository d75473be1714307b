#include "agent/storage/storage_work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void queue_pump(void *argument);

void work_queue_init(WorkQueue *queue, StorageLocks *locks)
{
    *queue = (WorkQueue){.locks = locks};
    uv_mutex_init(&queue->mutex);
    uv_cond_init(&queue->idle);
    list_init(&queue->waiting);
    list_init(&queue->running);
    locks->on_freed = queue_pump;
    locks->argument = queue;
}

static void work_end(Work *work)
{
    free(TAKE(work->what));
    work->ended(work);
}

static void work_thread(void *argument)
{
    Work *work = argument;
    WorkQueue *queue = work->queue;
    work->run(work);
    uv_mutex_lock(&queue->mutex);
    list_remove(&work->node);
    queue->running_count--;
    uv_mutex_unlock(&queue->mutex);
    LockHolder *holder = work->holder;
    work_end(work);
    storage_unlock(queue->locks, holder); // pumps
    uv_mutex_lock(&queue->mutex);
    queue->threads--;
    uv_cond_broadcast(&queue->idle);
    uv_mutex_unlock(&queue->mutex);
}

static int queue_running_on(const WorkQueue *queue, const char *domain)
{
    int count = 0;
    LIST_EACH(&queue->running, Work, node, work)
        count += !strcmp(work->domain, domain);
    return count;
}

// An earlier piece that still waits goes first where the two can't go together.
static bool queue_overtakes(const WorkQueue *queue, const Work *work)
{
    LIST_EACH(&queue->waiting, Work, node, earlier) {
        if (earlier == work)
            return false;
        if (lock_set_conflict(&earlier->locks, &work->locks))
            return true;
    }
    return false;
}

static bool work_may_start(WorkQueue *queue, Work *work)
{
    if (queue->running_count >= WORK_RUNNING_MAX ||
        (*work->domain && queue_running_on(queue, work->domain) >= WORK_RUNNING_PER_DOMAIN_MAX) ||
        queue_overtakes(queue, work))
        return false;
    work->holder = storage_lock_try(queue->locks, &work->locks, work->what, NULL);
    return work->holder != NULL;
}

static void work_start(WorkQueue *queue, Work *work)
{
    uv_thread_t thread;
    list_remove(&work->node);
    queue->waiting_count--;
    list_append(&queue->running, &work->node);
    queue->running_count++;
    queue->threads++;
    work->running = true;
    if (uv_thread_create(&thread, work_thread, work))
        abort(); // out of threads: the restart finds every task in its record
    pthread_detach(thread);
}

static void queue_pump(void *argument)
{
    WorkQueue *queue = argument;
    uv_mutex_lock(&queue->mutex);
    LIST_EACH(&queue->waiting, Work, node, work)
        if (!queue->stopping && work_may_start(queue, work))
            work_start(queue, work);
    uv_mutex_unlock(&queue->mutex);
}

int work_add(WorkQueue *queue, Work *work)
{
    uv_mutex_lock(&queue->mutex);
    bool full = queue->waiting_count >= WORK_WAITING_MAX || queue->stopping;
    if (!full) {
        work->queue = queue;
        work->running = false;
        list_append(&queue->waiting, &work->node);
        queue->waiting_count++;
    }
    uv_mutex_unlock(&queue->mutex);
    if (full)
        return -EAGAIN;
    queue_pump(queue);
    return 0;
}

bool work_cancel(WorkQueue *queue, Work *work)
{
    uv_mutex_lock(&queue->mutex);
    atomic_store(&work->stop, true);
    bool waiting = !work->running && work->node.next;
    if (waiting) {
        list_remove(&work->node);
        queue->waiting_count--;
    }
    uv_mutex_unlock(&queue->mutex);
    if (waiting)
        work_end(work);
    return waiting;
}

bool work_queue_done(WorkQueue *queue)
{
    uint64_t deadline = uv_hrtime() + (uint64_t)WORK_END_MS * 1000000;
    uv_mutex_lock(&queue->mutex);
    queue->stopping = true;
    LIST_EACH(&queue->running, Work, node, work)
        atomic_store(&work->stop, true);
    while (queue->threads && uv_hrtime() < deadline)
        uv_cond_timedwait(&queue->idle, &queue->mutex, 100000000);
    bool clean = !queue->threads;
    uv_mutex_unlock(&queue->mutex);
    LIST_EACH(&queue->waiting, Work, node, waiting) {
        list_remove(&waiting->node);
        work_end(waiting);
    }
    if (!clean)
        return false;
    uv_cond_destroy(&queue->idle);
    uv_mutex_destroy(&queue->mutex);
    return true;
}
