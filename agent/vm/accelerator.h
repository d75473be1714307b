// Which accelerator really works: a /dev/kvm that is there but hangs its guests exists.
#pragma once

#include "agent/config/config.h"
#include "agent/vm/hypervisor.h"

// Blocks for up to some seconds. *ret_reason is a sentence for people, the caller frees it.
Accelerator accelerator_probe(const Config *config, char **ret_reason);
