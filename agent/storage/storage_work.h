// Long work: each piece runs on a thread of its own once its locks are free, so that neither a
// copy of hours nor a hung server takes a thread of the pool from the VMs.
#pragma once

#include <stdatomic.h>

#include "agent/storage/storage_lock.h"

enum {
    WORK_RUNNING_MAX = 20,
    WORK_RUNNING_PER_DOMAIN_MAX = 6, // a hung domain leaves room for the others
    WORK_WAITING_MAX = 1000,
    WORK_END_MS = 10000,
};

typedef struct Work Work;

struct Work {
    List node;
    LockSet locks;
    char *what;              // "creation of volume X"
    char domain[UUID_SIZE];  // whose limit it counts against
    void (*run)(Work *work); // on the work's thread, with the locks
    // On the same thread just before the locks go, or when waiting work is dropped. Frees it.
    void (*ended)(Work *work);
    atomic_bool stop; // asks run() to give up soon
    // Owned by the queue.
    bool running;
    LockHolder *holder;
    struct WorkQueue *queue;
};

typedef struct WorkQueue {
    StorageLocks *locks;
    uv_mutex_t mutex; // guards everything here; taken before the locks' own
    uv_cond_t idle;
    List waiting, running;
    int waiting_count, running_count;
    int threads; // not yet at their end
    bool stopping;
} WorkQueue;

void work_queue_init(WorkQueue *queue, StorageLocks *locks);
// Waits for what runs (after asking it to stop) and drops what waits. False when something hangs:
// the memory must stay then.
bool work_queue_done(WorkQueue *queue);
// -EAGAIN when too much waits. Afterwards the work belongs to the queue until ended().
int work_add(WorkQueue *queue, Work *work);
// Asks it to stop. True when it was still waiting: it is removed and ended() has been called.
bool work_cancel(WorkQueue *queue, Work *work);
