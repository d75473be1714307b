#include "cli/commands/vm_parts.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/uuid.h"
#include "cli/client/json_path.h"
#include "cli/client/rest.h"

enum { KEYS_MAX = 256 * 1024 };

// "ssh-ed25519 AAAA...", "ecdsa-...", "sk-...": no file is called so.
static bool is_public_key(const char *text)
{
    return strchr(text, ' ') &&
           (!strncmp(text, "ssh-", 4) || !strncmp(text, "ecdsa-", 6) || !strncmp(text, "sk-", 3));
}

int vm_set_ssh_keys(Cli *cli, Json *body, Fail *why)
{
    AUTO_STRBUF keys = {0};
    VALUE_EACH(&cli->command, "ssh-key", value)
    {
        AUTO_FREE char *text = NULL;
        size_t length = 0;
        int result = 0;
        if (is_public_key(value->text))
            text = memory_string(value->text);
        else
            result = file_read(value->text, KEYS_MAX, &text, &length);
        if (result)
            return fail_errno(why, FAIL_INVALID, result, "--ssh-key: %s can't be read",
                              value->text);
        if (strstr(text, "PRIVATE KEY"))
            return fail_set(why, FAIL_INVALID, "--ssh-key: %s holds a private key.", value->text);
        text[strcspn(text, "\r") < strlen(text) ? strcspn(text, "\r") : strlen(text)] = 0;
        length = strlen(text);
        while (length && text[length - 1] == '\n')
            text[--length] = 0;
        strbuf_addf(&keys, "%s%s", keys.length ? "\n" : "", text);
    }
    if (keys.length)
        json_set_string(&cli->arena, body, "initialization.authorized_ssh_keys",
                        arena_string(&cli->arena, keys.data));
    return 0;
}

int object_member(Cli *cli, const char *path, const char *member, const char **ret, Fail *why)
{
    const Json *object = NULL;
    int result = rest_get(cli, &cli->arena, path, &object, why);
    if (result)
        return result;
    *ret = json_text_at(&cli->arena, object, member);
    return *ret ? 0 : fail_set(why, FAIL_INTERNAL, "%s has no %s.", path, member);
}

// ---- profiles

static const Json *object_of(const Json *list, const char *id)
{
    JSON_EACH(list, object)
        if (id && !strcmp(json_get_string(object, "id"), id))
            return object;
    return NULL;
}

typedef struct ProfileSearch {
    Cli *cli;
    const char *name;
    const char *network; // NULL: any
    const Json *profiles, *networks;
    const char *center; // NULL: any
} ProfileSearch;

static void profiles_match(const ProfileSearch *search, Array *ret)
{
    Arena *arena = &search->cli->arena;
    JSON_EACH(search->profiles, profile) {
        const char *name = json_get_string(profile, "name");
        const Json *network =
            object_of(search->networks, json_text_at(arena, profile, "network.id"));
        const char *network_name = json_get_string(network, "name");
        const char *center = json_text_at(arena, network, "data_center.id");
        if (name && !strcmp(name, search->name) &&
            (!search->network || (network_name && !strcmp(network_name, search->network))) &&
            (!search->center || (center && !strcmp(center, search->center))))
            array_add(ret, (void *)profile);
    }
}

static int profiles_load(ProfileSearch *search, const char *cluster, Fail *why)
{
    Cli *cli = search->cli;
    const Json *profiles = NULL, *networks = NULL;
    int result = rest_get(cli, &cli->arena, "vnicprofiles", &profiles, why);
    if (!result)
        result = rest_get(cli, &cli->arena, "networks", &networks, why);
    if (!result)
        result = object_member(cli, arena_format(&cli->arena, "clusters/%s", cluster),
                               "data_center.id", &search->center, why);
    search->profiles = rest_list(profiles, "vnic_profile");
    search->networks = rest_list(networks, "network");
    return result;
}

int vm_find_profile(Cli *cli, const char *text, const char *cluster, const char **ret_id, Fail *why)
{
    AUTO_ARRAY found = {0};
    const char *slash = strchr(text, '/');
    ProfileSearch search = {.cli = cli, .name = slash ? slash + 1 : text};
    *ret_id = text;
    if (uuid_valid(text))
        return 0;
    if (slash)
        search.network = arena_bytes(&cli->arena, text, (size_t)(slash - text));
    int result = profiles_load(&search, cluster, why);
    if (result)
        return result;
    profiles_match(&search, &found);
    if (found.count == 1) {
        *ret_id = json_get_string(found.items[0], "id");
        return 0;
    }
    AUTO_STRBUF names = {0};
    for (size_t i = 0; i < found.count; i++) {
        const char *network = json_text_at(&cli->arena, found.items[i], "network.id");
        const char *name = json_get_string(object_of(search.networks, network), "name");
        strbuf_addf(&names, "%s%s/%s (%s)", i ? ", " : "", name ? name : "?", search.name,
                    json_get_string(found.items[i], "id"));
    }
    if (!found.count)
        return fail_set(why, FAIL_NOT_FOUND,
                        "There is no vnic-profile named %s in the cluster's data centre.", text);
    return fail_set(why, FAIL_INVALID, "There are %zu vnic-profile objects named %s: %s.",
                    found.count, text, names.data);
}

int vm_free_nic_name(Cli *cli, const char *vm, const char **ret, Fail *why)
{
    const Json *answer = NULL;
    int result =
        rest_get(cli, &cli->arena, arena_format(&cli->arena, "vms/%s/nics", vm), &answer, why);
    if (result)
        return result;
    for (int number = 1;; number++) {
        const char *name = arena_format(&cli->arena, "nic%d", number);
        bool taken = false;
        JSON_EACH(rest_list(answer, "nic"), nic) {
            const char *other = json_get_string(nic, "name");
            taken = taken || (other && !strcmp(other, name));
        }
        if (taken)
            continue;
        *ret = name;
        return 0;
    }
}
