// The screen of a virtual machine, in remote-viewer, or its serial console.
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/client/json_path.h"
#include "cli/client/resolve.h"
#include "cli/commands/serial_console.h"
#include "cli/verbs/runs.h"

static const char viewer[] = "remote-viewer";

// ---- which console

static int console_choose(Cli *cli, const Value *vm, const char **ret, Fail *why)
{
    const char *wanted = command_text(&cli->command, "protocol");
    const char *path = arena_format(&cli->arena, "vms/%s/graphicsconsoles", vm->id);
    const Json *answer = NULL, *chosen = NULL;
    int result = rest_get(cli, &cli->arena, path, &answer, why);
    if (result)
        return result;
    JSON_EACH(rest_list(answer, "graphics_console"), console) {
        const char *protocol = json_get_string(console, "protocol");
        if (!chosen && (!wanted || (protocol && !strcmp(protocol, wanted))))
            chosen = console;
    }
    if (!chosen)
        return fail_set(why, FAIL_NOT_FOUND, "%s has no %s.", vm->text,
                        wanted ? arena_format(&cli->arena, "%s console", wanted) : "screen");
    *ret = arena_format(&cli->arena, "%s/%s/remoteviewerconnectionfile", path,
                        json_get_string(chosen, "id"));
    return 0;
}

static int console_file(Cli *cli, const Value *vm, const char **ret, Fail *why)
{
    const char *path = NULL;
    const Json *answer = NULL;
    int result = console_choose(cli, vm, &path, why);
    if (!result)
        result =
            rest_call(cli, &cli->arena, "POST", path, json_new_object(&cli->arena), &answer, why);
    if (result)
        return result;
    *ret = json_get_string(answer, "remote_viewer_connection_file");
    if (*ret && **ret)
        return 0;
    fail_set(why, FAIL_CONFLICT, "%s shows no screen now.", vm->text);
    fail_hint(why, "Is it running?");
    return -EBUSY;
}

// ---- what is done with it

// The file holds a password that is good for two minutes.
static int console_write(const char *path, const char *content, Fail *why)
{
    int result;
    if (!strcmp(path, "-"))
        result = fd_write_all(STDOUT_FILENO, content, strlen(content));
    else
        result = file_write_atomic(path, content, strlen(content), 0600);
    return result ? fail_errno(why, FAIL_INVALID, result, "%s can't be written", path) : 0;
}

// The viewer lives on without us, and removes the file by itself: it says delete-this-file=1.
static int viewer_spawn(const char *path)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t child;
    posix_spawn_file_actions_init(&actions);
    for (int fd = 0; fd < 3; fd++)
        posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    char *const argv[] = {(char *)viewer, (char *)path, NULL};
    int error = posix_spawnp(&child, viewer, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

static int viewer_start(const char *content, Fail *why)
{
    char path[] = "/tmp/vireo-console-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    int result = fd < 0 ? -errno : fd_write_all(fd, content, strlen(content));
    if (fd >= 0)
        close(fd);
    if (!result)
        result = -viewer_spawn(path);
    if (result && fd >= 0)
        unlink(path);
    if (result) {
        fail_errno(why, FAIL_INVALID, result, "%s can't be started", viewer);
        fail_hint(why, "Install the package virt-viewer, or use --file OUT.vv");
    }
    return result;
}

static int console_show(const Value *vm, const char *content, Fail *why)
{
    if (getenv("DISPLAY") || getenv("WAYLAND_DISPLAY"))
        return viewer_start(content, why);
    fail_set(why, FAIL_INVALID, "There is no display to show the screen of %s on.", vm->text);
    fail_hint(why, "Write the file with --file OUT.vv and open it with remote-viewer elsewhere");
    return -ENODEV;
}

int run_vm_console(Cli *cli, Fail *why)
{
    const char *content = NULL, *file = command_text(&cli->command, "file");
    int result = resolve_command(cli, why);
    if (result)
        return result;
    const Value *vm = command_argument(&cli->command, 1);
    if (command_flag(&cli->command, "serial"))
        return serial_console_run(cli, vm, why);
    result = console_file(cli, vm, &content, why);
    if (!result)
        result = file ? console_write(file, content, why) : console_show(vm, content, why);
    return result;
}
