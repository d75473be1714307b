// A storage domain: made on a host, then attached to a data centre.
#include <errno.h>
#include <string.h>

#include "cli/client/json_path.h"
#include "cli/client/resolve.h"
#include "cli/commands/plain.h"
#include "cli/verbs/runs.h"

// "server:/export" is an address and a path; the rest a path alone.
static int location_set(Cli *cli, Json *body, const char *location, Fail *why)
{
    Arena *arena = &cli->arena;
    const char *type = command_text(&cli->command, "type");
    const char *colon = strstr(location, ":/");
    if (!type)
        type = colon ? "nfs" : *location == '/' ? "localfs" : NULL;
    if (!type)
        return fail_set(why, FAIL_INVALID,
                        "\"%s\" is no location: it looks like SERVER:/EXPORT or /DIRECTORY.",
                        location);
    json_set_string(arena, body, "storage.type", type);
    bool has_server = !strcmp(type, "nfs") && colon;
    if (has_server)
        json_set_string(arena, body, "storage.address",
                        arena_bytes(arena, location, (size_t)(colon - location)));
    json_set_string(arena, body, "storage.path", has_server ? colon + 1 : location);
    if (!strcmp(type, "glusterfs") && !command_text(&cli->command, "vfs-type"))
        json_set_string(arena, body, "storage.vfs_type", "glusterfs");
    return 0;
}

static int storage_body(Cli *cli, Json **ret, Fail *why)
{
    const char *location = command_text(&cli->command, "LOCATION");
    int result = call_body(cli, ret, why);
    if (result)
        return result;
    if (location)
        return location_set(cli, *ret, location, why);
    if (json_at(*ret, "storage.logical_units"))
        return 0;
    return fail_set(why, FAIL_INVALID, "LOCATION or --lun must be given.");
}

// The manager attaches local storage by itself, to its host's data centre.
static bool storage_is_attached(Cli *cli, const char *path)
{
    AUTO_FAIL trouble = {0};
    const Json *attached;
    return !rest_get(cli, &cli->arena, path, &attached, &trouble);
}

static int storage_attach(Cli *cli, Outcome *outcome, Fail *why)
{
    const Value *center = command_value(&cli->command, "datacenter");
    const char *path = arena_format(&cli->arena, "datacenters/%s/storagedomains", center->id);
    Json *body = json_new_object(&cli->arena);
    const Json *answer = NULL;
    json_set_string(&cli->arena, body, "id", outcome->id);
    outcome->path = arena_format(&cli->arena, "%s/%s", path, outcome->id);
    if (storage_is_attached(cli, outcome->path))
        return call_wait(cli, outcome, why);
    call_new_correlation(cli);
    int result = rest_call(cli, &cli->arena, "POST", path, body, &answer, why);
    if (result) {
        fail_prefix(why, "%s was made but not attached: ", outcome->name);
        fail_hint(why, "Attach it with vireo storage attach %s", outcome->name);
        return result;
    }
    outcome->correlation = arena_string(&cli->arena, cli->correlation);
    outcome->job = NULL;
    return call_wait(cli, outcome, why);
}

int run_storage_add(Cli *cli, Fail *why)
{
    Json *body;
    Outcome outcome;
    bool attach = !command_flag(&cli->command, "no-attach");
    int result = resolve_command(cli, why);
    if (!result)
        result = storage_body(cli, &body, why);
    if (!result)
        result = call_send(cli, NULL, body, &outcome, why);
    if (!result && attach)
        result = storage_attach(cli, &outcome, why);
    return result ? result : call_tell(cli, &outcome, why);
}
