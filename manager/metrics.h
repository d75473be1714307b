// /metrics in Prometheus' text format; needs a login, or a client on this machine.
#pragma once

#include "manager/manager.h"

void metrics_handle(Manager *manager, Http *http, const char *rest);
