// Encrypted SPICE consoles. Whether they are is libvirt's configuration of the host: spice_tls in
// /etc/libvirt/qemu.conf, as VDSM has it too.
#pragma once

#include "agent/agent.h"

// Does this host's libvirt encrypt them? Any thread.
bool spice_tls_is_on(void);
// Gives QEMU this host's certificate in the folder that spice_tls_switch_on() named. Another folder
// in qemu.conf, or certificates of somebody else in this one, are left alone. After the host has
// joined a manager.
void spice_tls_provide(const Agent *agent);
// Switches it on in qemu.conf unless that says something about it already. 1: libvirt has to be
// started again; 0: nothing was changed.
int spice_tls_switch_on(Fail *why);
