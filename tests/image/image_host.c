// A host with nothing but its image server, for tests: verbs come as JSON lines on standard input
// and are answered as JSON lines on standard output; the end of the input stops it.
//
//   image-host DIRECTORY PORT
//
// Volumes are files DIRECTORY/DOMAIN/IMAGE/VOLUME; one with a file VOLUME.shared is a template's.
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/image/image_server.h"
#include "agent/rpc/call.h"
#include "agent/storage/storage.h"
#include "base/certificate.h"
#include "base/file.h"
#include "base/log.h"

struct Call {
    Agent *agent;
    Arena arena;
    const Json *params;
    const char *method;
    int64_t id;
};

VerbHandler host_add_image_ticket, host_extend_image_ticket, host_get_image_ticket,
    host_remove_image_ticket, nbd_start_server, nbd_stop_server;

static const struct {
    const char *name;
    VerbHandler *handler;
} verbs[] = {
    {"Host.add_image_ticket", host_add_image_ticket},
    {"Host.extend_image_ticket", host_extend_image_ticket},
    {"Host.get_image_ticket", host_get_image_ticket},
    {"Host.remove_image_ticket", host_remove_image_ticket},
    {"NBD.start_server", nbd_start_server},
    {"NBD.stop_server", nbd_stop_server},
};

typedef struct Host {
    Agent agent;
    uv_loop_t loop;
    uv_poll_t input;
    StrBuf line;
} Host;

// ---- the agent's interfaces

Agent *call_agent(const Call *call)
{
    return call->agent;
}

const char *call_string(const Call *call, const char *name)
{
    return json_get_string(call->params, name);
}

int64_t call_integer(const Call *call, const char *name, int64_t fallback)
{
    return json_get_integer(call->params, name, fallback);
}

const Json *call_json(const Call *call, const char *name)
{
    return json_get(call->params, name);
}

static void call_finish(Call *call, const char *kind, const char *json)
{
    printf("{\"id\":%lld,\"%s\":%s}\n", (long long)call->id, kind, json);
    fflush(stdout);
    arena_done(&call->arena);
    free(call);
}

void call_reply(Call *call, StrBuf *json)
{
    AUTO_FREE char *text = strbuf_take(json);
    call_finish(call, "result", text);
}

void call_reply_string(Call *call, const char *text)
{
    AUTO_STRBUF json = {0};
    json_quote(&json, text, strlen(text));
    call_finish(call, "result", json.data);
}

void call_ok(Call *call)
{
    call_finish(call, "result", "true");
}

static void call_error(Call *call, VdsmError error, const char *text)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    json_open(&writer, '{');
    json_add_integer(&writer, "code", error);
    json_add_string(&writer, "message", text);
    json_close(&writer, '}');
    call_finish(call, "error", json.data);
}

void call_fail(Call *call, VdsmError error, const char *format, ...)
{
    AUTO_STRBUF text = {0};
    va_list args;
    va_start(args, format);
    strbuf_addv(&text, format, args);
    va_end(args);
    call_error(call, error, text.data);
}

void call_fail_why(Call *call, VdsmError error, const Fail *why)
{
    AUTO_FREE char *text = fail_text(why);
    call_error(call, error, text);
}

int storage_prepare(Storage *storage, const char *domain, const char *image, const char *volume,
                    bool allow_illegal, VolumePath *ret, Fail *why)
{
    const Agent *agent = (const Agent *)storage;
    AUTO_FREE char *path =
        memory_format("%s/%s/%s/%s", agent->config.repository, domain, image, volume);
    AUTO_FREE char *shared = memory_format("%s.shared", path);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    char magic[4] = "";
    (void)allow_illegal;
    if (fd < 0) {
        fail_set(why, FAIL_NOT_FOUND, "Volume %s does not exist.", volume);
        return VDSM_VOLUME_DOES_NOT_EXIST;
    }
    bool qcow2 = read(fd, magic, 4) == 4 && !memcmp(magic, "QFI\xfb", 4);
    *ret = (VolumePath){.path = memory_string(path), .qcow2 = qcow2, .shared = file_exists(shared)};
    return 0;
}

void volume_path_done(VolumePath *path)
{
    free(path->path);
}

// ---- verbs in

static void host_call(Host *host, char *line, size_t length)
{
    Call *call = NEW(Call);
    const char *error;
    size_t offset;
    call->agent = &host->agent;
    arena_init(&call->arena, 4096);
    const Json *json = json_parse(&call->arena, line, length, &error, &offset);
    const char *method = json_get_string(json, "method");
    call->params = json_get(json, "params");
    call->id = json_get_integer(json, "id", 0);
    for (size_t i = 0; method && i < COUNT_OF(verbs); i++)
        if (!strcmp(verbs[i].name, method)) {
            verbs[i].handler(call);
            return;
        }
    call_fail(call, VDSM_METHOD_NOT_FOUND, "unknown");
}

static void host_input(uv_poll_t *poll, int status, int events)
{
    Host *host = poll->data;
    (void)status;
    (void)events;
    strbuf_reserve(&host->line, 65536);
    ssize_t got = read(STDIN_FILENO, host->line.data + host->line.length, 65536);
    if (got <= 0) {
        uv_close((uv_handle_t *)poll, NULL);
        image_server_stop(host->agent.images);
        return;
    }
    host->line.length += (size_t)got;
    for (char *end; (end = memchr(host->line.data, '\n', host->line.length));) {
        size_t length = (size_t)(end - host->line.data);
        host_call(host, host->line.data, length);
        strbuf_consume(&host->line, length + 1);
    }
}

// ---- start

// The same authority and certificate after each restart.
static char *host_pem(const char *directory, const char *name, const char *fresh)
{
    AUTO_FREE char *path = memory_format("%s/%s", directory, name);
    char *text = NULL;
    if (file_read(path, 65536, &text, NULL) == 0)
        return text;
    if (!fresh || file_write_atomic(path, fresh, strlen(fresh), 0600))
        return NULL;
    return memory_string(fresh);
}

static TlsContext *host_tls(const char *directory, Fail *why)
{
    CertificatePair authority = {0}, own = {0};
    AUTO_FREE char *certificate = host_pem(directory, "cert.pem", NULL);
    if (!certificate &&
        (certificate_make_authority("Test", "Test", &authority, why) ||
         certificate_issue(&authority, "Test", "localhost", "127.0.0.1,localhost", 30, &own, why)))
        return NULL;
    AUTO_FREE char *ca = host_pem(directory, "ca.pem", authority.certificate);
    AUTO_FREE char *chain = host_pem(directory, "cert.pem", own.certificate);
    AUTO_FREE char *key = host_pem(directory, "key.pem", own.key);
    TlsContext *tls = tls_context_new(false, chain, key, NULL, false, why);
    certificate_pair_done(&authority);
    certificate_pair_done(&own);
    return tls;
}

static int host_start(Host *host, const char *directory, int port, Fail *why)
{
    const char *user = getenv("IMAGE_HOST_USER");
    Agent *agent = &host->agent;
    agent->loop = &host->loop;
    agent->storage = (Storage *)agent;
    agent->config = (Config){.run_directory = memory_format("%s/run", directory),
                             .repository = memory_string(directory),
                             .storage_user = memory_string(user ? user : ""),
                             .storage_group = memory_string("kvm"),
                             .listen_address = memory_string("127.0.0.1"),
                             .image_port = port};
    agent->image_tls = host_tls(directory, why);
    if (!agent->image_tls || !(agent->images = image_server_new(agent, why)))
        return -1;
    uv_poll_init(&host->loop, &host->input, STDIN_FILENO);
    host->input.data = host;
    uv_poll_start(&host->input, UV_READABLE, host_input);
    return 0;
}

static void host_done(Host *host)
{
    Config *config = &host->agent.config;
    strbuf_done(&host->line);
    tls_context_unref(host->agent.image_tls);
    free(config->run_directory);
    free(config->repository);
    free(config->storage_user);
    free(config->storage_group);
    free(config->listen_address);
}

int main(int argc, char **argv)
{
    Host host = {0};
    AUTO_FAIL why = {0};
    if (argc != 3)
        return 2;
    log_init("image-host");
    uv_loop_init(&host.loop);
    if (host_start(&host, argv[1], atoi(argv[2]), &why)) {
        AUTO_FREE char *text = fail_text(&why);
        fprintf(stderr, "%s\n", text);
        return 1;
    }
    puts("{\"id\":0,\"result\":\"ready\"}");
    fflush(stdout);
    uv_run(&host.loop, UV_RUN_DEFAULT);
    host_done(&host);
    return uv_loop_close(&host.loop) ? 3 : 0;
}
