// Actions on running VMs.
#pragma once

#include "manager/vm/vm_call.h"

// Lets a paused VM run on; what "start" means for it.
void vm_resume(Request *request, Entity *vm);
