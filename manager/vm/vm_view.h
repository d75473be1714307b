// How VMs look from outside.
#pragma once

#include "manager/inventory/state.h"
#include "manager/rest/items.h"
#include "rest_handlers.h"

ApiVmStatus vm_status(Manager *manager, const Entity *vm);
ItemView vm_view;
