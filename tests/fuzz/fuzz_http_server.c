// A whole connection: the first byte says how the rest is cut into writes, the path how the
// application behaves. Then the client goes and the loop runs until nothing is left.
#include "base/http_server.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int open_exchanges;
static Http *kept;

static void answer(Http *http, void *argument)
{
    size_t length;
    const char *body = http_body(http, &length);
    open_exchanges--;
    http_compress(http);
    http_reply(http, 200, "text/plain", body, length);
}

static void gone(Http *http, void *argument)
{
    open_exchanges--;
    if (argument)
        http_reply(http, 500, NULL, "", 0);
    if (kept == http)
        kept = NULL;
}

static size_t receive(Http *http, const char *data, size_t length, void *argument)
{
    if (!data)
        answer(http, NULL);
    return length > 3 ? length / 2 : length;
}

static bool pull(Http *http, StrBuf *out, void *argument)
{
    strbuf_adds(out, "piece");
    return ++*(int *)argument % 7;
}

static void handle(Http *http, void *argument)
{
    static int pulled;
    open_exchanges++;
    switch (http_head(http)->path[1]) {
    case 'r':
        http_on_gone(http, gone, http);
        http_receive(http, receive, NULL);
        break;
    case 'p':
        open_exchanges--;
        http_pull(http, 200, NULL, pull, NULL, &pulled);
        break;
    case 'k': // answered after the whole input was seen
        if (!kept) {
            http_on_gone(http, gone, kept = http);
            break;
        }
        // fall through
    case 'e': answer(http, NULL); break;
    default: http_on_gone(http, gone, NULL); http_collect(http, 1000, answer, NULL);
    }
}

static void turn(uv_loop_t *loop, HttpServer *server, int fd)
{
    char nowhere[4096];
    for (int i = 0; i < 3; i++) {
        uv_run(loop, UV_RUN_NOWAIT);
        while (recv(fd, nowhere, sizeof(nowhere), MSG_DONTWAIT) > 0)
            ;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];
    uv_loop_t loop;
    if (size < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends))
        return 0;
    uv_loop_init(&loop);
    HttpServer *server = http_server_new(&loop, &http_default_limits, handle, NULL);
    http_server_adopt(server, ends[0], NULL, "peer");
    for (size_t at = 1, part; at < size; at += part) {
        part = data[0] % 64 ? data[0] % 64 * 16 : size;
        if (part > size - at)
            part = size - at;
        if (send(ends[1], data + at, part, MSG_NOSIGNAL) < 0)
            break;
        turn(&loop, server, ends[1]);
    }
    if (kept) {
        open_exchanges--;
        http_reply(TAKE(kept), 200, NULL, "late", 4);
        turn(&loop, server, ends[1]);
    }
    close(ends[1]);
    turn(&loop, server, -1);
    http_server_free(server);
    uv_run(&loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop) || open_exchanges)
        abort(); // somebody was never told
    return 0;
}
