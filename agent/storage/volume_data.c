// The bytes of volumes: allocating, wiping.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/storage/direct.h"
#include "agent/storage/volume.h"
#include "base/file.h"

static const int64_t step = 256 * MIB; // between two looks at `stop`
enum { ZEROS_SIZE = 1024 * 1024 };

static bool stopped(atomic_bool *stop)
{
    return stop && atomic_load(stop);
}

static int write_zeros(int fd, int64_t offset, int64_t end, atomic_bool *stop)
{
    AUTO_FREE void *zeros = direct_buffer(ZEROS_SIZE);
    while (offset < end) {
        size_t part = end - offset < ZEROS_SIZE ? (size_t)(end - offset) : ZEROS_SIZE;
        ssize_t put = pwrite(fd, zeros, part, offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? -errno : -EIO;
        offset += put;
        if (stopped(stop))
            return -ECANCELED;
    }
    return 0;
}

static int allocate(int fd, int64_t offset, int64_t end, atomic_bool *stop)
{
    while (offset < end) {
        int64_t part = end - offset < step ? end - offset : step;
        if (fallocate(fd, 0, offset, part) < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EOPNOTSUPP && errno != ENOSYS)
                return -errno;
            int result = write_zeros(fd, offset, end, stop); // NFS before 4.2 and others
            return result;
        }
        offset += part;
        if (stopped(stop))
            return -ECANCELED;
    }
    return 0;
}

int volume_allocate(const char *path, int64_t offset, int64_t end, atomic_bool *stop, Fail *why)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    int result = fd < 0 ? -errno : allocate(fd, offset, end, stop);
    if (!result && fsync(fd) < 0)
        result = -errno;
    if (result == -ECANCELED)
        return storage_fail(why, VDSM_TASK_ABORTED, "The allocation of %s was stopped", path);
    if (result)
        return storage_errno(why, VDSM_VOLUME_CREATION, result, "%s can't be allocated", path);
    return 0;
}

// Only what holds data: holes read as zeros already.
static int wipe(int fd, int64_t size, atomic_bool *stop)
{
    for (int64_t at = 0; at < size;) {
        off_t data = lseek(fd, at, SEEK_DATA);
        if (data < 0)
            return errno == ENXIO ? 0 : -errno;
        off_t hole = lseek(fd, data, SEEK_HOLE);
        if (hole < 0)
            hole = size;
        int result = write_zeros(fd, data, hole, stop);
        if (result)
            return result;
        at = hole;
    }
    return 0;
}

int volume_wipe(const char *path, atomic_bool *stop, Fail *why)
{
    struct stat info;
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return 0;
    int result = fd < 0 || fstat(fd, &info) < 0 ? -errno : 0;
    // Another link means another image, or a copy of somebody's: the data is not ours to destroy.
    if (!result && info.st_nlink > 1)
        return 0;
    if (!result)
        result = wipe(fd, info.st_size, stop);
    if (!result && fsync(fd) < 0)
        result = -errno;
    if (result == -ECANCELED)
        return storage_fail(why, VDSM_TASK_ABORTED, "The wiping of %s was stopped", path);
    if (result)
        return storage_errno(why, VDSM_VOLUMES_ZEROING, result, "%s can't be wiped", path);
    return 0;
}
