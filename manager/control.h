// The manager's control socket: what `vireo-manager` asks of a running manager. One line of JSON
// in, one line out; only root and the manager's own user can open it.
#pragma once

#include "manager/manager.h"

Control *control_new(Manager *manager, Fail *why);
void control_stop(Control *control);
