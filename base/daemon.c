#include "base/daemon.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <linux/close_range.h>

#include "base/array.h"
#include "base/file.h"

struct Daemon {
    uv_process_t process; // of our own children
    uv_poll_t poll;       // of adopted ones: readable when it has ended
    int pidfd;            // of adopted ones, else -1
    pid_t pid;
    bool ended;
    DaemonEnded done;
    void *argument;
};

static void daemon_closed(uv_handle_t *handle)
{
    Daemon *daemon = handle->data;
    memory_closep(&daemon->pidfd);
    free(daemon);
}

static void daemon_close(Daemon *daemon)
{
    uv_close(daemon->pidfd < 0 ? (uv_handle_t *)&daemon->process : (uv_handle_t *)&daemon->poll,
             daemon_closed);
}

static void daemon_finish(Daemon *daemon, int exit_code)
{
    daemon->ended = true;
    daemon_close(daemon);
    daemon->done(exit_code, daemon->argument);
}

static void daemon_exited(uv_process_t *process, int64_t status, int signal)
{
    daemon_finish(process->data, signal ? -1 : (int)status);
}

static void daemon_polled(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    daemon_finish(poll->data, -1);
}

static int daemon_spawn(Daemon *daemon, uv_loop_t *loop, const DaemonOptions *options, int log)
{
    static const char *const environment[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
    uv_stdio_container_t files[3] = {
        {.flags = UV_IGNORE},
        {.flags = log < 0 ? UV_IGNORE : UV_INHERIT_FD, .data.fd = log},
        {.flags = log < 0 ? UV_IGNORE : UV_INHERIT_FD, .data.fd = log},
    };
    uv_process_options_t spawn = {.file = options->argv[0],
                                  .args = (char **)options->argv,
                                  .env = (char **)environment,
                                  .flags = UV_PROCESS_DETACHED,
                                  .exit_cb = daemon_exited,
                                  .stdio = files,
                                  .stdio_count = 3};
    if (options->as_user) {
        spawn.flags |= UV_PROCESS_SETUID | UV_PROCESS_SETGID;
        spawn.uid = options->user;
        spawn.gid = options->group;
    }
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC); // libraries forget O_CLOEXEC
    return uv_spawn(loop, &daemon->process, &spawn);
}

Daemon *daemon_start(uv_loop_t *loop, const DaemonOptions *options, DaemonEnded ended,
                     void *argument, Fail *why)
{
    AUTO_CLOSE int log = -1;
    if (options->log)
        log = open(options->log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
                   0600);
    Daemon *daemon = NEW(Daemon);
    *daemon = (Daemon){.pidfd = -1, .done = ended, .argument = argument};
    int error = daemon_spawn(daemon, loop, options, log);
    daemon->process.data = daemon;
    if (error) {
        fail_errno(why, FAIL_INTERNAL, error, "%s could not be started", options->argv[0]);
        daemon_close(daemon);
        return NULL;
    }
    daemon->pid = daemon->process.pid;
    return daemon;
}

Daemon *daemon_adopt(uv_loop_t *loop, pid_t pid, DaemonEnded ended, void *argument)
{
    int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0)
        return NULL;
    Daemon *daemon = NEW(Daemon);
    *daemon = (Daemon){.pidfd = pidfd, .pid = pid, .done = ended, .argument = argument};
    uv_poll_init(loop, &daemon->poll, pidfd);
    daemon->poll.data = daemon;
    uv_poll_start(&daemon->poll, UV_READABLE, daemon_polled);
    return daemon;
}

pid_t daemon_pid(const Daemon *daemon)
{
    return daemon->pid;
}

void daemon_kill(Daemon *daemon, int signal)
{
    if (daemon->ended)
        return;
    if (daemon->pidfd >= 0)
        pidfd_send_signal(daemon->pidfd, signal, NULL, 0);
    else
        uv_process_kill(&daemon->process, signal);
}

void daemon_forget(Daemon *daemon)
{
    if (daemon && !daemon->ended)
        daemon_close(daemon);
}

// ---- all processes

enum { PROCESS_ARGUMENTS_MAX = 1 << 20 };

static bool process_show(pid_t pid, const char *text, size_t length, ProcessEach each,
                         void *argument)
{
    AUTO_ARRAY arguments = {0};
    for (size_t at = 0; at < length; at += strlen(text + at) + 1)
        array_add(&arguments, (void *)(text + at));
    return !arguments.count ||
           each(pid, (int)arguments.count, (const char *const *)arguments.items, argument);
}

void process_each(ProcessEach each, void *argument)
{
    DIR *directory = opendir("/proc");
    bool more = true;
    for (struct dirent *entry; more && directory && (entry = readdir(directory));) {
        AUTO_FREE char *path = memory_format("/proc/%s/cmdline", entry->d_name);
        AUTO_FREE char *text = NULL;
        size_t length = 0;
        if (!isdigit((unsigned char)*entry->d_name) ||
            file_read(path, PROCESS_ARGUMENTS_MAX, &text, &length))
            continue;
        more = process_show((pid_t)atoi(entry->d_name), text, length, each, argument);
    }
    if (directory)
        closedir(directory);
}
