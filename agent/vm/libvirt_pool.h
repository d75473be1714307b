// Connections to libvirt for callers: each is lent to one caller at a time.
//
// libvirt 9's client leaves a pointer into a returned thread's stack in its loop when several
// threads call through one connection and one of them wakes the other (CVE-2024-4418, mended in
// 10.4): when libvirtd breaks off then, the caller dies with it. A connection that nobody shares
// has no second thread.
#pragma once

#include <stdbool.h>

#include <libvirt/libvirt.h>

#include "base/fail.h"

typedef struct LibvirtPool LibvirtPool;

LibvirtPool *libvirt_pool_new(const char *uri);

// A connection of the caller's own until it is given back, or NULL and UNAVAILABLE. Any thread
// that may wait.
virConnectPtr libvirt_pool_take(LibvirtPool *pool, Fail *why);
// Any thread that may wait.
void libvirt_pool_give(LibvirtPool *pool, virConnectPtr connection);
// It is kept for long without a call on it, as for a console, or is again about to end.
void libvirt_pool_keep(LibvirtPool *pool, virConnectPtr connection, bool keeps);

// To be called every few seconds. Calls that wait for long fail when libvirtd itself is silent:
// it hangs. One that works, however slowly, is waited for.
void libvirt_pool_watch(LibvirtPool *pool);
// Closes what nobody uses.
void libvirt_pool_clear(LibvirtPool *pool);
