// The image server's port: which request is whose, and the server's life.
#include "agent/image/image_server.h"

#include <stdlib.h>
#include <string.h>

#include "agent/image/image_internal.h"
#include "base/log.h"

enum {
    IMAGE_STOP_MS = 3000,
    IMAGE_PATCH_MAX = 4096, // bytes of a PATCH's body
};

static const HttpLimits image_limits = {
    .connections = IMAGE_CONNECTIONS,
    .connections_per_address = IMAGE_CONNECTIONS,
    .idle_ms = 60000,
    .head_ms = 10000,
    .stall_ms = 60000,
};

typedef void (*ImageHandler)(ImageServer *server, ImageTicket *ticket, Http *http);

typedef struct ImageRoute {
    ImageTarget target;
    const char *method;
    bool write;           // else reading must be allowed, which writing includes
    ImageHandler handler; // NULL: needs no ticket
    void (*open)(Http *http);
} ImageRoute;

static void image_options(ImageServer *server, ImageTicket *ticket, Http *http);
static void image_patch_begin(ImageServer *server, ImageTicket *ticket, Http *http);
static void image_info(Http *http);

static const ImageRoute image_routes[] = {
    {IMAGE_TARGET_IMAGE, "GET", false, image_get, NULL},
    {IMAGE_TARGET_IMAGE, "HEAD", false, image_get, NULL},
    {IMAGE_TARGET_IMAGE, "PUT", true, image_put, NULL},
    {IMAGE_TARGET_IMAGE, "PATCH", true, image_patch_begin, NULL},
    {IMAGE_TARGET_IMAGE, "OPTIONS", false, image_options, NULL},
    {IMAGE_TARGET_EXTENTS, "GET", false, image_extents, NULL},
    {IMAGE_TARGET_CHECKSUM, "GET", false, image_checksum, NULL},
    {IMAGE_TARGET_ALGORITHMS, "GET", false, NULL, image_algorithms},
    {IMAGE_TARGET_INFO, "GET", false, NULL, image_info},
};

// ---- small answers

static void image_reply_json(Http *http, StrBuf *json)
{
    strbuf_addc(json, '\n');
    http_reply(http, 200, "application/json", json->data, json->length);
}

static void image_info(Http *http)
{
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    json_open(&writer, '{');
    json_add_string(&writer, "version", VIREO_VERSION);
    json_close(&writer, '}');
    image_reply_json(http, &text);
}

// What can be done with a ticket; without one, what this server can do at all.
static void image_options(ImageServer *server, ImageTicket *ticket, Http *http)
{
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    bool write = !ticket || ticket->write;
    (void)server;
    json_open(&writer, '{');
    json_add_string(&writer, "unix_socket", NULL);
    json_key(&writer, "features");
    json_open(&writer, '[');
    json_put_string(&writer, "checksum");
    json_put_string(&writer, "extents");
    if (write) {
        json_put_string(&writer, "flush");
        json_put_string(&writer, "zero");
    }
    json_close(&writer, ']');
    if (ticket) {
        // Several writers may make a file longer at the same time; the client knows no order then.
        bool grows = backend_driver(ticket->url)->grows;
        json_add_integer(&writer, "max_readers", BACKEND_CONNECTIONS_MAX);
        json_add_integer(&writer, "max_writers", grows ? 1 : BACKEND_CONNECTIONS_MAX);
        ticket_touch(ticket);
    }
    json_close(&writer, '}');
    http_add_header(http, "Allow", write ? "OPTIONS,GET,HEAD,PUT,PATCH" : "OPTIONS,GET,HEAD");
    image_reply_json(http, &text);
}

// ---- PATCH needs its body before anything is begun

static void image_patch_collected(Http *http, void *argument)
{
    ImageServer *server = argument;
    AUTO_FREE char *path = memory_string(http_head(http)->path);
    AUTO_FAIL why = {0};
    ImagePatch patch;
    const char *id, *body;
    size_t length;
    image_target_parse(path, &id);
    body = http_body(http, &length);
    // The ticket may be gone meanwhile.
    ImageTicket *ticket = ticket_authorize(server->tickets, id, true, &why);
    if (!ticket || image_patch_parse(body, length, &patch, &why))
        image_reply_fail(http, &why);
    else
        image_patch(server, ticket, http, &patch);
}

static void image_patch_begin(ImageServer *server, ImageTicket *ticket, Http *http)
{
    (void)ticket;
    http_collect(http, IMAGE_PATCH_MAX, image_patch_collected, server);
}

// ---- routing

static const ImageRoute *route_find(ImageTarget target, const char *method, bool *ret_known)
{
    *ret_known = false;
    for (size_t i = 0; i < COUNT_OF(image_routes); i++) {
        if (image_routes[i].target != target)
            continue;
        *ret_known = true;
        if (!strcmp(image_routes[i].method, method))
            return &image_routes[i];
    }
    return NULL;
}

static void route_fail_method(Http *http, ImageTarget target, Fail *why)
{
    AUTO_STRBUF allow = {0};
    for (size_t i = 0; i < COUNT_OF(image_routes); i++)
        if (image_routes[i].target == target)
            strbuf_addf(&allow, "%s%s", allow.length ? "," : "", image_routes[i].method);
    http_add_header(http, "Allow", allow.data);
    fail_set(why, FAIL_NO_METHOD, "%.20s is not allowed here.", http_head(http)->method);
}

static void image_request(Http *http, void *argument)
{
    ImageServer *server = argument;
    AUTO_FREE char *path = memory_string(http_head(http)->path);
    AUTO_FAIL why = {0};
    const char *id, *method = http_head(http)->method;
    bool known;
    ImageTarget target = image_target_parse(path, &id);
    const ImageRoute *route = route_find(target, method, &known);
    ImageTicket *ticket = NULL;
    image_add_cors(http);
    if (!known)
        fail_set(&why, FAIL_NOT_FOUND, "There is nothing at %.100s.", http_head(http)->path);
    else if (!route)
        route_fail_method(http, target, &why);
    else if (route->open) {
        route->open(http);
        return;
    } else if (!*id)
        fail_set(&why, FAIL_INVALID, "The path must name a ticket.");
    else if (target == IMAGE_TARGET_IMAGE && !strcmp(id, "*") && !strcmp(method, "OPTIONS")) {
        image_options(server, NULL, http);
        return;
    } else
        ticket = ticket_authorize(server->tickets, id, route->write, &why);
    if (ticket)
        route->handler(server, ticket, http);
    else
        image_reply_fail(http, &why);
}

static void image_accepted(int fd, const char *peer, void *argument)
{
    ImageServer *server = argument;
    http_server_adopt(server->http, fd, server->agent->image_tls, peer);
}

// ---- life

static int image_listen(ImageServer *server, Fail *why)
{
    const Config *config = &server->agent->config;
    server->listener = listener_new(server->loop, config->listen_address, config->image_port,
                                    image_accepted, server, why);
    return server->listener ? 0 : -1;
}

static int image_recover(ImageServer *server, Fail *why)
{
    const char *directory = server->agent->config.run_directory;
    AUTO_FREE char *tickets = memory_format("%s/tickets", directory);
    AUTO_FREE char *nbd = memory_format("%s/nbd", directory);
    server->nbd = nbd_servers_new(server->agent, nbd, why);
    if (server->nbd)
        server->tickets = tickets_new(server->loop, tickets, why);
    return server->tickets ? 0 : -1;
}

ImageServer *image_server_new(Agent *agent, Fail *why)
{
    ImageServer *server = NEW(ImageServer);
    server->agent = agent;
    server->loop = agent->loop;
    list_init(&server->operations);
    server->http = http_server_new(agent->loop, &image_limits, image_request, server);
    if (image_recover(server, why) || image_listen(server, why)) {
        image_server_stop(server);
        return NULL;
    }
    return server;
}

static void image_free(ImageServer *server)
{
    pieces_free(server);
    free(server);
}

// Requests to the image outlive their clients, so both are waited for.
static void image_maybe_stopped(ImageServer *server)
{
    if (!server->http_stopped || server->operation_count)
        return;
    http_server_free(TAKE(server->http));
    tickets_free(TAKE(server->tickets));
    image_free(server);
}

void image_server_operation_gone(ImageServer *server)
{
    if (server->stopping)
        image_maybe_stopped(server);
}

static ImageBackend *image_busy_backend(ImageServer *server)
{
    LIST_EACH(&server->operations, ImageOperation, node, operation)
        if (operation->backend && !operation->backend->broken)
            return operation->backend;
    return NULL;
}

// All clients are gone. What is under way is given up, or dead storage would keep us from ending.
static void image_http_stopped(void *argument)
{
    ImageServer *server = argument;
    server->operation_count++; // the server stays until the end of this function
    for (ImageBackend *backend; (backend = image_busy_backend(server));) {
        backend->broken = true;
        list_remove(&backend->node);
        backend_close(backend);
    }
    server->operation_count--;
    server->http_stopped = true;
    image_maybe_stopped(server);
}

void image_server_stop(ImageServer *server)
{
    if (!server || server->stopping)
        return;
    server->stopping = true;
    listener_close(TAKE(server->listener));
    nbd_servers_free(TAKE(server->nbd));
    http_server_stop(server->http, IMAGE_STOP_MS, image_http_stopped, server);
}
