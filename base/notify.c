#include "base/notify.h"

#include <systemd/sd-daemon.h>

static void notify_feed(uv_timer_t *timer)
{
    (void)timer;
    sd_notify(0, "WATCHDOG=1");
}

void notify_start(Notify *notify, uv_loop_t *loop)
{
    uint64_t limit_us = 0;
    notify->started = true;
    uv_timer_init(loop, &notify->watchdog);
    if (sd_watchdog_enabled(0, &limit_us) > 0) {
        uint64_t interval_ms = limit_us / 1000 / 3 + 1;
        uv_timer_start(&notify->watchdog, notify_feed, 0, interval_ms);
    }
    sd_notify(0, "READY=1");
}

void notify_stop(Notify *notify)
{
    if (!notify->started)
        return;
    notify->started = false;
    sd_notify(0, "STOPPING=1");
    uv_close((uv_handle_t *)&notify->watchdog, NULL);
}
