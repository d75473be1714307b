#include "base/bounded.h"

#include <errno.h>
#include <stdlib.h>

#include <uv.h>

#include "base/memory.h"

typedef struct Bounded {
    uv_mutex_t mutex; // guards the two
    uv_cond_t changed;
    bool ended, left;
    void (*run)(void *argument);
    void (*abandoned)(void *argument);
    void *argument;
} Bounded;

static void bounded_free(Bounded *bounded)
{
    uv_cond_destroy(&bounded->changed);
    uv_mutex_destroy(&bounded->mutex);
    free(bounded);
}

static void bounded_thread(void *argument)
{
    Bounded *bounded = argument;
    bounded->run(bounded->argument);
    uv_mutex_lock(&bounded->mutex);
    bounded->ended = true;
    bool left = bounded->left;
    uv_cond_signal(&bounded->changed);
    uv_mutex_unlock(&bounded->mutex);
    if (!left)
        return;
    bounded->abandoned(bounded->argument);
    bounded_free(bounded);
}

static bool bounded_wait(Bounded *bounded, int timeout_ms)
{
    uint64_t deadline = uv_hrtime() + (uint64_t)timeout_ms * 1000000;
    uv_mutex_lock(&bounded->mutex);
    while (!bounded->ended) {
        uint64_t now = uv_hrtime();
        if (now >= deadline)
            break;
        uv_cond_timedwait(&bounded->changed, &bounded->mutex, deadline - now);
    }
    bool ended = bounded->ended;
    bounded->left = !ended;
    uv_mutex_unlock(&bounded->mutex);
    return ended;
}

int bounded_call(void (*run)(void *argument), void (*abandoned)(void *argument), void *argument,
                 int timeout_ms)
{
    uv_thread_t thread;
    Bounded *bounded = NEW(Bounded);
    uv_mutex_init(&bounded->mutex);
    uv_cond_init(&bounded->changed);
    bounded->run = run;
    bounded->abandoned = abandoned;
    bounded->argument = argument;
    if (uv_thread_create(&thread, bounded_thread, bounded)) {
        bounded_free(bounded);
        run(argument);
        return 0;
    }
    bool ended = bounded_wait(bounded, timeout_ms);
    if (!ended) {
        pthread_detach(thread);
        return -ETIMEDOUT;
    }
    uv_thread_join(&thread);
    bounded_free(bounded);
    return 0;
}
