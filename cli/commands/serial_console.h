// The serial console of a virtual machine in this terminal, through the manager.
#pragma once

#include "cli/cli.h"

int serial_console_run(Cli *cli, const Value *vm, Fail *why);
