// A manager with nothing but its image proxy, for tests; the end of standard input stops it.
//
//   proxy-host DIRECTORY PORT
//
// DIRECTORY has ca.pem, cert.pem, key.pem and `targets`: lines of ticket, address and port.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "manager/transfer/image_proxy.h"

typedef struct Host {
    uv_loop_t loop;
    const char *directory;
    ImageProxy *proxy;
    Listener *listener;
    uv_poll_t input;
} Host;

static char *host_file(const Host *host, const char *name)
{
    AUTO_FREE char *path = memory_format("%s/%s", host->directory, name);
    char *text = NULL;
    file_read(path, 1 << 20, &text, NULL);
    return text;
}

static bool host_resolve(void *argument, const char *ticket, char **ret_address, int *ret_port)
{
    AUTO_FREE char *targets = host_file(argument, "targets");
    char *rest = NULL;
    for (char *line = strtok_r(targets, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *fields = NULL;
        const char *name = strtok_r(line, " ", &fields);
        const char *address = strtok_r(NULL, " ", &fields);
        const char *port = strtok_r(NULL, " ", &fields);
        if (!port || strcmp(name, ticket))
            continue;
        *ret_address = memory_string(address);
        *ret_port = atoi(port);
        return true;
    }
    return false;
}

static void host_accepted(int fd, const char *peer, void *argument)
{
    Host *host = argument;
    image_proxy_adopt(host->proxy, fd, peer);
}

static void host_input(uv_poll_t *poll, int status, int events)
{
    Host *host = poll->data;
    char nowhere[100];
    (void)status;
    (void)events;
    if (read(STDIN_FILENO, nowhere, sizeof(nowhere)) > 0)
        return;
    uv_close((uv_handle_t *)poll, NULL);
    listener_close(host->listener);
    image_proxy_stop(host->proxy, 1000, NULL, NULL);
}

static int host_start(Host *host, int port, TlsContext *tls[2], Fail *why)
{
    AUTO_FREE char *authority = host_file(host, "ca.pem");
    AUTO_FREE char *certificate = host_file(host, "cert.pem");
    AUTO_FREE char *key = host_file(host, "key.pem");
    tls[0] = tls_context_new(false, certificate, key, NULL, false, why);
    tls[1] = tls_context_new(true, NULL, NULL, authority, true, why);
    if (!tls[0] || !tls[1])
        return -1;
    host->proxy = image_proxy_new(&host->loop, tls[0], tls[1], host_resolve, host);
    host->listener = listener_new(&host->loop, "127.0.0.1", port, host_accepted, host, why);
    return host->listener ? 0 : -1;
}

int main(int argc, char **argv)
{
    Host host = {.directory = argv[1]};
    TlsContext *tls[2];
    AUTO_FAIL why = {0};
    if (argc != 3)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    log_init("proxy-host");
    uv_loop_init(&host.loop);
    if (host_start(&host, atoi(argv[2]), tls, &why)) {
        AUTO_FREE char *text = fail_text(&why);
        fprintf(stderr, "%s\n", text);
        return 1;
    }
    uv_poll_init(&host.loop, &host.input, STDIN_FILENO);
    host.input.data = &host;
    uv_poll_start(&host.input, UV_READABLE, host_input);
    puts("ready");
    fflush(stdout);
    uv_run(&host.loop, UV_RUN_DEFAULT);
    tls_context_unref(tls[0]);
    tls_context_unref(tls[1]);
    return uv_loop_close(&host.loop) ? 3 : 0;
}
