// The connection to libvirt: opened in the background, opened again when it breaks.
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

// The connection, with a reference for the caller (virConnectClose), or NULL and UNAVAILABLE. Any
// thread.
virConnectPtr hypervisor_connect(Hypervisor *hypervisor, Fail *why);
// The domain with this UUID; NULL and NOT_FOUND when libvirt has none. virDomainFree. Any thread.
virDomainPtr hypervisor_domain(Hypervisor *hypervisor, const char *id, Fail *why);
// Known once the agent is ready. Any thread.
Accelerator hypervisor_accelerator(const Hypervisor *hypervisor);
const char *hypervisor_accelerator_reason(const Hypervisor *hypervisor);

// libvirt's last error of this thread as detail of a failure.
int libvirt_fail(Fail *why, FailCode code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
