// A whole session with the agent: frames and requests of a client, the first byte says how they
// are cut into writes. Every verb is one that believes the checks of verbs.def.
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/rpc/server.h"
#include "base/uuid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void any_verb(Call *call);

static const struct {
    const char *name, *parameters;
} verbs[] = {
#define VERB(name, handler, thread, parameters) {name, parameters},
#include "agent/rpc/verbs.def"
#undef VERB
};

static const char *const connect_text = "CONNECT\naccept-version:1.2\n\n";
static const char *const subscribe_text =
    "SUBSCRIBE\nid:1\ndestination:jms.topic.vdsm_responses\n\n";

// One parameter that the row promises: it must be there and of its kind.
static void expect_parameter(const Call *call, const char *name, const char *kind)
{
    const Json *value = call_json(call, name);
    const char *text = call_string(call, name);
    bool right = value;
    if (!strcmp(kind, "uuid"))
        right = text && uuid_valid(text);
    else if (!strcmp(kind, "string"))
        right = text;
    else if (!strcmp(kind, "int"))
        right = call_integer(call, name, 1) == call_integer(call, name, 2);
    else if (!strcmp(kind, "bool"))
        right = call_bool(call, name, true) == call_bool(call, name, false);
    else if (!strcmp(kind, "list") || !strcmp(kind, "map"))
        right = value && value->kind == (*kind == 'l' ? JSON_ARRAY : JSON_OBJECT);
    if (!right)
        abort();
}

void any_verb(Call *call)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (strcmp(verbs[i].name, call_method(call)))
            continue;
        AUTO_FREE char *copy = memory_string(verbs[i].parameters);
        char *rest = copy;
        for (char *one; (one = strsep(&rest, ", "));) {
            char *kind = strchr(one, ':');
            if (!kind)
                continue;
            *kind++ = 0;
            if (!strchr(kind, '?'))
                expect_parameter(call, one, kind);
        }
    }
    json_put(&writer, call_params(call));
    call_reply(call, &json);
}

#define VERB(name, handler, thread, parameters) \
    __asm__(".globl " #handler "\n.set " #handler ", any_verb");
#include "agent/rpc/verbs.def"
#undef VERB

static void turn(uv_loop_t *loop, int fd)
{
    char nowhere[4096];
    for (int i = 0; i < 3; i++) {
        uv_run(loop, UV_RUN_NOWAIT);
        while (recv(fd, nowhere, sizeof(nowhere), MSG_DONTWAIT) > 0)
            ;
    }
}

static int say(uv_loop_t *loop, int fd, const void *data, size_t length)
{
    if (send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return -1;
    turn(loop, fd);
    return 0;
}

static void session(uv_loop_t *loop, int fd, const uint8_t *data, size_t size)
{
    // Most inputs begin with requests; only those with the highest bit connect by themselves.
    if (!(data[0] & 128) && (say(loop, fd, connect_text, strlen(connect_text) + 1) ||
                             say(loop, fd, subscribe_text, strlen(subscribe_text) + 1)))
        return;
    for (size_t at = 1, part; at < size; at += part) {
        part = data[0] % 64 ? data[0] % 64 * 16 : size;
        if (part > size - at)
            part = size - at;
        if (say(loop, fd, data + at, part))
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    uv_loop_t loop;
    Agent agent = {.loop = &loop, .config = {.listen_address = (char *)"127.0.0.1"}};
    snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/vireo-fuzz-rpc-%d", getpid());
    if (size < 2)
        return 0;
    uv_loop_init(&loop);
    agent.rpc = rpc_server_new(&agent, NULL);
    if (!agent.rpc || rpc_server_listen_path(agent.rpc, address.sun_path, NULL))
        abort();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
        abort();
    turn(&loop, fd);
    session(&loop, fd, data, size);
    close(fd);
    turn(&loop, -1);
    rpc_server_stop(agent.rpc);
    uv_run(&loop, UV_RUN_DEFAULT);
    unlink(address.sun_path);
    if (uv_loop_close(&loop))
        abort(); // something was left open
    rpc_server_free(agent.rpc);
    return 0;
}
