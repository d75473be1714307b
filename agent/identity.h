// Who this host is: its UUID, its address, its key and certificate.
#pragma once

#include "agent/agent.h"

// Reads certificates and sets up TLS. Fails when the host has not enrolled yet.
int agent_identity_load(Agent *agent, Fail *why);
// The UUID of this machine: from the firmware, or made once and kept.
char *agent_host_id(const Config *config);
// The address others reach this host at, as configured or found.
char *agent_host_address(const Config *config);
char *agent_pki_path(const Config *config, const char *file);
