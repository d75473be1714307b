// Names of places: how a remote path becomes a mount point, and where a domain keeps what.
#pragma once

#include "base/memory.h"

// "/a//b/../c/" becomes "/a/c"; "server:/a/" becomes "server:/a". The caller frees.
char *path_normalize(const char *remote);
// The directory's name under mnt/: "_" becomes "__", then "/" becomes "_".
char *path_escape(const char *remote);
