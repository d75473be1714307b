// Starts that died with libvirtd.
//
// While libvirtd starts a domain it keeps a status file, at first without the process of QEMU,
// pid='0'. When it is killed then, QEMU ends with it; but the next libvirtd (9.0, as of its
// qemu_process.c) takes the domain for an active one that needs no reconnecting, and the job "start"
// it belongs to is held by nobody for ever: such a domain can be neither used nor destroyed. So these
// files are removed before libvirtd starts.
#pragma once

#include "base/fail.h"

#define LIBVIRT_STATUS_FOLDER "/run/libvirt/qemu"

// Forgets the half starts in the folder and tells each on the log. No libvirtd may run. It is no
// error when there is no such folder.
int half_starts_forget(const char *folder, Fail *why);
