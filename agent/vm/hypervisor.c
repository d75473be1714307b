#include "agent/vm/hypervisor.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "agent/network/host_network.h"
#include "agent/rpc/server.h"
#include "agent/vm/accelerator.h"
#include "agent/vm/libvirt_pool.h"
#include "agent/vm/vms.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"

enum {
    RECONNECT_MS = 1000,
    KEEPALIVE_SECONDS = 5,
    KEEPALIVE_COUNT = 3,
    EVENT_KINDS = 8,
    WATCH_MS = 2000,
    // A libvirtd that is only started again is back before anybody needs to know.
    SILENCE_MS = 10000,
};

struct Hypervisor {
    Agent *agent;
    uv_thread_t thread; // runs libvirt's event loop
    bool thread_runs, stopping;
    uv_work_t work; // opening the connection
    uv_timer_t retry, watch;
    LibvirtPool *pool;
    int64_t lost_ms;  // since when there is no connection, 0: there is one. The loop's
    uv_async_t async; // events and the loss of the connection
    uv_mutex_t lock;  // guards everything below
    virConnectPtr connection;
    bool lost;
    Accelerator accelerator;
    char *accelerator_reason;
    List events; // VmEvent.node
    int callbacks[EVENT_KINDS];
};

int libvirt_fail(Fail *why, FailCode code, const char *format, ...)
{
    AUTO_STRBUF text = {0};
    va_list args;
    va_start(args, format);
    strbuf_addv(&text, format, args);
    va_end(args);
    const char *message = virGetLastErrorMessage();
    int result = fail_set(why, code, "%s", text.data);
    fail_detail(why, "libvirt: %s", message ? message : "no reason was given");
    return result;
}

static void libvirt_silence(void *argument, virErrorPtr error)
{
    (void)argument;
    (void)error; // every caller reads the error itself
}

// ---- events, from libvirt's thread

static void hypervisor_post(Hypervisor *hypervisor, virDomainPtr domain, VmEventKind kind,
                            int event, int detail, const char *text)
{
    VmEvent *posted = NEW(VmEvent);
    posted->kind = kind;
    posted->event = event;
    posted->detail = detail;
    posted->text = memory_string(text);
    virDomainGetUUIDString(domain, posted->id);
    uv_mutex_lock(&hypervisor->lock);
    list_append(&hypervisor->events, &posted->node);
    uv_mutex_unlock(&hypervisor->lock);
    uv_async_send(&hypervisor->async);
}

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail,
                        void *argument)
{
    (void)connection;
    hypervisor_post(argument, domain, VM_EVENT_LIFECYCLE, event, detail, NULL);
    return 0;
}

static void on_reboot(virConnectPtr connection, virDomainPtr domain, void *argument)
{
    (void)connection;
    hypervisor_post(argument, domain, VM_EVENT_REBOOT, 0, 0, NULL);
}

static void on_watchdog(virConnectPtr connection, virDomainPtr domain, int action, void *argument)
{
    (void)connection;
    hypervisor_post(argument, domain, VM_EVENT_WATCHDOG, action, 0, NULL);
}

static void on_io_error(virConnectPtr connection, virDomainPtr domain, const char *path,
                        const char *alias, int action, const char *reason, void *argument)
{
    (void)connection;
    (void)path;
    (void)alias;
    hypervisor_post(argument, domain, VM_EVENT_IO_ERROR, action, 0, reason);
}

static void on_agent(virConnectPtr connection, virDomainPtr domain, int state, int reason,
                     void *argument)
{
    (void)connection;
    hypervisor_post(argument, domain, VM_EVENT_GUEST_AGENT, state, reason, NULL);
}

static void on_device_removed(virConnectPtr connection, virDomainPtr domain, const char *alias,
                              void *argument)
{
    (void)connection;
    hypervisor_post(argument, domain, VM_EVENT_DEVICE_REMOVED, 0, 0, alias);
}

static void on_graphics(virConnectPtr connection, virDomainPtr domain, int phase,
                        const virDomainEventGraphicsAddress *local,
                        const virDomainEventGraphicsAddress *remote, const char *scheme,
                        const virDomainEventGraphicsSubject *subject, void *argument)
{
    (void)connection;
    (void)local;
    (void)scheme;
    (void)subject;
    hypervisor_post(argument, domain, VM_EVENT_GRAPHICS, phase, 0, remote ? remote->node : NULL);
}

static const struct {
    int id;
    virConnectDomainEventGenericCallback callback;
} event_rows[EVENT_KINDS] = {
    {VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle)},
    {VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(on_reboot)},
    {VIR_DOMAIN_EVENT_ID_WATCHDOG, VIR_DOMAIN_EVENT_CALLBACK(on_watchdog)},
    {VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, VIR_DOMAIN_EVENT_CALLBACK(on_io_error)},
    {VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_agent)},
    {VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(on_device_removed)},
    {VIR_DOMAIN_EVENT_ID_GRAPHICS, VIR_DOMAIN_EVENT_CALLBACK(on_graphics)},
};

static void on_closed(virConnectPtr connection, int reason, void *argument)
{
    Hypervisor *hypervisor = argument;
    (void)connection;
    (void)reason;
    uv_mutex_lock(&hypervisor->lock);
    hypervisor->lost = true;
    uv_mutex_unlock(&hypervisor->lock);
    uv_async_send(&hypervisor->async);
}

static void on_tick(int timer, void *argument)
{
    (void)timer;
    (void)argument; // only wakes virEventRunDefaultImpl(), so that a stop is seen
}

static void hypervisor_thread(void *argument)
{
    Hypervisor *hypervisor = argument;
    virEventAddTimeout(500, on_tick, NULL, NULL);
    while (!__atomic_load_n(&hypervisor->stopping, __ATOMIC_ACQUIRE))
        if (virEventRunDefaultImpl() < 0)
            uv_sleep(100);
}

// ---- connecting

static virConnectPtr hypervisor_open(Hypervisor *hypervisor)
{
    virConnectPtr connection = virConnectOpen(hypervisor->agent->config.libvirt_uri);
    if (!connection)
        return NULL;
    virConnectRegisterCloseCallback(connection, on_closed, hypervisor, NULL);
    for (size_t i = 0; i < COUNT_OF(event_rows) && event_rows[i].callback; i++)
        hypervisor->callbacks[i] = virConnectDomainEventRegisterAny(
            connection, NULL, event_rows[i].id, event_rows[i].callback, hypervisor, NULL);
    return connection;
}

static void hypervisor_probe(Hypervisor *hypervisor)
{
    char *reason = NULL;
    Accelerator found = accelerator_probe(&hypervisor->agent->config, &reason);
    uv_mutex_lock(&hypervisor->lock);
    hypervisor->accelerator = found;
    hypervisor->accelerator_reason = reason;
    uv_mutex_unlock(&hypervisor->lock);
}

static void hypervisor_open_run(uv_work_t *work)
{
    Hypervisor *hypervisor = work->data;
    if (hypervisor->accelerator == ACCELERATOR_UNKNOWN)
        hypervisor_probe(hypervisor);
    uv_mutex_lock(&hypervisor->lock);
    hypervisor->lost = false;
    uv_mutex_unlock(&hypervisor->lock);
    virConnectPtr connection = hypervisor_open(hypervisor);
    if (!connection) {
        log_warn("libvirt.connect", LOG_NONE, "%s can't be opened: %s",
                 hypervisor->agent->config.libvirt_uri, virGetLastErrorMessage());
        return;
    }
    libvirt_pool_clear(hypervisor->pool); // what is left belonged to the libvirtd before
    host_network_ensure(hypervisor->agent->network, connection);
    vms_recover(hypervisor->agent->vms, connection);
    // Last: nobody may call through it while libvirt's thread asks whether libvirtd lives.
    virConnectSetKeepAlive(connection, KEEPALIVE_SECONDS, KEEPALIVE_COUNT);
    uv_mutex_lock(&hypervisor->lock);
    hypervisor->connection = connection;
    uv_mutex_unlock(&hypervisor->lock);
}

static bool hypervisor_is_lost(Hypervisor *hypervisor)
{
    uv_mutex_lock(&hypervisor->lock);
    bool lost = hypervisor->lost && hypervisor->connection;
    uv_mutex_unlock(&hypervisor->lock);
    return lost;
}

static void hypervisor_drop(Hypervisor *hypervisor)
{
    uv_mutex_lock(&hypervisor->lock);
    virConnectPtr connection = TAKE(hypervisor->connection);
    uv_mutex_unlock(&hypervisor->lock);
    if (!connection)
        return;
    virConnectUnregisterCloseCallback(connection, on_closed);
    for (size_t i = 0; i < COUNT_OF(event_rows) && event_rows[i].callback; i++)
        if (hypervisor->callbacks[i] >= 0)
            virConnectDomainEventDeregisterAny(connection, hypervisor->callbacks[i]);
    virConnectClose(connection);
}

static void hypervisor_retry(uv_timer_t *timer);

static void hypervisor_open_done(uv_work_t *work, int status)
{
    Hypervisor *hypervisor = work->data;
    (void)status;
    if (hypervisor->stopping)
        return;
    // Lost again already: what was asked of it meanwhile is not to be relied on.
    if (hypervisor_is_lost(hypervisor))
        hypervisor_drop(hypervisor);
    if (!hypervisor->connection) {
        uv_timer_start(&hypervisor->retry, hypervisor_retry, RECONNECT_MS, 0);
        return;
    }
    log_notice("libvirt.connect", LOG_NONE, "Connected to %s; guests run with %s.",
               hypervisor->agent->config.libvirt_uri,
               hypervisor->accelerator == ACCELERATOR_KVM ? "KVM" : "TCG");
    hypervisor->lost_ms = 0;
    vms_recovered(hypervisor->agent->vms);
    rpc_server_hold(hypervisor->agent->rpc, NULL);
}

static void hypervisor_retry(uv_timer_t *timer)
{
    Hypervisor *hypervisor = timer->data;
    hypervisor->work.data = hypervisor;
    uv_queue_work(hypervisor->agent->loop, &hypervisor->work, hypervisor_open_run,
                  hypervisor_open_done);
}

static VmEvent *hypervisor_next_event(Hypervisor *hypervisor)
{
    uv_mutex_lock(&hypervisor->lock);
    VmEvent *event = LIST_TAKE(&hypervisor->events, VmEvent, node);
    uv_mutex_unlock(&hypervisor->lock);
    return event;
}

static void hypervisor_woken(uv_async_t *async)
{
    Hypervisor *hypervisor = async->data;
    for (VmEvent *event; (event = hypervisor_next_event(hypervisor));) {
        vms_event(hypervisor->agent->vms, event);
        free(event->text);
        free(event);
    }
    if (hypervisor->stopping || !hypervisor_is_lost(hypervisor))
        return;
    log_warn("libvirt.lost", LOG_NONE, "The connection to libvirt broke; guests keep running.");
    hypervisor->lost_ms = clock_monotonic_ms();
    hypervisor_drop(hypervisor);
    uv_timer_start(&hypervisor->retry, hypervisor_retry, 200, 0);
}

static void hypervisor_look(uv_timer_t *timer)
{
    Hypervisor *hypervisor = timer->data;
    libvirt_pool_watch(hypervisor->pool);
    if (hypervisor->lost_ms && clock_monotonic_ms() - hypervisor->lost_ms > SILENCE_MS)
        rpc_server_hold(hypervisor->agent->rpc, "the host's libvirt does not answer");
}

// ---- for everybody

virConnectPtr hypervisor_take(Hypervisor *hypervisor, Fail *why)
{
    uv_mutex_lock(&hypervisor->lock);
    bool connected = hypervisor->connection && !hypervisor->lost;
    uv_mutex_unlock(&hypervisor->lock);
    virConnectPtr connection = connected ? libvirt_pool_take(hypervisor->pool, why) : NULL;
    if (!connected)
        fail_set(why, FAIL_UNAVAILABLE, "The host's libvirt does not answer.");
    if (!connection)
        fail_hint(why,
                  "Look at the state of libvirtd on the host; the agent connects again by itself");
    return connection;
}

void hypervisor_give(Hypervisor *hypervisor, virConnectPtr connection)
{
    if (connection)
        libvirt_pool_give(hypervisor->pool, connection);
}

virDomainPtr hypervisor_domain(Hypervisor *hypervisor, const char *id, Fail *why)
{
    virConnectPtr connection = hypervisor_take(hypervisor, why);
    if (!connection)
        return NULL;
    virDomainPtr domain = virDomainLookupByUUIDString(connection, id);
    if (domain)
        return domain;
    // A connection that breaks in the middle says nothing about the domain.
    if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
        fail_set(why, FAIL_NOT_FOUND, "libvirt has no running domain %s.", id);
    else
        libvirt_fail(why, FAIL_UNAVAILABLE, "The host's libvirt does not answer.");
    hypervisor_give(hypervisor, connection);
    return NULL;
}

void hypervisor_domain_done(Hypervisor *hypervisor, virDomainPtr domain)
{
    if (!domain)
        return;
    virConnectPtr connection = virDomainGetConnect(domain);
    virDomainFree(domain);
    libvirt_pool_give(hypervisor->pool, connection);
}

void hypervisor_domain_keep(Hypervisor *hypervisor, virDomainPtr domain, bool keeps)
{
    libvirt_pool_keep(hypervisor->pool, virDomainGetConnect(domain), keeps);
}

Accelerator hypervisor_accelerator(const Hypervisor *hypervisor)
{
    return hypervisor->accelerator;
}

const char *hypervisor_accelerator_reason(const Hypervisor *hypervisor)
{
    return hypervisor->accelerator_reason ? hypervisor->accelerator_reason : "";
}

Hypervisor *hypervisor_new(Agent *agent)
{
    Hypervisor *hypervisor = NEW(Hypervisor);
    hypervisor->agent = agent;
    list_init(&hypervisor->events);
    uv_mutex_init(&hypervisor->lock);
    hypervisor->pool = libvirt_pool_new(agent->config.libvirt_uri);
    uv_timer_init(agent->loop, &hypervisor->retry);
    uv_timer_init(agent->loop, &hypervisor->watch);
    uv_async_init(agent->loop, &hypervisor->async, hypervisor_woken);
    hypervisor->retry.data = hypervisor->watch.data = hypervisor->async.data = hypervisor;
    virSetErrorFunc(NULL, libvirt_silence);
    virInitialize();
    virEventRegisterDefaultImpl();
    return hypervisor;
}

void hypervisor_start(Hypervisor *hypervisor)
{
    uv_thread_create(&hypervisor->thread, hypervisor_thread, hypervisor);
    hypervisor->thread_runs = true;
    rpc_server_hold(hypervisor->agent->rpc, "the host is looking for its VMs");
    hypervisor_retry(&hypervisor->retry);
    uv_timer_start(&hypervisor->watch, hypervisor_look, WATCH_MS, WATCH_MS);
}

void hypervisor_stop(Hypervisor *hypervisor)
{
    hypervisor_drop(hypervisor);
    __atomic_store_n(&hypervisor->stopping, true, __ATOMIC_RELEASE);
    if (hypervisor->thread_runs)
        uv_thread_join(&hypervisor->thread);
    uv_close((uv_handle_t *)&hypervisor->retry, NULL);
    uv_close((uv_handle_t *)&hypervisor->watch, NULL);
    uv_close((uv_handle_t *)&hypervisor->async, NULL);
}
