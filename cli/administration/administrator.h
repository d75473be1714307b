// vireo-manager: what an administrator does on the manager's machine.
#pragma once

#include "base/json.h"
#include "cli/cli.h"
#include "manager/config/config.h"

extern const Program administrator_program;

int run_backup(Cli *cli, Fail *why);
int run_restore(Cli *cli, Fail *why);
int run_check_config(Cli *cli, Fail *why);
int run_user_add(Cli *cli, Fail *why);
int run_user_change(Cli *cli, Fail *why);

// The manager's configuration, as --config and --set say. The caller frees it with config_free().
int config_read(const Cli *cli, Config *ret, Fail *why);
void config_free(Config *config);
#define AUTO_CONFIG __attribute__((cleanup(config_free))) Config

// One request to the running manager over its control socket. `request` is a JSON object.
int control_call(const Config *config, const StrBuf *request, Fail *why);
// True when a manager answers there.
bool control_answers(const Config *config);

// Puts a backup in the place of the store of a manager that does not run.
int store_restore(const char *backup, const char *state_directory, Fail *why);
// True when the file is a store of Vireo's and whole.
int store_check(const char *path, Fail *why);
