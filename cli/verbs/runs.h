// The functions that verbs run. They write what they have to say to stdout and return 0, or a
// negative errno with `why` filled.
#pragma once

#include "cli/verbs/verb.h"

// Verbs that need nothing but their rows.
int run_list(Cli *cli, Fail *why);
int run_show(Cli *cli, Fail *why);
int run_call(Cli *cli, Fail *why);

int run_login(Cli *cli, Fail *why);
int run_logout(Cli *cli, Fail *why);
int run_status(Cli *cli, Fail *why);
int run_api(Cli *cli, Fail *why);
int run_completion(Cli *cli, Fail *why);
int run_complete(Cli *cli, Fail *why);
int run_vm_create(Cli *cli, Fail *why);
int run_vm_update(Cli *cli, Fail *why);
int run_vm_console(Cli *cli, Fail *why);
int run_vm_nic_add(Cli *cli, Fail *why);
int run_vm_cd(Cli *cli, Fail *why);
int run_disk_upload(Cli *cli, Fail *why);
int run_disk_download(Cli *cli, Fail *why);
int run_host_token(Cli *cli, Fail *why);
int run_storage_add(Cli *cli, Fail *why);
int run_event_list(Cli *cli, Fail *why);
