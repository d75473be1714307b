// vireo: the command line of a manager.
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "cli/cli.h"
#include "cli/verbs/completion.h"
#include "cli/verbs/exit_code.h"
#include "cli/verbs/help.h"
#include "cli/verbs/runs.h"

int run_completion(Cli *cli, Fail *why)
{
    (void)why;
    completion_script(cli->command.program, command_text(&cli->command, "SHELL"), stdout);
    return 0;
}

static void failure_print(const Fail *why)
{
    AUTO_FREE char *text = fail_text(why);
    fprintf(stderr, "vireo: %s\n", text);
}

static void interrupted(int signal)
{
    (void)signal;
    http_interrupt();
}

static void signals_init(void)
{
    struct sigaction action = {.sa_handler = interrupted};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void cli_done(Cli *cli)
{
    command_done(&cli->command);
    session_done(&cli->session);
    map_done(&cli->names);
    map_done(&cli->names_known);
    arena_done(&cli->arena);
}

static int cli_run(Cli *cli)
{
    AUTO_FAIL why = {0};
    const Command *command = &cli->command;
    cli->json = command_flag(command, "json");
    cli->quiet = command_flag(command, "quiet");
    cli->verbose = command_flag(command, "verbose");
    const char *no_color = getenv("NO_COLOR");
    cli->color = isatty(STDOUT_FILENO) && !(no_color && *no_color);
    if (!command->verb->run(cli, &why) && !http_interrupted())
        return EXIT_OK;
    if (http_interrupted())
        return EXIT_INTERRUPTED;
    failure_print(&why);
    return exit_code_of(why.code);
}

int main(int argc, char **argv)
{
    Cli cli = {0};
    AUTO_FAIL why = {0};
    int code = EXIT_OK;
    setlocale(LC_CTYPE, "");
    arena_init(&cli.arena, 16 * 1024);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    signals_init();
    int result = command_parse(&cli.arena, &vireo_program, argc - 1, argv + 1, false, &cli.command,
                               &why);
    const Command *command = &cli.command;
    if (command_flag(command, "version"))
        puts("vireo " VIREO_VERSION);
    else if (command_flag(command, "man"))
        manual_print(&vireo_program, stdout);
    else if (command_flag(command, "help") && !result)
        help_print(command, stdout);
    else if (result && !command->verb && argc == 1)
        help_print(command, stderr);
    else if (result)
        failure_print(&why);
    else
        code = cli_run(&cli);
    if (result)
        code = EXIT_USAGE;
    if (fflush(stdout) && !code)
        code = EXIT_FAILED;
    cli_done(&cli);
    curl_global_cleanup();
    return code;
}
