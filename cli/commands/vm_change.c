// Changing virtual machines: their settings, interfaces and CD.
#include <errno.h>
#include <string.h>

#include "cli/client/json_path.h"
#include "cli/client/resolve.h"
#include "cli/commands/plain.h"
#include "cli/commands/vm_parts.h"
#include "cli/verbs/runs.h"

int run_vm_update(Cli *cli, Fail *why)
{
    Json *body;
    Outcome outcome;
    int result = resolve_command(cli, why);
    if (!result)
        result = call_body(cli, &body, why);
    if (!result)
        result = vm_set_ssh_keys(cli, body, why);
    if (!result && !json_first(body))
        result = fail_set(why, FAIL_INVALID, "Nothing is to be changed: give options.");
    if (!result)
        result = call_send(cli, NULL, body, &outcome, why);
    return result ? result : call_tell(cli, &outcome, why);
}

int run_vm_nic_add(Cli *cli, Fail *why)
{
    Json *body;
    Outcome outcome;
    const char *cluster = NULL, *profile = NULL, *name = command_text(&cli->command, "name");
    int result = resolve_command(cli, why);
    const char *vm = result ? NULL : command_argument(&cli->command, 1)->id;
    if (!result)
        result = object_member(cli, arena_format(&cli->arena, "vms/%s", vm), "cluster.id", &cluster,
                               why);
    if (!result)
        result =
            vm_find_profile(cli, command_text(&cli->command, "PROFILE"), cluster, &profile, why);
    if (!result && !name)
        result = vm_free_nic_name(cli, vm, &name, why);
    if (!result)
        result = call_body(cli, &body, why);
    if (result)
        return result;
    json_set_string(&cli->arena, body, "name", name);
    json_set_string(&cli->arena, body, "vnic_profile.id", profile);
    result = call_send(cli, NULL, body, &outcome, why);
    return result ? result : call_tell(cli, &outcome, why);
}

// ---- the CD drive

static int cdrom_path(Cli *cli, const char *vm, const char **ret, Fail *why)
{
    const Json *answer = NULL;
    const char *path = arena_format(&cli->arena, "vms/%s/cdroms", vm);
    int result = rest_get(cli, &cli->arena, path, &answer, why);
    if (result)
        return result;
    const char *id = json_get_string(json_first(rest_list(answer, "cdrom")), "id");
    if (!id)
        return fail_set(why, FAIL_CONFLICT, "The virtual machine has no CD drive.");
    *ret = arena_format(&cli->arena, "%s/%s", path, id);
    return 0;
}

int run_vm_cd(Cli *cli, Fail *why)
{
    const Json *answer = NULL;
    const char *path = NULL, *status = NULL;
    Json *body = json_new_object(&cli->arena);
    int result = resolve_command(cli, why);
    if (result)
        return result;
    const Value *vm = command_argument(&cli->command, 1), *iso = command_argument(&cli->command, 2);
    result =
        object_member(cli, arena_format(&cli->arena, "vms/%s", vm->id), "status", &status, why);
    if (!result)
        result = cdrom_path(cli, vm->id, &path, why);
    if (result)
        return result;
    // "current" is the drive of the running machine; else it is its configuration.
    bool now = strcmp(status, "down") && !command_flag(&cli->command, "next-start");
    if (now)
        path = path_add(&cli->arena, path, "current", "true");
    json_set_string(&cli->arena, body, "file.id", iso ? iso->id : "");
    result = rest_call(cli, &cli->arena, "PUT", path, body, &answer, why);
    if (!result && !cli->quiet)
        printf("vm %s: %s %s%s\n", vm->text, iso ? iso->text : "the CD",
               iso ? "inserted" : "ejected",
               now || !strcmp(status, "down") ? "" : " from its next start on");
    return result;
}
