// Disk profiles.
#pragma once

#include "base/uuid.h"

// The id of a domain's profile, into the caller's buffer, which is returned.
char *disk_profile_id(const char *domain, char id[UUID_SIZE]);
