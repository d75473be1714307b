#include "agent/storage/direct.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/storage/storage_fail.h"

void *direct_buffer(size_t size)
{
    size_t whole = (size + DIRECT_ALIGNMENT - 1) / DIRECT_ALIGNMENT * DIRECT_ALIGNMENT;
    void *buffer = aligned_alloc(DIRECT_ALIGNMENT, whole ? whole : DIRECT_ALIGNMENT);
    if (!buffer)
        abort();
    memset(buffer, 0, whole ? whole : DIRECT_ALIGNMENT);
    return buffer;
}

static int direct_open(const char *path, int flags)
{
    int fd = open(path, flags | O_DIRECT | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 && errno == EINVAL)
        fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
    return fd < 0 ? -errno : fd;
}

// Until the end of the file or of the buffer; returns the number of bytes.
static ssize_t read_full(int fd, char *buffer, size_t size, int64_t offset)
{
    size_t length = 0;
    while (length < size) {
        ssize_t got = pread(fd, buffer + length, size - length, offset + (int64_t)length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        length += (size_t)got;
        if (!got || got % DIRECT_ALIGNMENT) // a part of a block: the end
            break;
    }
    return (ssize_t)length;
}

int direct_read(const char *path, size_t limit, char **ret_data, size_t *ret_length)
{
    AUTO_CLOSE int fd = direct_open(path, O_RDONLY);
    if (fd < 0)
        return fd;
    AUTO_FREE char *buffer = direct_buffer(limit + 1);
    size_t size = (limit + DIRECT_ALIGNMENT) / DIRECT_ALIGNMENT * DIRECT_ALIGNMENT;
    ssize_t length = read_full(fd, buffer, size, 0);
    if (length < 0)
        return (int)length;
    if ((size_t)length > limit)
        return -EFBIG;
    *ret_data = memory_bytes(buffer, (size_t)length);
    *ret_length = (size_t)length;
    return 0;
}

int direct_read_at(const char *path, void *buffer, size_t length, int64_t offset)
{
    AUTO_CLOSE int fd = direct_open(path, O_RDONLY);
    if (fd < 0)
        return fd;
    ssize_t got = read_full(fd, buffer, length, offset);
    if (got < 0)
        return (int)got;
    return (size_t)got == length ? 0 : -ENODATA;
}

int direct_write_at(const char *path, const void *buffer, size_t length, int64_t offset)
{
    AUTO_CLOSE int fd = direct_open(path, O_WRONLY);
    if (fd < 0)
        return fd;
    for (size_t done = 0; done < length;) {
        ssize_t put =
            pwrite(fd, (const char *)buffer + done, length - done, offset + (int64_t)done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? -errno : -EIO;
        done += (size_t)put;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

// Always the same name on one host, so that what a dead agent has left goes with the next probe; and
// no other host's, whose removal would make ours stale.
static char *probe_path(const char *directory, const char *what)
{
    char host[HOST_NAME_MAX + 1] = "";
    gethostname(host, sizeof(host) - 1);
    return memory_format("%s/.probe-%s-%s", directory, what, host);
}

// Two probes of one host may meet: each goes on with the file that it has open.
static int probe_open(const char *path, int flags)
{
    unlink(path);
    return open(path, flags | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
}

int direct_probe_block_size(const char *directory, int *ret)
{
    static const int sizes[] = {1, 512, 4096};
    AUTO_FREE char *path = probe_path(directory, "size");
    AUTO_FREE void *buffer = direct_buffer(DIRECT_ALIGNMENT);
    AUTO_CLOSE int fd = probe_open(path, O_WRONLY);
    int result = fd < 0 ? -errno : -EINVAL;
    for (size_t i = 0; fd >= 0 && i < COUNT_OF(sizes); i++) {
        if (pwrite(fd, buffer, (size_t)sizes[i], 0) == sizes[i]) {
            *ret = sizes[i];
            result = 0;
            break;
        }
        result = -errno;
        if (errno != EINVAL)
            break;
    }
    unlink(path);
    return result;
}

// Full storage is no storage without access: its disks are still there, and room is made by deleting
// some.
static bool is_full(int number)
{
    return number == ENOSPC || number == EDQUOT;
}

// *ret_fd is -1 when it was full.
static int check_write(const char *path, int *ret_fd, const char *directory, Fail *why)
{
    AUTO_FREE char *buffer = direct_buffer(DIRECT_ALIGNMENT);
    memset(buffer, 'v', DIRECT_ALIGNMENT);
    int fd = probe_open(path, O_RDWR);
    if (fd < 0 && errno == EINVAL)
        return storage_fail(why, VDSM_TARGET_UNSUPPORTED,
                            "The file system of %s can't do direct I/O", directory);
    if (fd < 0)
        return is_full(errno) ? 0
                              : storage_errno(why, VDSM_STORAGE_PERMISSION, errno,
                                              "No file can be made in %s", directory);
    ssize_t written = pwrite(fd, buffer, DIRECT_ALIGNMENT, 0);
    if (written == DIRECT_ALIGNMENT) {
        *ret_fd = fd;
        return 0;
    }
    int number = written < 0 ? errno : ENOSPC;
    close(fd);
    return is_full(number) ? 0
                           : storage_errno(why, VDSM_STORAGE_PERMISSION, number,
                                           "A new file in %s can't be written", directory);
}

static int check_read(int fd, const char *directory, Fail *why)
{
    AUTO_FREE char *buffer = direct_buffer(DIRECT_ALIGNMENT);
    if (pread(fd, buffer, DIRECT_ALIGNMENT, 0) != DIRECT_ALIGNMENT)
        return storage_errno(why, VDSM_STORAGE_PERMISSION, errno,
                             "A new file in %s can't be read back", directory);
    if (buffer[0] != 'v' || buffer[DIRECT_ALIGNMENT - 1] != 'v')
        return storage_fail(why, VDSM_STORAGE_PERMISSION,
                            "A new file in %s reads back other bytes than were written", directory);
    return 0;
}

int direct_check_access(const char *directory, Fail *why)
{
    DIR *stream = opendir(directory);
    if (!stream)
        return storage_errno(why, VDSM_STORAGE_PERMISSION, errno, "%s can't be listed", directory);
    closedir(stream);
    AUTO_FREE char *path = probe_path(directory, "access");
    AUTO_CLOSE int fd = -1;
    int error = check_write(path, &fd, directory, why);
    if (!error && fd >= 0)
        error = check_read(fd, directory, why);
    if (unlink(path) < 0 && errno != ENOENT && !error)
        error = storage_errno(why, VDSM_STORAGE_PERMISSION, errno,
                              "A file in %s can't be removed again", directory);
    return error;
}
