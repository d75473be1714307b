// Loaded into a real agent by the tests: counts its acts that are seen outside of it, changes of the
// file system, calls of libvirt that change something, programs it starts, and kills the agent, or
// libvirtd, around a chosen one. The file that VIREO_CRASH_CONTROL names, mapped, says which; the
// acts are written down in the file beside it that ends in ".trace". See crash_control.py.
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libvirt/libvirt.h>
#include <uv.h>

enum { WHEN_BEFORE, WHEN_DURING, WHEN_AFTER };
enum { VICTIM_AGENT, VICTIM_LIBVIRTD };
enum { NAME_SIZE = 48, DEATH_US = 20000 };

// All numbers are 32 bits wide, as crash_control.py packs them.
typedef struct Control {
    volatile int32_t armed;
    int32_t count;        // of all acts since it was armed
    int32_t matches;      // of those that have the name below
    int32_t kill_at;      // which of them, from 1; 0: none
    int32_t when;         // WHEN_
    int32_t victim;       // VICTIM_
    int32_t delay_us;     // WHEN_DURING: so long after the act's beginning
    int32_t again;        // which of the next agent's acts kills that one too; 0: none
    int32_t killed;       // number of the act, 0 as long as it has not come
    int32_t killed_again; // likewise
    int32_t born;         // the number of the next agent's first act, 0 as long as nobody has died
    char name[NAME_SIZE]; // "" matches every act
} Control;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Control *control;
static int trace = -1;

__attribute__((constructor)) static void crash_init(void)
{
    char path[PATH_MAX];
    const char *name = getenv("VIREO_CRASH_CONTROL");
    unsetenv("LD_PRELOAD"); // not for what the agent starts
    unsetenv("VIREO_CRASH_CONTROL");
    int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    snprintf(path, sizeof(path), "%s.trace", name);
    void *map = mmap(NULL, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    trace = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (map == MAP_FAILED || trace < 0)
        return;
    control = map;
    if (control->armed && control->killed && !control->killed_again)
        control->born = control->count + 1;
}

static void kill_libvirtd(void)
{
    FILE *file = fopen("/run/libvirtd.pid", "re");
    int process = 0;
    if (file && fscanf(file, "%d", &process) == 1 && process > 1)
        kill(process, SIGKILL);
    if (file)
        fclose(file);
    usleep(DEATH_US); // until the kernel has closed its sockets
}

static void crash_now(void)
{
    if (control->victim == VICTIM_AGENT)
        kill(getpid(), SIGKILL);
    else
        kill_libvirtd();
}

static void *crash_later(void *unused)
{
    (void)unused;
    usleep((useconds_t)control->delay_us);
    crash_now();
    return NULL;
}

static void write_line(int number, const char *name, const char *object)
{
    char line[512];
    int length = snprintf(line, sizeof(line), "%d %s %.400s\n", number, name, object);
    ssize_t written = write(trace, line, (size_t)length);
    (void)written;
}

// Returns the act's number when it is the chosen one.
static int count_act(const char *name, const char *object)
{
    bool matches = !*control->name || !strncmp(control->name, name, NAME_SIZE);
    int number = ++control->count;
    write_line(number, name, object);
    if (control->born && control->again && number == control->born + control->again - 1)
        return control->killed_again = number;
    if (!matches || ++control->matches != control->kill_at)
        return 0;
    return control->killed = number;
}

static int act_begin(const char *name, const char *object)
{
    pthread_t thread;
    if (!control || !control->armed)
        return 0;
    pthread_mutex_lock(&lock);
    int chosen = count_act(name, object ? object : "");
    if (chosen && control->when == WHEN_BEFORE)
        crash_now();
    pthread_mutex_unlock(&lock);
    if (chosen && control->when == WHEN_DURING && !pthread_create(&thread, NULL, crash_later, NULL))
        pthread_detach(thread);
    return chosen;
}

static void act_end(int chosen)
{
    if (chosen && control->when == WHEN_AFTER)
        crash_now();
}

static const char *descriptor_path(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = 0;
    return path;
}

// The whole of a wrapper; `object` tells in the trace what it was done to. What is there already is
// not made, and what is not there is not removed: only with the condition it is an act.
#define WRAP_WHEN(condition, type, name, text, parameters, arguments, object) \
    type name parameters                                                      \
    {                                                                         \
        char path[PATH_MAX];                                                  \
        static type(*real) parameters;                                        \
        if (!real)                                                            \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                        \
        (void)path;                                                           \
        int chosen = (condition) ? act_begin(text, object) : 0;               \
        type result = real arguments;                                         \
        act_end(chosen);                                                      \
        return result;                                                        \
    }

#define WRAP(type, name, text, parameters, arguments, object) \
    WRAP_WHEN(true, type, name, text, parameters, arguments, object)

// ---- the file system

static bool is_there(const char *name)
{
    struct stat info;
    return lstat(name, &info) == 0;
}

WRAP(int, rename, "rename", (const char *from, const char *to), (from, to), to)
WRAP_WHEN(is_there(name), int, unlink, "unlink", (const char *name), (name), name)
WRAP(int, unlinkat, "unlinkat", (int fd, const char *name, int flags), (fd, name, flags), name)
WRAP(int, rmdir, "rmdir", (const char *name), (name), name)
WRAP_WHEN(!is_there(name), int, mkdir, "mkdir", (const char *name, mode_t mode), (name, mode), name)
WRAP(int, link, "link", (const char *from, const char *to), (from, to), to)
WRAP(int, symlink, "symlink", (const char *target, const char *name), (target, name), name)
WRAP(int, chmod, "chmod", (const char *name, mode_t mode), (name, mode), name)
WRAP(int, ftruncate64, "ftruncate", (int fd, off64_t size), (fd, size), descriptor_path(fd, path))
WRAP(int, fallocate64, "fallocate", (int fd, int mode, off64_t offset, off64_t size),
     (fd, mode, offset, size), descriptor_path(fd, path))
WRAP(int, fsync, "fsync", (int fd), (fd), descriptor_path(fd, path))
WRAP(int, fdatasync, "fdatasync", (int fd), (fd), descriptor_path(fd, path))
WRAP(ssize_t, pwrite64, "pwrite", (int fd, const void *data, size_t size, off64_t offset),
     (fd, data, size, offset), descriptor_path(fd, path))

// A file's making is an act. The mode is there only then.
static int open_counted(const char *text, int fd, const char *name, int flags, va_list arguments)
{
    static int (*real)(int, const char *, int, ...);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "openat64");
    bool makes = (flags & O_CREAT) && strncmp(name, "/dev/", 5);
    int chosen = makes ? act_begin(text, name) : 0;
    int result = real(fd, name, flags, flags & O_CREAT ? va_arg(arguments, mode_t) : 0);
    act_end(chosen);
    return result;
}

int open64(const char *name, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int result = open_counted("open", AT_FDCWD, name, flags, arguments);
    va_end(arguments);
    return result;
}

int openat64(int fd, const char *name, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int result = open_counted("openat", fd, name, flags, arguments);
    va_end(arguments);
    return result;
}

// ---- programs

WRAP(int, uv_spawn, "spawn",
     (uv_loop_t * loop, uv_process_t *process, const uv_process_options_t *options),
     (loop, process, options), options->file)

// ---- libvirt

#define WRAP_DOMAIN(name, parameters, arguments) \
    WRAP(int, name, #name, parameters, arguments, virDomainGetName(domain))

WRAP(virDomainPtr, virDomainCreateXML, "virDomainCreateXML",
     (virConnectPtr connection, const char *xml, unsigned int flags), (connection, xml, flags), "")
WRAP_DOMAIN(virDomainDestroy, (virDomainPtr domain), (domain))
WRAP_DOMAIN(virDomainDestroyFlags, (virDomainPtr domain, unsigned int flags), (domain, flags))
WRAP_DOMAIN(virDomainAttachDeviceFlags, (virDomainPtr domain, const char *xml, unsigned int flags),
            (domain, xml, flags))
WRAP_DOMAIN(virDomainDetachDeviceFlags, (virDomainPtr domain, const char *xml, unsigned int flags),
            (domain, xml, flags))
WRAP_DOMAIN(virDomainUpdateDeviceFlags, (virDomainPtr domain, const char *xml, unsigned int flags),
            (domain, xml, flags))
WRAP_DOMAIN(virDomainBlockResize,
            (virDomainPtr domain, const char *disk, unsigned long long size, unsigned int flags),
            (domain, disk, size, flags))
WRAP_DOMAIN(virDomainResume, (virDomainPtr domain), (domain))
WRAP_DOMAIN(virDomainSuspend, (virDomainPtr domain), (domain))
WRAP_DOMAIN(virDomainReboot, (virDomainPtr domain, unsigned int flags), (domain, flags))
WRAP_DOMAIN(virDomainReset, (virDomainPtr domain, unsigned int flags), (domain, flags))
WRAP_DOMAIN(virDomainShutdownFlags, (virDomainPtr domain, unsigned int flags), (domain, flags))
WRAP_DOMAIN(virDomainSetMemoryFlags,
            (virDomainPtr domain, unsigned long memory, unsigned int flags),
            (domain, memory, flags))
WRAP_DOMAIN(virDomainSetVcpusFlags, (virDomainPtr domain, unsigned int count, unsigned int flags),
            (domain, count, flags))
WRAP(virNetworkPtr, virNetworkCreateXML, "virNetworkCreateXML",
     (virConnectPtr connection, const char *xml), (connection, xml), "")
