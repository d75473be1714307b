#include "tests/storage_agent/crash_wrap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_bool armed;
static atomic_int count;
static int crash_after;

static void arm(int number)
{
    (void)number;
    atomic_store(&armed, true);
}

void crash_wrap_init(void)
{
    const char *after = getenv("VIREO_CRASH_AFTER");
    crash_after = after ? atoi(after) : 0;
    signal(SIGUSR2, arm);
}

static void crash_here(void)
{
    if (crash_after && atomic_load(&armed) && atomic_fetch_add(&count, 1) + 1 == crash_after)
        kill(getpid(), SIGKILL);
}

#define WRAP(type, name, parameters, arguments) \
    type __real_##name parameters;              \
    type __wrap_##name parameters;              \
    type __wrap_##name parameters               \
    {                                           \
        crash_here();                           \
        return __real_##name arguments;         \
    }

WRAP(int, rename, (const char *from, const char *to), (from, to))
WRAP(int, unlink, (const char *path), (path))
WRAP(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
WRAP(int, rmdir, (const char *path), (path))
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(int, link, (const char *from, const char *to), (from, to))
WRAP(int, symlink, (const char *target, const char *path), (target, path))
WRAP(int, chmod, (const char *path, mode_t mode), (path, mode))
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, ftruncate, (int fd, off_t size), (fd, size))
WRAP(int, fallocate, (int fd, int mode, off_t offset, off_t size), (fd, mode, offset, size))
WRAP(int, fsync, (int fd), (fd))
WRAP(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t offset),
     (fd, data, size, offset))

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (flags & O_CREAT)
        crash_here();
    return __real_open(path, flags, mode);
}
