// Image transfers: disks in and out, through tickets on hosts.
#pragma once

#include "manager/manager.h"

Transfers *transfers_new(Manager *manager, Fail *why);
// Takes up what the store holds.
void transfers_start(Transfers *transfers);
void transfers_stop(Transfers *transfers);
