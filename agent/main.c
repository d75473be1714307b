// vireo-agent: the host's part.
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/console/console_server.h"
#include "agent/console/spice_tls.h"
#include "agent/enrol.h"
#include "agent/identity.h"
#include "agent/image/image_server.h"
#include "agent/network/host_network.h"
#include "agent/report/host_report.h"
#include "agent/rpc/server.h"
#include "agent/storage/storage.h"
#include "agent/vm/half_start.h"
#include "agent/vm/hypervisor.h"
#include "agent/vm/vms.h"
#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/program.h"

#define CONFIG_FILE "/etc/vireo/agent.conf"

static const PageRow commands[] = {
    {"[--config FILE] [--set NAME=VALUE]...", "Run."},
    {"enrol --manager URL --token TOKEN [--fingerprint SHA256] [--name NAME] [--address ADDRESS]",
     "Join a manager; run once, before the agent. The manager tells TOKEN: vireo host token."},
    {"forget-starts",
     "Make libvirt forget the virtual machines that it was starting when it was killed; run before "
     "each start of libvirtd, by its unit."},
    {"--check-config", "Judge the configuration and exit."},
    {"--sample-config", "Print all options with their defaults."},
    {"--version", "Print the version."},
    {0},
};

static const PageRow notes[] = {
    {"/var/lib/vireo/agent",
     "The host's identity and certificates, records of its virtual machines and tasks."},
    {0},
};

static const ProgramPage page = {
    .name = "vireo-agent",
    .title = "the agent on a host of virtual machines",
    .about = "vireo-agent runs virtual machines through libvirt, looks after the host's storage "
             "and network, and reports to its manager over VDSM's protocol. Virtual machines run "
             "on when it stops. It runs until SIGTERM or SIGINT.",
    .commands = commands,
    .notes = notes,
    .config = CONFIG_FILE,
    .options = config_rows,
    .option_count = &config_count,
};

static void agent_stop(Agent *agent)
{
    if (agent->stopping)
        return;
    agent->stopping = true;
    log_notice("agent.stop", LOG_NONE, "Stopping; guests keep running.");
    rpc_server_stop(agent->rpc);
    console_server_stop(agent->consoles);
    image_server_stop(agent->images);
    host_report_stop(agent->report);
    host_network_stop(agent->network);
    vms_stop(agent->vms);
    hypervisor_stop(agent->hypervisor);
    notify_stop(&agent->notify);
    uv_close((uv_handle_t *)&agent->sigint, NULL);
    uv_close((uv_handle_t *)&agent->sigterm, NULL);
}

static void agent_signal(uv_signal_t *signal, int number)
{
    (void)number;
    agent_stop(signal->data);
}

static int agent_start(Agent *agent, Fail *why)
{
    const Config *config = &agent->config;
    int result = directory_make(config->state_directory, 0700);
    if (!result)
        result = directory_make(config->run_directory, 0755);
    if (result)
        return fail_errno(why, FAIL_INTERNAL, result, "The directories %s and %s can't be made",
                          config->state_directory, config->run_directory);
    if ((result = agent_identity_load(agent, why)))
        return result;
    agent->storage = storage_new(agent);
    if ((result = storage_recover(agent->storage, why)))
        return result;
    agent->rpc = rpc_server_new(agent, why);
    if (!agent->rpc)
        return fail_to_errno(why->code);
    AUTO_FREE char *socket = memory_format("%s/agent.sock", config->run_directory);
    if ((result = rpc_server_listen_path(agent->rpc, socket, why)))
        return result;
    agent->images = image_server_new(agent, why);
    if (!agent->images)
        return fail_to_errno(why->code);
    agent->consoles = console_server_new(agent);
    rpc_server_on_http(agent->rpc, console_server_adopt, agent->consoles);
    agent->network = host_network_new(agent);
    agent->hypervisor = hypervisor_new(agent);
    agent->vms = vms_new(agent);
    agent->report = host_report_new(agent);
    spice_tls_provide(agent);
    // The hypervisor connects in the background; when its VMs are known the verbs are opened.
    hypervisor_start(agent->hypervisor);
    return 0;
}

static int agent_run(Agent *agent)
{
    AUTO_FAIL why = {0};
    uv_loop_t loop;
    signal(SIGPIPE, SIG_IGN);
    mallopt(M_ARENA_MAX, 2); // one for each thread of the pool costs a megabyte in all
    mallopt(M_MMAP_THRESHOLD, 256 * 1024); // stays there, so that what transfers used goes back
    mallopt(M_TRIM_THRESHOLD, 512 * 1024);
    setenv("UV_THREADPOOL_SIZE", "24", 0); // each may wait for libvirt or a slow disk
    uv_loop_init(&loop);
    agent->loop = &loop;
    if (agent_start(agent, &why)) {
        AUTO_FREE char *text = fail_text(&why);
        log_error("agent.start", LOG_NONE, "%s", text);
        return 1;
    }
    uv_signal_init(&loop, &agent->sigint);
    uv_signal_init(&loop, &agent->sigterm);
    agent->sigint.data = agent->sigterm.data = agent;
    uv_signal_start(&agent->sigint, agent_signal, SIGINT);
    uv_signal_start(&agent->sigterm, agent_signal, SIGTERM);
    log_notice("agent.start", LOG_ID("host", agent->host_id), "Listening on port %d.",
               agent->config.listen_port);
    notify_start(&agent->notify, &loop);
    uv_run(&loop, UV_RUN_DEFAULT);
    return 0;
}

static int agent_forget_starts(void)
{
    AUTO_FAIL why = {0};
    if (!half_starts_forget(LIBVIRT_STATUS_FOLDER, &why))
        return 0;
    AUTO_FREE char *text = fail_text(&why);
    log_error("vm.half_start", LOG_NONE, "%s", text);
    return 1;
}

int main(int argc, char **argv)
{
    Agent agent = {0};
    AUTO_FAIL why = {0};
    log_init("vireo-agent");
    if (argc == 2 && !strcmp(argv[1], "forget-starts"))
        return agent_forget_starts();
    bool enrol = argc > 1 && !strcmp(argv[1], "enrol");
    EnrolOptions request = {0};
    if (enrol && enrol_parse(&request, &argc, argv, &why)) {
        fprintf(stderr, "vireo-agent: %s\n", why.message);
        program_page_usage(&page, stderr);
        return 2;
    }
    program_configure(&page, &agent.config, argc, argv);
    int result = enrol ? enrol_run(&agent, &request, &why) != 0 : agent_run(&agent);
    if (fail_is_set(&why)) {
        AUTO_FREE char *text = fail_text(&why);
        fprintf(stderr, "vireo-agent: %s\n", text);
    }
    if (enrol) // else threads may still read them
        options_done(config_rows, config_count, &agent.config);
    return result;
}
