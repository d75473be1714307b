// Threads that nobody waits for, but that are joined after their end: what libraries keep per
// thread is gone by then. The caller's mutex guards it.
#pragma once

#include <uv.h>

#include "base/array.h"

typedef struct ThreadReaper {
    Array ended; // uv_thread_t of those that are about to return
} ThreadReaper;

// The calling thread will return soon.
static inline void thread_reaper_add(ThreadReaper *reaper)
{
    array_add(&reaper->ended, (void *)uv_thread_self());
}

// To be joined without the mutex, by thread_reaper_join().
static inline ThreadReaper thread_reaper_take(ThreadReaper *reaper)
{
    ThreadReaper taken = *reaper;
    *reaper = (ThreadReaper){0};
    return taken;
}

static inline void thread_reaper_join(ThreadReaper *taken)
{
    for (size_t i = 0; i < taken->ended.count; i++) {
        uv_thread_t thread = (uv_thread_t)taken->ended.items[i];
        uv_thread_join(&thread);
    }
    array_done(&taken->ended);
}
