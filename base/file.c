#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strbuf.h"

#define UNFINISHED ".new"

int file_read(const char *path, size_t limit, char **ret_data, size_t *ret_length)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    AUTO_STRBUF content = {0};
    for (;;) {
        strbuf_reserve(&content, 16384);
        ssize_t got = read(fd, content.data + content.length, 16384);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (!got)
            break;
        content.length += (size_t)got;
        if (content.length > limit)
            return -EFBIG;
    }
    if (ret_length)
        *ret_length = content.length;
    *ret_data = strbuf_take(&content);
    return 0;
}

int fd_write_all(int fd, const void *data, size_t length)
{
    const char *at = data;
    while (length) {
        ssize_t put = write(fd, at, length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? -errno : -EIO;
        at += put;
        length -= (size_t)put;
    }
    return 0;
}

int directory_sync(const char *path)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return fsync(fd) < 0 ? -errno : 0;
}

static int file_write_new(const char *path, const void *data, size_t length, mode_t mode, bool sync)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return -errno;
    if (fchmod(fd, mode) < 0)
        return -errno;
    int result = fd_write_all(fd, data, length);
    if (!result && sync && fsync(fd) < 0)
        result = -errno;
    return result;
}

static int file_write_over(const char *path, const void *data, size_t length, mode_t mode,
                           bool sync)
{
    AUTO_FREE char *fresh = memory_format("%s" UNFINISHED, path);
    int result = file_write_new(fresh, data, length, mode, sync);
    if (!result && rename(fresh, path) < 0)
        result = -errno;
    if (result)
        unlink(fresh);
    return result;
}

int file_write_atomic(const char *path, const void *data, size_t length, mode_t mode)
{
    int result = file_write_over(path, data, length, mode, true);
    if (result)
        return result;
    AUTO_FREE char *copy = memory_string(path);
    return directory_sync(dirname(copy));
}

int file_replace(const char *path, const void *data, size_t length, mode_t mode)
{
    return file_write_over(path, data, length, mode, false);
}

void directory_drop_unfinished(const char *path)
{
    DIR *stream = opendir(path);
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        size_t length = strlen(entry->d_name), end = strlen(UNFINISHED);
        if (length > end && !strcmp(entry->d_name + length - end, UNFINISHED))
            unlinkat(dirfd(stream), entry->d_name, 0);
    }
    if (stream)
        closedir(stream);
}

int directory_make(const char *path, mode_t mode)
{
    AUTO_FREE char *copy = memory_string(path);
    for (char *at = copy; *at; at++) {
        if (*at != '/' || at == copy)
            continue;
        *at = 0;
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return -errno;
        *at = '/';
    }
    if (mkdir(copy, mode) < 0 && errno != EEXIST)
        return -errno;
    struct stat info;
    if (stat(copy, &info) < 0)
        return -errno;
    return S_ISDIR(info.st_mode) ? 0 : -ENOTDIR;
}

// Descriptors instead of paths: a link put in the way meanwhile can't lead us elsewhere.
static int directory_empty(int fd, dev_t device)
{
    DIR *stream = fdopendir(fd);
    if (!stream) {
        int error = -errno;
        close(fd);
        return error;
    }
    int result = 0;
    for (struct dirent *entry; !result && (entry = readdir(stream));) {
        struct stat info;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (fstatat(dirfd(stream), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0) {
            result = errno == ENOENT ? 0 : -errno;
            continue;
        }
        bool directory = S_ISDIR(info.st_mode);
        if (directory && info.st_dev != device) {
            result = -EXDEV;
            continue;
        }
        if (directory) {
            int inner = openat(dirfd(stream), entry->d_name,
                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            result = inner < 0 ? -errno : directory_empty(inner, device);
        }
        if (!result && unlinkat(dirfd(stream), entry->d_name, directory ? AT_REMOVEDIR : 0) < 0 &&
            errno != ENOENT)
            result = -errno;
    }
    closedir(stream);
    return result;
}

int directory_remove(const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (fstat(fd, &info) < 0) {
        close(fd);
        return -errno;
    }
    int result = directory_empty(fd, info.st_dev);
    if (!result && rmdir(path) < 0 && errno != ENOENT)
        result = -errno;
    return result;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}
