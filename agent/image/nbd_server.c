#include "agent/image/nbd_server.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/image/image_backend.h"
#include "agent/image/nbd_plan.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "base/file.h"
#include "base/list.h"
#include "base/log.h"
#include "base/uuid.h"

enum {
    NBD_START_MS = 30000, // until it serves
    NBD_TERM_MS = 10000,  // to end by itself
    NBD_KILL_MS = 20000,  // after which a stop is answered as failed
    NBD_PAUSE_MS = 200,   // before it is started again; doubled each time
    NBD_PAUSE_MAX_MS = 30000,
    NBD_GOOD_MS = 60000, // running so long, it may fail quickly again
    NBD_RECORD_MAX = 65536,
    NBD_LOG_MAX = 65536,
};

typedef struct NbdServer NbdServer;

typedef enum NbdState {
    NBD_PREPARING, // the plan is made on the pool
    NBD_STARTING,  // the program runs and does not serve yet
    NBD_RUNNING,
    NBD_PAUSED, // ended by itself; will be started again
    NBD_ENDING, // told to end
} NbdState;

struct NbdServers {
    Agent *agent;
    char *directory;
    NbdUser user;
    List servers;
    int jobs; // on the pool
    bool closing;
};

typedef struct NbdWaiter {
    List node;
    NbdStarted started;
    NbdStopped stopped;
    void *argument;
} NbdWaiter;

struct NbdServer {
    NbdServers *servers;
    List node;
    char *id, *url, *record, *socket, *log, *overlay;
    NbdConfig config;
    NbdState state;
    bool stopping; // wanted: also in the record
    bool trusted;  // it ran before: when it ends it is started again
    Daemon *daemon;
    ImageBackend *probe;
    uv_timer_t timer;
    int pause_ms, steps; // steps: of ending
    int64_t running_ms;  // since when
    List starts, stops;  // waiters
};

typedef struct NbdJob {
    uv_work_t work;
    NbdServers *servers;
    char *id;
    NbdPlan plan;
} NbdJob;

static void server_prepare(NbdServer *server);
static void server_end(NbdServer *server);

// ---- names and records

static char *server_file(NbdServers *servers, const char *id, const char *ending)
{
    return memory_format("%s/%s.%s", servers->directory, id, ending);
}

static int server_save(NbdServer *server)
{
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    json_open(&writer, '{');
    json_add_bool(&writer, "stopping", server->stopping);
    json_key(&writer, "config");
    nbd_config_write(&server->config, &writer);
    json_close(&writer, '}');
    return file_replace(server->record, text.data, text.length, 0600);
}

static NbdServer *server_new(NbdServers *servers, const char *id, NbdConfig *config)
{
    NbdServer *server = NEW(NbdServer);
    server->servers = servers;
    server->id = memory_string(id);
    server->record = server_file(servers, id, "json");
    server->socket = server_file(servers, id, "sock");
    server->log = server_file(servers, id, "log");
    server->overlay = server_file(servers, id, "qcow2");
    server->url = memory_format("nbd:unix:%s", server->socket);
    server->config = *config;
    server->pause_ms = NBD_PAUSE_MS;
    *config = (NbdConfig){0};
    list_init(&server->starts);
    list_init(&server->stops);
    list_append(&servers->servers, &server->node);
    uv_timer_init(servers->agent->loop, &server->timer);
    server->timer.data = server;
    return server;
}

static NbdServer *server_find(NbdServers *servers, const char *id)
{
    LIST_EACH(&servers->servers, NbdServer, node, server)
        if (!strcmp(server->id, id))
            return server;
    return NULL;
}

static void server_closed(uv_handle_t *handle)
{
    NbdServer *server = handle->data;
    free(server->id);
    free(server->url);
    free(server->record);
    free(server->socket);
    free(server->log);
    free(server->overlay);
    nbd_config_done(&server->config);
    free(server);
}

// Forgets it; its program, if there is one, goes on.
static void server_free(NbdServer *server)
{
    list_remove(&server->node);
    daemon_forget(TAKE(server->daemon));
    backend_close(TAKE(server->probe));
    uv_close((uv_handle_t *)&server->timer, server_closed);
}

// ---- answers

static void server_answer_starts(NbdServer *server, VdsmError error, const Fail *why)
{
    LIST_EACH(&server->starts, NbdWaiter, node, waiter) {
        list_remove(&waiter->node);
        waiter->started(error, why, server->url, waiter->argument);
        free(waiter);
    }
}

static void server_answer_stops(NbdServer *server, VdsmError error, const Fail *why)
{
    LIST_EACH(&server->stops, NbdWaiter, node, waiter) {
        list_remove(&waiter->node);
        waiter->stopped(error, why, waiter->argument);
        free(waiter);
    }
}

// Its program has ended, or never ran: nothing of it stays.
static void server_remove(NbdServer *server)
{
    AUTO_FAIL why = {0};
    unlink(server->socket);
    unlink(server->log);
    unlink(server->overlay);
    unlink(server->record);
    fail_set(&why, FAIL_STATE, "NBD server %s was stopped.", server->id);
    server_answer_starts(server, VDSM_GENERAL, &why);
    server_answer_stops(server, VDSM_OK, NULL);
    server_free(server);
}

static void server_fail(NbdServer *server, VdsmError error, const Fail *why)
{
    server_answer_starts(server, error, why);
    server_remove(server);
}

// ---- running

static void server_try_again(uv_timer_t *timer)
{
    server_prepare(timer->data);
}

// A server that ran before is wanted until it is stopped, whatever is in its way now.
static void server_pause(NbdServer *server, const Fail *why)
{
    AUTO_FREE char *text = fail_text(why);
    if (server->running_ms && clock_monotonic_ms() - server->running_ms > NBD_GOOD_MS)
        server->pause_ms = NBD_PAUSE_MS;
    log_warn("nbd.ended", LOG_ID("server", server->id), "%s Starting it again in %d ms.", text,
             server->pause_ms);
    server->state = NBD_PAUSED;
    server->running_ms = 0;
    uv_timer_start(&server->timer, server_try_again, (uint64_t)server->pause_ms, 0);
    server->pause_ms *= 2;
    if (server->pause_ms > NBD_PAUSE_MAX_MS)
        server->pause_ms = NBD_PAUSE_MAX_MS;
}

static void server_failed(NbdServer *server, VdsmError error, const Fail *why)
{
    backend_close(TAKE(server->probe));
    if (server->stopping)
        server_remove(server);
    else if (server->trusted)
        server_pause(server, why);
    else
        server_fail(server, error, why);
}

// The last line that the program has written.
static void server_add_log(const NbdServer *server, Fail *why)
{
    AUTO_FREE char *text = NULL;
    size_t length = 0;
    if (file_read(server->log, NBD_LOG_MAX, &text, &length) || !length)
        return;
    while (length && text[length - 1] == '\n')
        text[--length] = 0;
    char *line = strrchr(text, '\n');
    fail_detail(why, "%s", line ? line + 1 : text);
}

static void server_ended(int exit_code, void *argument)
{
    NbdServer *server = argument;
    AUTO_FAIL why = {0};
    server->daemon = NULL;
    uv_timer_stop(&server->timer);
    fail_set(&why, FAIL_INTERNAL, "NBD server %s has ended with exit code %d.", server->id,
             exit_code);
    server_add_log(server, &why);
    server_failed(server, VDSM_STORAGE, &why);
}

static void server_serves(ImageBackend *backend, Fail *why, void *argument)
{
    NbdServer *server = argument;
    (void)backend;
    if (why && server->state == NBD_STARTING) {
        log_warn("nbd.silent", LOG_ID("server", server->id), "%s", why->message);
        daemon_kill(server->daemon, SIGKILL); // server_ended() goes on
        return;
    }
    backend_close(TAKE(server->probe));
    server->state = NBD_RUNNING;
    server->trusted = true;
    server->running_ms = clock_monotonic_ms();
    log_info("nbd.started", LOG_ID("server", server->id), "Serving volume %s.",
             server->config.volume);
    server_answer_starts(server, VDSM_OK, NULL);
}

// Opening it as a client is the only proof: its socket is there before it knows its image.
static void server_watch(NbdServer *server)
{
    BackendOptions options = {
        .url = server->url, .writable = !server->config.readonly, .open_ms = NBD_START_MS};
    server->state = NBD_STARTING;
    server->probe = backend_open(server->servers->agent->loop, &options, server_serves, server);
}

static void server_start(NbdServer *server, const NbdPlan *plan)
{
    DaemonOptions options = {.argv = (const char *const *)plan->argv.items,
                             .log = server->log,
                             .as_user = plan->user.other,
                             .user = plan->user.user,
                             .group = plan->user.group};
    AUTO_FAIL why = {0};
    unlink(server->socket);
    server->daemon =
        daemon_start(server->servers->agent->loop, &options, server_ended, server, &why);
    if (server->daemon)
        server_watch(server);
    else
        server_failed(server, VDSM_STORAGE, &why);
}

// ---- preparing

static void job_run(uv_work_t *work)
{
    NbdJob *job = work->data;
    nbd_plan_make(&job->plan);
}

static void servers_maybe_free(NbdServers *servers);

static void job_done(uv_work_t *work, int status)
{
    NbdJob *job = work->data;
    NbdServers *servers = job->servers;
    NbdServer *server = servers->closing ? NULL : server_find(servers, job->id);
    (void)status;
    if (server && server->stopping)
        server_remove(server);
    else if (server && job->plan.error)
        server_failed(server, job->plan.error, &job->plan.why);
    else if (server)
        server_start(server, &job->plan);
    nbd_plan_done(&job->plan);
    free((char *)job->plan.socket);
    free((char *)job->plan.overlay);
    free(job->id);
    free(job);
    servers->jobs--;
    servers_maybe_free(servers);
}

static void server_prepare(NbdServer *server)
{
    NbdServers *servers = server->servers;
    NbdJob *job = NEW(NbdJob);
    server->state = NBD_PREPARING;
    job->servers = servers;
    job->id = memory_string(server->id);
    job->work.data = job;
    job->plan.storage = servers->agent->storage;
    job->plan.user = servers->user;
    job->plan.socket = memory_string(server->socket);
    job->plan.overlay = memory_string(server->overlay);
    nbd_config_copy(&job->plan.config, &server->config);
    servers->jobs++;
    uv_queue_work(servers->agent->loop, &job->work, job_run, job_done);
}

void nbd_server_start(NbdServers *servers, const char *id, const Json *json, NbdStarted done,
                      void *argument)
{
    NbdConfig config = {0};
    AUTO_FAIL why = {0};
    if (nbd_config_read(&config, json, &why)) {
        done(VDSM_INVALID_PARAMETER, &why, NULL, argument);
        return;
    }
    NbdServer *server = server_find(servers, id);
    bool same = server && !server->stopping && nbd_config_equal(&server->config, &config);
    if (server && !same)
        fail_set(&why, FAIL_EXISTS, "NBD server %s is running for something else or is ending.",
                 id);
    if (same && server->state == NBD_RUNNING)
        done(VDSM_OK, NULL, server->url, argument);
    else if (server && !same)
        done(VDSM_GENERAL, &why, NULL, argument);
    else {
        bool fresh = !server;
        if (fresh)
            server = server_new(servers, id, &config);
        NbdWaiter *waiter = NEW(NbdWaiter);
        *waiter = (NbdWaiter){.started = done, .argument = argument};
        list_append(&server->starts, &waiter->node);
        int result = fresh ? server_save(server) : 0;
        if (result) {
            fail_errno(&why, FAIL_INTERNAL, result, "%s can't be written", server->record);
            server_fail(server, VDSM_GENERAL, &why);
        } else if (fresh)
            server_prepare(server);
    }
    nbd_config_done(&config);
}

// ---- ending

static void server_end_slowly(uv_timer_t *timer)
{
    NbdServer *server = timer->data;
    AUTO_FAIL why = {0};
    if (server->steps++ == 0) {
        daemon_kill(server->daemon, SIGKILL);
        uv_timer_start(timer, server_end_slowly, NBD_KILL_MS - NBD_TERM_MS, 0);
        return;
    }
    // Nothing ends a process that waits for dead storage; when that comes back it ends.
    fail_set(&why, FAIL_TIMED_OUT, "NBD server %s does not end.", server->id);
    fail_hint(&why, "Its storage does not answer. Try again when it does.");
    server_answer_stops(server, VDSM_STORAGE, &why);
}

static void server_end(NbdServer *server)
{
    bool first = !server->stopping;
    server->stopping = true;
    if (first)
        server_save(server);
    backend_close(TAKE(server->probe));
    if (server->state == NBD_PREPARING)
        return; // job_done() removes it
    if (!server->daemon) {
        server_remove(server);
        return;
    }
    server->state = NBD_ENDING;
    server->steps = 0;
    daemon_kill(server->daemon, SIGTERM);
    uv_timer_start(&server->timer, server_end_slowly, NBD_TERM_MS, 0);
}

void nbd_server_stop(NbdServers *servers, const char *id, NbdStopped done, void *argument)
{
    NbdServer *server = server_find(servers, id);
    if (!server) {
        done(VDSM_OK, NULL, argument);
        return;
    }
    NbdWaiter *waiter = NEW(NbdWaiter);
    *waiter = (NbdWaiter){.stopped = done, .argument = argument};
    list_append(&server->stops, &waiter->node);
    server_end(server);
}

// ---- an earlier life

static void servers_load_record(NbdServers *servers, const char *id)
{
    AUTO_FREE char *path = server_file(servers, id, "json");
    AUTO_FREE char *text = NULL;
    AUTO_ARENA arena;
    size_t length = 0, offset;
    const char *error;
    NbdConfig config = {0};
    arena_init(&arena, 4096);
    if (file_read(path, NBD_RECORD_MAX, &text, &length))
        return;
    const Json *record = json_parse(&arena, text, length, &error, &offset);
    if (nbd_config_read(&config, json_get(record, "config"), NULL)) {
        unlink(path);
        return;
    }
    NbdServer *server = server_new(servers, id, &config);
    server->stopping = json_get_bool(record, "stopping", false);
    server->trusted = true;
}

// "ID.ending" of a file in the directory; false when it is none of ours.
static bool file_id(const char *name, char id[UUID_SIZE])
{
    if (strlen(name) < UUID_SIZE || name[UUID_SIZE - 1] != '.')
        return false;
    memcpy(id, name, UUID_SIZE - 1);
    id[UUID_SIZE - 1] = 0;
    return uuid_valid(id);
}

static void servers_each_file(NbdServers *servers, bool records)
{
    DIR *directory = opendir(servers->directory);
    char id[UUID_SIZE];
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        AUTO_FREE char *path = memory_format("%s/%s", servers->directory, entry->d_name);
        bool ours = file_id(entry->d_name, id);
        if (records && ours && !strcmp(entry->d_name + UUID_SIZE, "json"))
            servers_load_record(servers, id);
        else if (!records && *entry->d_name != '.' && (!ours || !server_find(servers, id)))
            unlink(path);
    }
    if (directory)
        closedir(directory);
}

// A process with a socket in our directory: adopted when it has a record, else ended.
static bool servers_see_process(pid_t pid, int argc, const char *const argv[], void *argument)
{
    NbdServers *servers = argument;
    AUTO_FREE char *prefix = memory_format("--socket=%s/", servers->directory);
    char id[UUID_SIZE];
    const char *name = NULL;
    for (int i = 1; !name && i < argc; i++)
        if (!strncmp(argv[i], prefix, strlen(prefix)))
            name = argv[i] + strlen(prefix);
    if (!name || !strstr(argv[0], "qemu-nbd"))
        return true;
    NbdServer *server = file_id(name, id) ? server_find(servers, id) : NULL;
    if (server && !server->daemon)
        server->daemon = daemon_adopt(servers->agent->loop, pid, server_ended, server);
    else {
        log_warn("nbd.orphan", LOG_NONE, "Ending process %d, an NBD server nobody knows.", pid);
        kill(pid, SIGTERM);
    }
    return true;
}

static void servers_recover(NbdServers *servers)
{
    servers_each_file(servers, true);
    process_each(servers_see_process, servers);
    servers_each_file(servers, false);
    LIST_EACH(&servers->servers, NbdServer, node, server) {
        if (server->stopping) {
            server->state = NBD_PAUSED;
            server_end(server);
        } else if (server->daemon) {
            log_notice("nbd.adopted", LOG_ID("server", server->id), "Process %d goes on serving.",
                       (int)daemon_pid(server->daemon));
            server_watch(server);
        } else
            server_prepare(server);
    }
}

NbdServers *nbd_servers_new(Agent *agent, const char *directory, Fail *why)
{
    NbdServers *servers = NEW(NbdServers);
    servers->agent = agent;
    servers->directory = memory_string(directory);
    servers->user = nbd_user(&agent->config);
    list_init(&servers->servers);
    int result = directory_make(directory, 0700);
    // The programs run as the owner of the volumes and make their sockets there.
    if (!result && servers->user.other &&
        chown(directory, servers->user.user, servers->user.group) < 0)
        result = -errno;
    if (result) {
        fail_errno(why, FAIL_INTERNAL, result, "The directory %s can't be made", directory);
        free(servers->directory);
        free(servers);
        return NULL;
    }
    servers_recover(servers);
    return servers;
}

static void servers_maybe_free(NbdServers *servers)
{
    if (!servers->closing || servers->jobs)
        return;
    free(servers->directory);
    free(servers);
}

void nbd_servers_free(NbdServers *servers)
{
    AUTO_FAIL why = {0};
    if (!servers)
        return;
    servers->closing = true;
    fail_set(&why, FAIL_UNAVAILABLE, "The agent is stopping.");
    LIST_EACH(&servers->servers, NbdServer, node, server) {
        server_answer_starts(server, VDSM_RECOVERY_IN_PROGRESS, &why);
        server_answer_stops(server, VDSM_RECOVERY_IN_PROGRESS, &why);
        server_free(server);
    }
    servers_maybe_free(servers);
}
