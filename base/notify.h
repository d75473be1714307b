// What a daemon tells the service manager that started it: when it is ready, that its loop still
// turns (the watchdog), when it stops. Nothing is done where nobody asked for it.
#pragma once

#include <stdbool.h>
#include <uv.h>

typedef struct Notify {
    uv_timer_t watchdog;
    bool started;
} Notify;

// Ready now; the watchdog is fed from the loop until notify_stop().
void notify_start(Notify *notify, uv_loop_t *loop);
void notify_stop(Notify *notify);
