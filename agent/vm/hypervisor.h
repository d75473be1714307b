// The connection to libvirt: opened in the background, opened again when it breaks or hangs. Events
// come through one, every caller has another of his own for as long as he needs it (libvirt_pool.h).
//
// libvirt's event loop runs in a thread of its own, because libvirt calls the event functions from
// whichever thread does its I/O. Domain events are handed to the loop's thread.
#pragma once

#include <libvirt/libvirt.h>

#include "agent/agent.h"
#include "base/fail.h"

typedef enum Accelerator { ACCELERATOR_UNKNOWN, ACCELERATOR_KVM, ACCELERATOR_TCG } Accelerator;

Hypervisor *hypervisor_new(Agent *agent);
void hypervisor_start(Hypervisor *hypervisor);
void hypervisor_stop(Hypervisor *hypervisor);

// A connection until it is given back, or NULL and UNAVAILABLE. Any thread that may wait.
virConnectPtr hypervisor_take(Hypervisor *hypervisor, Fail *why);
void hypervisor_give(Hypervisor *hypervisor, virConnectPtr connection); // NULL is harmless
// The domain with this UUID on a connection of its own; NULL and NOT_FOUND when libvirt has none.
// Any thread that may wait.
virDomainPtr hypervisor_domain(Hypervisor *hypervisor, const char *id, Fail *why);
void hypervisor_domain_done(Hypervisor *hypervisor, virDomainPtr domain); // NULL is harmless
// It is kept for long without a call on it, as for a console, or is again about to end.
void hypervisor_domain_keep(Hypervisor *hypervisor, virDomainPtr domain, bool keeps);
// Known once the agent is ready. Any thread.
Accelerator hypervisor_accelerator(const Hypervisor *hypervisor);
const char *hypervisor_accelerator_reason(const Hypervisor *hypervisor);

// libvirt's last error of this thread as detail of a failure.
int libvirt_fail(Fail *why, FailCode code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
