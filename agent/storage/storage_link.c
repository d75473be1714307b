#include "agent/storage/storage_link.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/uuid.h"

int link_point(const char *link, const char *target)
{
    char now[PATH_MAX], id[UUID_SIZE];
    ssize_t length = readlink(link, now, sizeof(now));
    if (length == (ssize_t)strlen(target) && !memcmp(now, target, (size_t)length))
        return 0;
    AUTO_FREE char *fresh = memory_format("%s.%s", link, uuid_new(id));
    if (symlink(target, fresh) < 0)
        return -errno;
    if (rename(fresh, link) == 0)
        return 0;
    int error = -errno;
    unlink(fresh);
    return error;
}
