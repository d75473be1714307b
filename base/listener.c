#include "base/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct Listener {
    uv_poll_t poll;
    uv_timer_t pause; // after running out of descriptors
    int fd, port, handles;
    char *path;
    ListenerAccepted accepted;
    void *argument;
};

static void listener_polled(uv_poll_t *poll, int status, int events);

static void listener_resume(uv_timer_t *timer)
{
    Listener *listener = timer->data;
    uv_poll_start(&listener->poll, UV_READABLE, listener_polled);
}

static void listener_peer(const struct sockaddr_storage *address, char text[INET6_ADDRSTRLEN])
{
    text[0] = 0;
    if (address->ss_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text,
                  INET6_ADDRSTRLEN);
    else if (address->ss_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text,
                  INET6_ADDRSTRLEN);
    if (!strncmp(text, "::ffff:", 7))
        memmove(text, text + 7, strlen(text + 7) + 1);
}

static void listener_polled(uv_poll_t *poll, int status, int events)
{
    Listener *listener = poll->data;
    (void)status;
    (void)events;
    for (int round = 0; round < 64; round++) {
        struct sockaddr_storage address = {0};
        socklen_t size = sizeof(address);
        char peer[INET6_ADDRSTRLEN];
        int fd =
            accept4(listener->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS)) {
            uv_poll_stop(poll); // the connection stays in the backlog; spinning would not help it
            uv_timer_start(&listener->pause, listener_resume, 100, 0);
            return;
        }
        if (fd < 0)
            return;
        listener_peer(&address, peer);
        listener->accepted(fd, peer, listener->argument);
        if (uv_is_closing((uv_handle_t *)poll))
            return;
    }
}

static Listener *listener_start(uv_loop_t *loop, int fd, ListenerAccepted accepted, void *argument)
{
    Listener *listener = NEW(Listener);
    listener->fd = fd;
    listener->accepted = accepted;
    listener->argument = argument;
    listener->handles = 2;
    uv_poll_init(loop, &listener->poll, fd);
    uv_timer_init(loop, &listener->pause);
    listener->poll.data = listener->pause.data = listener;
    uv_poll_start(&listener->poll, UV_READABLE, listener_polled);
    return listener;
}

static int listener_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return bind(fd, address, size) < 0 || listen(fd, 1024) < 0 ? -errno : 0;
}

Listener *listener_new(uv_loop_t *loop, const char *address, int port, ListenerAccepted accepted,
                       void *argument, Fail *why)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
    if (!is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1) {
        fail_set(why, FAIL_INVALID, "%s is not an IP address to listen on.", address);
        return NULL;
    }
    struct sockaddr *chosen = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t size = is_v4 ? sizeof(v4) : sizeof(v6);
    int fd = socket(chosen->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int off = 0, error = fd < 0 ? -errno : 0;
    if (!error && !is_v4)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (!error)
        error = listener_bind(fd, chosen, size);
    if (error) {
        if (fd >= 0)
            close(fd);
        fail_errno(why, FAIL_UNAVAILABLE, error, "Can't listen on %s port %d", address, port);
        fail_hint(why, "Is another program using the port? `ss -ltnp` shows which one.");
        return NULL;
    }
    Listener *listener = listener_start(loop, fd, accepted, argument);
    getsockname(fd, chosen, &size);
    listener->port = ntohs(is_v4 ? v4.sin_port : v6.sin6_port);
    return listener;
}

Listener *listener_new_path(uv_loop_t *loop, const char *path, mode_t mode,
                            ListenerAccepted accepted, void *argument, Fail *why)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        fail_set(why, FAIL_INVALID, "The socket path %s is longer than %zu bytes.", path,
                 sizeof(address.sun_path) - 1);
        return NULL;
    }
    strcpy(address.sun_path, path);
    struct stat info;
    if (lstat(path, &info) == 0 && S_ISSOCK(info.st_mode))
        unlink(path); // left by a program that was killed
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        fchmod(fd, mode); // so that it is born with no more than that
    int error = fd < 0 ? -errno : listener_bind(fd, (struct sockaddr *)&address, sizeof(address));
    if (!error && chmod(path, mode) < 0)
        error = -errno;
    if (error) {
        if (fd >= 0)
            close(fd);
        fail_errno(why, FAIL_UNAVAILABLE, error, "Can't listen on %s", path);
        return NULL;
    }
    Listener *listener = listener_start(loop, fd, accepted, argument);
    listener->path = memory_string(path);
    return listener;
}

int listener_port(const Listener *listener)
{
    return listener->port;
}

static void listener_closed(uv_handle_t *handle)
{
    Listener *listener = handle->data;
    if (--listener->handles)
        return;
    close(listener->fd);
    free(listener->path);
    free(listener);
}

void listener_close(Listener *listener)
{
    if (!listener)
        return;
    if (listener->path)
        unlink(listener->path);
    uv_close((uv_handle_t *)&listener->poll, listener_closed);
    uv_close((uv_handle_t *)&listener->pause, listener_closed);
}
