// The manager's control socket: one JSON object on a line each way.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/administration/administrator.h"

enum { ANSWER_MAX = 1024 * 1024 };

// A descriptor, or a negative errno.
static int control_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

bool control_answers(const Config *config)
{
    AUTO_CLOSE int fd = control_connect(config->control_socket);
    return fd >= 0;
}

static int connect_failed(const char *path, int error, Fail *why)
{
    if (error == -EACCES || error == -EPERM) {
        fail_errno(why, FAIL_FORBIDDEN, error, "The socket %s can't be opened", path);
        fail_hint(why, "Be root, or the manager's user");
    } else {
        fail_errno(why, FAIL_UNAVAILABLE, error, "No manager answers on %s", path);
        fail_hint(why, "Start it, or name its configuration with --config");
    }
    return error;
}

static int answer_read(int fd, StrBuf *answer, Fail *why)
{
    char piece[4096];
    ssize_t got = 1;
    while (got > 0 && answer->length < ANSWER_MAX &&
           !(answer->length && answer->data[answer->length - 1] == '\n')) {
        got = read(fd, piece, sizeof(piece));
        if (got > 0)
            strbuf_add(answer, piece, (size_t)got);
        if (got < 0 && errno == EINTR && !http_interrupted())
            got = 1;
    }
    if (http_interrupted())
        return fail_set(why, FAIL_UNAVAILABLE, "Interrupted.");
    return answer->length ? 0 : fail_set(why, FAIL_UNAVAILABLE, "The manager gave no answer.");
}

static int answer_judge(const StrBuf *answer, Fail *why)
{
    AUTO_ARENA arena;
    arena_init(&arena, 4096);
    const Json *json = json_parse(&arena, answer->data, answer->length, NULL, NULL);
    const char *error = json_get_string(json, "error");
    if (json_get_bool(json, "ok", false))
        return 0;
    return fail_set(why, FAIL_INTERNAL, "%s", error ? error : "The manager's answer is malformed.");
}

int control_call(const Config *config, const StrBuf *request, Fail *why)
{
    AUTO_STRBUF answer = {0};
    AUTO_CLOSE int fd = control_connect(config->control_socket);
    if (fd < 0)
        return connect_failed(config->control_socket, fd, why);
    int result = fd_write_all(fd, request->data, request->length);
    if (!result)
        result = fd_write_all(fd, "\n", 1);
    if (result)
        return fail_errno(why, FAIL_UNAVAILABLE, result, "The manager does not listen");
    result = answer_read(fd, &answer, why);
    return result ? result : answer_judge(&answer, why);
}
