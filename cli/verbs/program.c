#include "cli/verbs/program.h"

#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/verbs/exit_code.h"
#include "cli/verbs/help.h"

static void failure_print(const Program *program, const Fail *why)
{
    AUTO_FREE char *text = fail_text(why);
    fflush(stdout);
    fprintf(stderr, "%s: %s\n", program->name, text);
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

static int verb_run(Cli *cli, Fail *why)
{
    const Command *command = &cli->command;
    const char *no_color = getenv("NO_COLOR");
    cli->json = command_flag(command, "json");
    cli->quiet = command_flag(command, "quiet");
    cli->verbose = command_flag(command, "verbose");
    cli->color = isatty(STDOUT_FILENO) && !(no_color && *no_color);
    int result = command->verb->run(cli, why);
    if (result && fail_is_set(why))
        failure_print(command->program, why);
    if (http_interrupted())
        return EXIT_INTERRUPTED;
    return result ? exit_code_of(why->code) : EXIT_OK;
}

static int program_run(Cli *cli, int result, bool nothing, Fail *why)
{
    const Command *command = &cli->command;
    if (command_flag(command, "version"))
        printf("%s " VIREO_VERSION "\n", command->program->name);
    else if (command_flag(command, "man"))
        manual_print(command->program, stdout);
    else if (command_flag(command, "help") && !result)
        help_print(command, stdout);
    else if (!result)
        return verb_run(cli, why);
    else if (nothing)
        help_print(command, stderr);
    else
        failure_print(command->program, why);
    return result ? EXIT_USAGE : EXIT_OK;
}

int program_main(const Program *program, int argc, char **argv)
{
    Cli cli = {0};
    AUTO_FAIL why = {0};
    setlocale(LC_CTYPE, "");
    signals_init();
    arena_init(&cli.arena, 16 * 1024);
    int result = command_parse(&cli.arena, program, argc - 1, argv + 1, false, &cli.command, &why);
    int code = program_run(&cli, result, argc == 1, &why);
    if (fflush(stdout) && !code) // a full disk must not look like success
        code = EXIT_FAILED;
    command_done(&cli.command);
    session_done(&cli.session);
    map_done(&cli.names);
    map_done(&cli.names_known);
    arena_done(&cli.arena);
    return code;
}
