// Parts of virtual machines that several verbs make.
#pragma once

#include "cli/cli.h"

// Public keys of --ssh-key, each a key or a file with keys, into the body.
int vm_set_ssh_keys(Cli *cli, Json *body, Fail *why);
// A vNIC profile by "NAME", "NETWORK/NAME" or id; of several with the name the one in the cluster's
// data centre.
int vm_find_profile(Cli *cli, const char *text, const char *cluster, const char **ret_id,
                    Fail *why);
// The first of nic1, nic2 ... that the VM does not have.
int vm_free_nic_name(Cli *cli, const char *vm, const char **ret, Fail *why);
// The member of an object, "vms/ID" and "cluster.id"; empty is a failure.
int object_member(Cli *cli, const char *path, const char *member, const char **ret, Fail *why);
