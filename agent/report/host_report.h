// What this host is and how it does.
#pragma once

#include "agent/agent.h"

HostReport *host_report_new(Agent *agent);
void host_report_stop(HostReport *report);
