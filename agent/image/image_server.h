// The image server of this host: disks in and out over HTTPS, with tickets, as ovirt-imageio does.
#pragma once

#include "agent/agent.h"
#include "base/fail.h"

ImageServer *image_server_new(Agent *agent, Fail *why);
void image_server_stop(ImageServer *server);
