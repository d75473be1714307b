#include "cli/administration/administrator.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client/prompt.h"
#include "cli/verbs/rows.h"

#define CONFIG_FILE "/etc/vireo/manager.conf"

static const VerbRow administrator_rows[] = {
#include "cli/administration/administrator.def"
    {0},
};

static const VerbRow common_rows[] = {
    // clang-format off
    OPTION("config",  FILE, NULL, 0, NULL, NULL, "The manager's configuration; without it, " CONFIG_FILE ".")
    OPTION("set",     TEXT, "NAME=VALUE", ROW_MANY, NULL, NULL, "An option of the manager, as vireod has it.")
    OPTION("quiet",   FLAG, NULL, 0, NULL, NULL, "Say nothing when it succeeds.")
    OPTION("help",    FLAG, NULL, 0, NULL, NULL, "Explain the noun or verb; also -h.")
    OPTION("version", FLAG, NULL, 0, NULL, NULL, "Tell the version.")
    OPTION("man",     FLAG, NULL, ROW_HIDDEN, NULL, NULL, "Write the manual page.")
    // clang-format on
    {0},
};

static const ManualNote administrator_notes[] = {
    {"FILES", NULL},
    {CONFIG_FILE, "The manager's configuration: control_socket and state_directory are used."},
    {"store.db.before-restore", "In the manager's state directory: the store that was replaced by "
                                "the last restore."},
    {"SEE ALSO", NULL},
    {"vireo(1)", "The command line of the manager's users."},
    {0},
};

const Program administrator_program = {
    .name = "vireo-manager",
    .section = 8,
    .title = "the administrator's command on a Vireo manager's machine",
    .about = "vireo-manager speaks to the manager over its control socket, which only root and the "
             "manager's own user can open. It needs no password.",
    .rows = administrator_rows,
    .common = common_rows,
    .notes = administrator_notes,
};

// ---- configuration

void config_free(Config *config)
{
    options_done(config_rows, config_count, config);
}

int config_read(const Cli *cli, Config *ret, Fail *why)
{
    const char *file = command_text(&cli->command, "config");
    options_set_defaults(config_rows, config_count, ret);
    int result =
        options_load(config_rows, config_count, ret, file ? file : CONFIG_FILE, file != NULL, why);
    VALUE_EACH(&cli->command, "set", value)
    if (!result)
        result = options_assign(config_rows, config_count, ret, value->text, why);
    return result;
}

// vireod beside this program, or wherever PATH has it.
static void exec_vireod(char **argv)
{
    char own[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
    own[length > 0 ? length : 0] = 0;
    char *slash = strrchr(own, '/');
    static const char *const folders[] = {"", "../sbin/", "../manager/"};
    for (size_t i = 0; slash && i < COUNT_OF(folders); i++) {
        AUTO_FREE char *path = memory_format("%.*s/%svireod", (int)(slash - own), own, folders[i]);
        execv(path, argv);
    }
    execvp("vireod", argv);
}

static void word_add(Array *words, const char *word)
{
    array_add(words, (void *)word);
}

int run_check_config(Cli *cli, Fail *why)
{
    AUTO_ARRAY words = {0};
    const char *file = command_text(&cli->command, "config");
    word_add(&words, "vireod");
    word_add(&words, "--check-config");
    if (file) {
        word_add(&words, "--config");
        word_add(&words, file);
    }
    VALUE_EACH(&cli->command, "set", value)
    {
        word_add(&words, "--set");
        word_add(&words, value->text);
    }
    word_add(&words, NULL);
    exec_vireod((char **)words.items);
    return fail_errno(why, FAIL_NOT_FOUND, errno, "vireod can't be started");
}

// ---- the running manager

static int command_send(Cli *cli, const char *path, const char *password, Fail *why)
{
    AUTO_CONFIG config = {0};
    AUTO_STRBUF request = {0};
    JsonWriter writer = {.out = &request};
    const char *name = command_text(&cli->command, "NAME");
    const char *role = command_text(&cli->command, "role");
    int result = config_read(cli, &config, why);
    if (result)
        return result;
    json_open(&writer, '{');
    json_add_string(&writer, "command", cli->command.verb->call);
    if (path)
        json_add_string(&writer, "path", path);
    if (name)
        json_add_string(&writer, "name", name);
    if (role)
        json_add_string(&writer, "role", role);
    if (password)
        json_add_string(&writer, "password", password);
    json_close(&writer, '}');
    result = control_call(&config, &request, why);
    explicit_bzero(request.data, request.length);
    if (!result && name && !cli->quiet)
        printf("user %s %s\n", name, cli->command.verb->done);
    return result;
}

int run_backup(Cli *cli, Fail *why)
{
    char folder[PATH_MAX];
    const char *file = command_text(&cli->command, "FILE");
    if (*file != '/' && !getcwd(folder, sizeof(folder)))
        return fail_errno(why, FAIL_INVALID, errno, "The current directory has no name");
    AUTO_FREE char *path =
        *file == '/' ? memory_string(file) : memory_format("%s/%s", folder, file);
    int result = command_send(cli, path, NULL, why);
    if (!result && !cli->quiet)
        printf("The store was copied to %s\n", path);
    return result;
}

// Asked for twice at a terminal.
static int new_password(const Cli *cli, char **ret, Fail *why)
{
    AUTO_SECRET char *again = NULL;
    const char *file = command_text(&cli->command, "password-file");
    if (file || !isatty(STDIN_FILENO))
        return secret_read(file ? file : "-", ret, why);
    int result = prompt_secret("New password: ", ret, why);
    if (!result)
        result = prompt_secret("Once more: ", &again, why);
    if (!result && strcmp(*ret, again))
        result = fail_set(why, FAIL_INVALID, "These were two different passwords.");
    return result;
}

int run_user_add(Cli *cli, Fail *why)
{
    AUTO_SECRET char *password = NULL;
    int result = new_password(cli, &password, why);
    return result ? result : command_send(cli, NULL, password, why);
}

int run_user_change(Cli *cli, Fail *why)
{
    bool password = !strcmp(cli->command.verb->name, "password");
    return password ? run_user_add(cli, why) : command_send(cli, NULL, NULL, why);
}

int run_restore(Cli *cli, Fail *why)
{
    AUTO_CONFIG config = {0};
    const char *file = command_text(&cli->command, "FILE");
    int result = config_read(cli, &config, why);
    if (!result && control_answers(&config)) {
        fail_set(why, FAIL_CONFLICT, "A manager is running on %s.", config.control_socket);
        fail_hint(why, "Stop it first");
        result = -EBUSY;
    }
    if (!result)
        result = store_restore(file, config.state_directory, why);
    if (!result && !cli->quiet)
        printf("%s is the store now; the one before is kept as %s/store.db.before-restore\n"
               "Start the manager.\n",
               file, config.state_directory);
    return result;
}
