// vireod: the manager.
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/program_page.h"
#include "manager/crash_point.h"
#include "manager/events/event_log.h"
#include "manager/identity/identity.h"
#include "manager/inventory/inventory.h"
#include "manager/manager.h"

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

typedef struct Options {
    const char *config;
    bool required, check;
} Options;

static int options_read(Manager *manager, Options *options, int argc, char **argv, Fail *why)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"set", required_argument, NULL, 's'},
        {"check-config", no_argument, NULL, 'k'},
        {"sample-config", no_argument, NULL, 'p'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {"man", no_argument, NULL, 'm'},
        {"man-config", no_argument, NULL, 'f'},
        {NULL, 0, NULL, 0},
    };
    const char *sets[64];
    int set_count = 0, result;
    for (int letter; (letter = getopt_long(argc, argv, "c:s:h", longs, NULL)) != -1;) {
        switch (letter) {
        case 'c':
            options->config = optarg;
            options->required = true;
            break;
        case 's':
            if (set_count < (int)COUNT_OF(sets))
                sets[set_count++] = optarg;
            break;
        case 'k': options->check = true; break;
        case 'p': options_print_sample(config_rows, config_count, stdout); exit(0);
        case 'v': puts("vireod " VIREO_VERSION); exit(0);
        case 'h': program_page_usage(&page, stdout); exit(0);
        case 'm': program_page_print(&page, stdout); exit(0);
        case 'f': program_page_print_config(&page, stdout); exit(0);
        default: program_page_usage(&page, stderr); exit(2);
        }
    }
    options_set_defaults(config_rows, config_count, &manager->config);
    result = options_load(config_rows, config_count, &manager->config, options->config,
                          options->required, why);
    for (int i = 0; !result && i < set_count; i++)
        result = options_assign(config_rows, config_count, &manager->config, sets[i], why);
    LogLevel level = log_level_from_name(manager->config.log_level);
    if (!result && level < 0)
        result = fail_set(why, FAIL_INVALID, "log_level: \"%s\" is no level.",
                          manager->config.log_level);
    if (!result)
        log_set_level(level);
    return result;
}

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
    AUTO_FAIL why = {0};
    Options options = {.config = CONFIG_FILE};
    log_init("vireod");
    if (options_read(&manager, &options, argc, argv, &why)) {
        AUTO_FREE char *text = fail_text(&why);
        fprintf(stderr, "vireod: %s\n", text);
        return 2;
    }
    if (options.check) {
        puts("The configuration is good.");
        return 0;
    }
    return run(&manager);
}
