// All kinds of operations: the engine learns them here, before the store's rows are taken up.
#pragma once

#include "manager/manager.h"

void manager_register_kinds(Manager *manager);
