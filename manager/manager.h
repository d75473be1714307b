// The manager: one process, one loop, everything hangs here.
#pragma once

#include <uv.h>

#include "base/certificate.h"
#include "base/http_server.h"
#include "base/notify.h"
#include "base/stream.h"
#include "manager/config/config.h"

typedef struct Inventory Inventory;
typedef struct Store Store;
typedef struct EventLog EventLog;
typedef struct Operations Operations;
typedef struct Identity Identity;
typedef struct Fleet Fleet;
typedef struct Transfers Transfers;
typedef struct Control Control;
typedef struct SerialConsoles SerialConsoles;

typedef struct Manager {
    uv_loop_t *loop;
    Config config;
    char *config_path;
    Inventory *inventory;
    Store *store;
    EventLog *events;
    Operations *operations;
    Identity *identity;
    Fleet *fleet;
    Transfers *transfers;
    Control *control;
    SerialConsoles *consoles;
    CertificatePair authority, certificate;
    TlsContext *server_tls, *agent_tls;
    HttpServer *http;
    Listener *listener;
    char *instance_id;
    int64_t start_ms;   // monotonic
    int64_t last_event; // number of the newest event found in the store
    uv_signal_t sigint, sigterm;
    uv_timer_t daily;
    Notify notify;
    bool stopping;
    int exit_code;
} Manager;

// Opens the store, loads it, makes what a new installation needs, listens. The loop does the rest.
int manager_start(Manager *manager, Fail *why);
void manager_stop(Manager *manager);
// Fills an empty store: Default data centre and cluster, ovirtmgmt, Blank, the administrator.
int manager_bootstrap(Manager *manager, Fail *why);
// A value of KIND_SETTING, or NULL.
const char *manager_setting(const Manager *manager, const char *name);
