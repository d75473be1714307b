#include "cli/client/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"

enum { LINE_MAX_BYTES = 4096 };

void secret_free(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void secret_freep(char **secret)
{
    secret_free(*secret);
}

static int terminal_open(const char *hint, int *ret_fd, Fail *why)
{
    *ret_fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (*ret_fd >= 0)
        return 0;
    fail_set(why, FAIL_INVALID, "There is no terminal to ask at.");
    fail_hint(why, "%s", hint);
    return -ENOTTY;
}

// One line without its end; NULL at the end of input.
static char *line_read(int fd)
{
    char line[LINE_MAX_BYTES];
    size_t length = 0;
    ssize_t got;
    while ((got = read(fd, line + length, 1)) > 0 && line[length] != '\n')
        if (++length == sizeof(line))
            break;
    bool nothing = got <= 0 && !length;
    while (length && line[length - 1] == '\r')
        length--;
    char *copy = nothing ? NULL : memory_bytes(line, length);
    explicit_bzero(line, sizeof(line));
    return copy;
}

int prompt_secret(const char *question, char **ret, Fail *why)
{
    AUTO_CLOSE int fd = -1;
    struct termios before, silent;
    int result = terminal_open("Use --password-file", &fd, why);
    if (result)
        return result;
    if (tcgetattr(fd, &before) < 0)
        return fail_errno(why, FAIL_INVALID, errno, "The terminal can't be silenced");
    silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    tcsetattr(fd, TCSAFLUSH, &silent);
    dprintf(fd, "%s", question);
    char *line = line_read(fd);
    tcsetattr(fd, TCSAFLUSH, &before);
    dprintf(fd, "\n");
    if (!line)
        return fail_set(why, FAIL_INVALID, "No password was given.");
    *ret = line;
    return 0;
}

int prompt_confirm(const char *question, const char *hint, Fail *why)
{
    AUTO_CLOSE int fd = -1;
    int result = terminal_open(hint, &fd, why);
    if (result)
        return result;
    dprintf(fd, "%s [yes/no] ", question);
    AUTO_FREE char *line = line_read(fd);
    if (line && !strcmp(line, "yes"))
        return 0;
    return fail_set(why, FAIL_INVALID, "It was not confirmed with \"yes\".");
}

int secret_read(const char *path, char **ret, Fail *why)
{
    AUTO_CLOSE int opened = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    int fd = strcmp(path, "-") ? opened : STDIN_FILENO;
    if (fd < 0)
        return fail_errno(why, FAIL_INVALID, errno, "%s can't be read", path);
    *ret = line_read(fd);
    return *ret ? 0 : fail_set(why, FAIL_INVALID, "%s holds no password.", path);
}
