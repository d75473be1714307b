// vireod: the manager.
#include <signal.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/program.h"
#include "manager/crash_point.h"
#include "manager/events/event_log.h"
#include "manager/identity/identity.h"
#include "manager/inventory/inventory.h"
#include "manager/manager.h"
#include "manager/operations/operation.h"

#define CONFIG_FILE "/etc/vireo/manager.conf"

static const PageRow commands[] = {
    {"[--config FILE] [--set NAME=VALUE]...", "Run the manager."},
    {"--check-config", "Judge the configuration and exit."},
    {"--sample-config", "Print all options with their defaults."},
    {"--version", "Print the version."},
    {0},
};

static const PageRow notes[] = {
    {"/var/lib/vireo/manager",
     "The store with everything the manager knows, its authority's key too; and admin-password, "
     "the first password of admin@internal, made at the first start."},
    {0},
};

static const ProgramPage page = {
    .name = "vireod",
    .title = "the manager of virtual machines and the hosts they run on",
    .about = "vireod keeps the inventory of a virtual data centre, speaks to the agents of its "
             "hosts, and serves the REST API over HTTPS. Virtual machines run on when it stops. "
             "It runs until SIGTERM or SIGINT.",
    .commands = commands,
    .notes = notes,
    .config = CONFIG_FILE,
    .options = config_rows,
    .option_count = &config_count,
};

static void signalled(uv_signal_t *signal, int number)
{
    (void)number;
    manager_stop(signal->data);
}

static int run(Manager *manager)
{
    AUTO_FAIL why = {0};
    uv_loop_t loop;
    signal(SIGPIPE, SIG_IGN);
    setenv("UV_THREADPOOL_SIZE", "8", 0);
    crash_point_init();
    uv_loop_init(&loop);
    manager->loop = &loop;
    if (manager_start(manager, &why)) {
        AUTO_FREE char *text = fail_text(&why);
        log_error("manager.start", LOG_NONE, "%s", text);
        return 1;
    }
    uv_signal_init(&loop, &manager->sigint);
    uv_signal_init(&loop, &manager->sigterm);
    manager->sigint.data = manager->sigterm.data = manager;
    uv_signal_start(&manager->sigint, signalled, SIGINT);
    uv_signal_start(&manager->sigterm, signalled, SIGTERM);
    notify_start(&manager->notify, &loop);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    operations_free(manager->operations);
    identity_free(manager->identity);
    event_log_free(manager->events);
    inventory_free(manager->inventory);
    tls_context_unref(manager->server_tls);
    tls_context_unref(manager->agent_tls);
    certificate_pair_done(&manager->authority);
    certificate_pair_done(&manager->certificate);
    free(manager->instance_id);
    options_done(config_rows, config_count, &manager->config);
    return 0;
}

int main(int argc, char **argv)
{
    Manager manager = {0};
    log_init("vireod");
    program_configure(&page, &manager.config, argc, argv);
    return run(&manager);
}
