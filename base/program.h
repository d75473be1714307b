// How a daemon begins: its command line and its configuration, the same for every one.
#pragma once

#include "base/program_page.h"

// Reads the configuration into `config`, which the page's option rows describe: the defaults, the
// file, then each --set. The row "log_level" sets the level of the log. What only asks (--help,
// --version, --check-config and such) is answered and ends the program; so does what is wrong,
// with exit code 2.
void program_configure(const ProgramPage *page, void *config, int argc, char **argv);
