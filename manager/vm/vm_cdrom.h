// CD drives of VMs.
#pragma once

#include "manager/rest/request.h"

// The disk with the ISO image that a client names by id or file name; NULL when it wants an empty
// drive.
int vm_cdrom_resolve(Request *request, const char *file, Entity **ret_disk);
