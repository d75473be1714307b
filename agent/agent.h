// The agent: one process per host, one loop; blocking work (libvirt, files, programs) on libuv's
// pool. Everything hangs here. Members are set before the loop starts and never change after, so
// any thread may follow the pointers; each part says how it guards its own state.
#pragma once

#include <uv.h>

#include "agent/config/config.h"
#include "base/notify.h"
#include "base/stream.h"

typedef struct RpcServer RpcServer;
typedef struct Hypervisor Hypervisor;
typedef struct Vms Vms;
typedef struct Storage Storage;
typedef struct ImageServer ImageServer;
typedef struct ConsoleServer ConsoleServer;
typedef struct HostNetwork HostNetwork;
typedef struct HostReport HostReport;

typedef struct Agent {
    uv_loop_t *loop;
    Config config;
    char *host_id;                       // UUID of this host
    char *host_address;                  // how others reach it
    TlsContext *tls;                     // server side: mutual, for manager and other hosts
    TlsContext *image_tls;               // server side: clients need no certificate, tickets decide
    char *certificate, *key, *authority; // PEM
    RpcServer *rpc;
    Hypervisor *hypervisor;
    Vms *vms;
    Storage *storage;
    ImageServer *images;
    ConsoleServer *consoles;
    HostNetwork *network;
    HostReport *report;
    uv_signal_t sigint, sigterm;
    Notify notify;
    bool stopping;
} Agent;
