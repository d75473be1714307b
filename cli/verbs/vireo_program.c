// The table of vireo.
#include "cli/verbs/rows.h"
#include "cli/verbs/runs.h"

static const VerbRow verb_rows[] = {
#include "cli/verbs/verbs.def"
    {0},
};

static const VerbRow common_rows[] = {
#define COMMON_OPTIONS
#include "cli/verbs/common.def"
#undef COMMON_OPTIONS
    {0},
};

static const VerbRow list_rows[] = {
#define LIST_OPTIONS
#include "cli/verbs/common.def"
#undef LIST_OPTIONS
    {0},
};

static const VerbRow wait_rows[] = {
#define WAIT_OPTIONS
#include "cli/verbs/common.def"
#undef WAIT_OPTIONS
    {0},
};

static const ManualNote vireo_notes[] = {
    {"ENVIRONMENT", NULL},
    {"VIREO_CONNECTION", "A connection.json to use, as --connection."},
    {"NO_COLOR",
     "When it is set to anything, no colours are used. They only ever are on terminals."},
    {"XDG_CONFIG_HOME", "Where the login is kept; else ~/.config."},
    {"XDG_CACHE_HOME", "Where tokens of connection files are kept; else ~/.cache."},
    {"FILES", NULL},
    {"~/.config/vireo/session.json", "The login: the manager's URL, the user and the token."},
    {"~/.config/vireo/ca.pem", "The certificate of the manager's authority."},
    {"connection.json", "An object with url, user, password and ca_file: a manager to use without "
                        "logging in."},
    {"SEE ALSO", NULL},
    {"vireo-manager(8)", "The administrator's command on the manager's machine."},
    {0},
};

const Program vireo_program = {
    .name = "vireo",
    .section = 1,
    .title = "the command line of a Vireo manager",
    .about = "vireo shows and changes what a manager looks after: virtual machines, disks, hosts, "
             "storage and networks. Objects are given by name or by id; a noun's plural lists: "
             "vireo vms, vireo events --follow. It speaks the REST API and nothing else.",
    .rows = verb_rows,
    .common = common_rows,
    .listing = list_rows,
    .waiting = wait_rows,
    .notes = vireo_notes,
};
