// A small agent for tests: storage and the management protocol on a Unix socket, nothing else.
//
//   storage-agent DIRECTORY [NAME=VALUE]...    socket: DIRECTORY/run/agent.sock
//
// VIREO_CRASH_AFTER=N kills it at the N-th change of the file system after a SIGUSR2.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/rpc/server.h"
#include "agent/storage/storage.h"
#include "base/file.h"
#include "base/log.h"
#include "tests/storage_agent/crash_wrap.h"

static void configure(Agent *agent, const char *directory)
{
    const struct {
        const char *name, *inside;
    } places[] = {{"state_directory", "state"}, {"run_directory", "run"}, {"repository", "rhev"}};
    options_set_defaults(config_rows, config_count, &agent->config);
    options_assign(config_rows, config_count, &agent->config, "listen_address=127.0.0.1", NULL);
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        AUTO_FREE char *assignment =
            memory_format("%s=%s/%s", places[i].name, directory, places[i].inside);
        if (options_assign(config_rows, config_count, &agent->config, assignment, NULL))
            abort();
    }
}

static void give_up(const Fail *why)
{
    AUTO_FREE char *text = fail_text(why);
    fprintf(stderr, "storage-agent: %s\n", text);
    exit(1);
}

static void stop(uv_signal_t *signal, int number)
{
    Agent *agent = signal->data;
    (void)number;
    rpc_server_stop(agent->rpc);
    uv_close((uv_handle_t *)&agent->sigterm, NULL);
}

static void start(Agent *agent)
{
    AUTO_FAIL why = {0};
    AUTO_FREE char *socket = memory_format("%s/agent.sock", agent->config.run_directory);
    directory_make(agent->config.state_directory, 0700);
    directory_make(agent->config.run_directory, 0755);
    agent->config.listen_port = 0; // whatever is free; tests use the socket
    agent->rpc = rpc_server_new(agent, &why);
    if (!agent->rpc)
        give_up(&why);
    agent->storage = storage_new(agent);
    if (storage_recover(agent->storage, &why) || rpc_server_listen_path(agent->rpc, socket, &why))
        give_up(&why);
    uv_signal_init(agent->loop, &agent->sigterm);
    agent->sigterm.data = agent;
    uv_signal_start(&agent->sigterm, stop, SIGTERM);
}

int main(int argc, char *argv[])
{
    static Agent agent; // what the parts don't free at the end stays reachable
    static uv_loop_t loop;
    AUTO_FAIL why = {0};
    if (argc < 2) {
        fputs("storage-agent DIRECTORY [NAME=VALUE]...\n", stderr);
        return 2;
    }
    crash_wrap_init();
    signal(SIGPIPE, SIG_IGN);
    log_init("storage-agent");
    uv_loop_init(&loop);
    agent.loop = &loop;
    configure(&agent, argv[1]);
    for (int i = 2; i < argc; i++)
        if (options_assign(config_rows, config_count, &agent.config, argv[i], &why))
            give_up(&why);
    start(&agent);
    puts("ready");
    fflush(stdout);
    uv_run(&loop, UV_RUN_DEFAULT);
    storage_free(agent.storage);
    rpc_server_free(agent.rpc);
    uv_loop_close(&loop);
    options_done(config_rows, config_count, &agent.config);
    return 0;
}
