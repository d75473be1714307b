// What QEMU keeps of a device that libvirt was plugging when it died: files that are open, taps and
// memory that libvirt has never heard of. They would keep a disk locked, and their names taken, until
// the VM stops.
#pragma once

#include "agent/vm/vms.h"

// Closes them; `devices` are those of the domain as libvirt knows it. `alias` may name a network
// interface or memory that is to be plugged. Returns how many there were. Blocks.
int domain_drop_orphans(virDomainPtr domain, const Xml *devices, const char *alias);
bool devices_have_alias(const Xml *devices, const char *alias);
