// Networks of this host. In nat mode the agent makes the management bridge with DHCP and address
// translation, as a libvirt network, so that guests of a single machine get addresses.
#pragma once

#include <libvirt/libvirt.h>

#include "agent/agent.h"
#include "base/json.h"

HostNetwork *host_network_new(Agent *agent);
void host_network_stop(HostNetwork *network);
// From a pool thread with a fresh connection to libvirt: makes what is missing.
void host_network_ensure(HostNetwork *network, virConnectPtr connection);
// Members networks, bridges, bondings, vlans, nics, nameservers of the capabilities.
void host_network_write_capabilities(HostNetwork *network, JsonWriter *writer);
// Members network {nic: {rx, tx, state, speed, ...}}, rxDropped and txDropped of the statistics.
void host_network_write_stats(JsonWriter *writer);
