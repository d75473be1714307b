// Initialization data for a guest's first start, as an OpenStack config drive, which cloud-init and
// its relatives read.
#pragma once

#include "base/arena.h"
#include "manager/vm/domain_xml.h"

// Everything lies in the arena. NULL when there is nothing to tell.
const DomainPayload *cloud_init_payload(Arena *arena, const ApiVm *vm,
                                        const ApiInitialization *initialization);
