// A virtual machine with its disks and interfaces. When a part fails, what was made is removed
// again: either all of it is there, or nothing.
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/client/json_path.h"
#include "cli/client/resolve.h"
#include "cli/commands/plain.h"
#include "cli/commands/vm_parts.h"
#include "cli/output/column.h"
#include "cli/output/progress.h"
#include "cli/output/size.h"
#include "cli/verbs/runs.h"

enum { ADDRESS_POLL_MS = 1000, UNDO_WAIT_S = 60 };

typedef struct Creation {
    Cli *cli;
    Outcome vm;
    const char *storage; // of new disks
    Array made;          // ids of new disks
    Array disks;         // const char *: id of an existing disk, or NULL for a new one
    Array profiles;      // const char *: ids
} Creation;

// ---- what can be checked before anything is made

static int disks_resolve(Creation *creation, Fail *why)
{
    Cli *cli = creation->cli;
    const Value *storage = command_value(&cli->command, "storage");
    int result = 0;
    VALUE_EACH(&cli->command, "disk", value)
    {
        int64_t size;
        const char *id = NULL;
        if (!result && !size_parse(value->text, &size))
            result = resolve_name(cli, "disk", value->text, &id, why);
        else if (!result && !creation->storage && storage)
            creation->storage = storage->id;
        else if (!result && !creation->storage)
            result = resolve_sole(cli, "storage", "storage", &creation->storage, why);
        array_add(&creation->disks, (void *)id);
    }
    return result;
}

static int nics_resolve(Creation *creation, Fail *why)
{
    Cli *cli = creation->cli;
    int result = 0;
    VALUE_EACH(&cli->command, "nic", value)
    {
        const char *id = NULL;
        if (!result)
            result = vm_find_profile(cli, value->text, command_value(&cli->command, "cluster")->id,
                                     &id, why);
        array_add(&creation->profiles, (void *)id);
    }
    return result;
}

// ---- parts

static int creation_wait(Creation *creation, const char *path, const char *what, const char *until,
                         Fail *why)
{
    Cli *cli = creation->cli;
    const char *state;
    Wait wait = {.what = what,
                 .path = path,
                 .until = until,
                 .correlation = cli->correlation,
                 .timeout_s = command_number(&cli->command, "timeout", 600)};
    return wait_for(cli, &wait, &state, why);
}

static Json *disk_body(Creation *creation, const char *existing, const char *size, size_t number)
{
    Cli *cli = creation->cli;
    Arena *arena = &cli->arena;
    Json *body = json_new_object(arena);
    int64_t bytes = 0;
    json_set_bool(arena, body, "bootable", number == 0);
    json_set_bool(arena, body, "active", true);
    json_set_string(arena, body, "interface", command_text(&cli->command, "disk-interface"));
    if (existing) {
        json_set_string(arena, body, "disk.id", existing);
        return body;
    }
    size_parse(size, &bytes);
    json_set_string(arena, body, "disk.name",
                    arena_format(arena, "%s_Disk%zu", creation->vm.name, number + 1));
    json_set_integer(arena, body, "disk.provisioned_size", bytes);
    json_set_string(arena, body, "disk.format", "cow");
    json_set_bool(arena, body, "disk.sparse", true);
    json_set_string(arena, body, "disk.storage_domains.storage_domain[].id", creation->storage);
    return body;
}

static int disk_add(Creation *creation, const char *existing, const char *size, size_t number,
                    Fail *why)
{
    Cli *cli = creation->cli;
    const char *path = arena_format(&cli->arena, "vms/%s/diskattachments", creation->vm.id);
    const Json *answer = NULL;
    int result = rest_call(cli, &cli->arena, "POST", path,
                           disk_body(creation, existing, size, number), &answer, why);
    if (result)
        return result;
    const char *id = json_text_at(&cli->arena, answer, "disk.id|id");
    if (!id)
        return fail_set(why, FAIL_INTERNAL, "The manager did not tell the new disk's id.");
    if (!existing)
        array_add(&creation->made, (void *)id);
    return creation_wait(creation, arena_format(&cli->arena, "disks/%s", id),
                         existing ? existing : size, "status=ok!illegal", why);
}

static int disks_add(Creation *creation, Fail *why)
{
    size_t number = 0;
    int result = 0;
    VALUE_EACH(&creation->cli->command, "disk", value)
    {
        if (!result)
            result = disk_add(creation, creation->disks.items[number], value->text, number, why);
        number++;
    }
    return result;
}

static int nics_add(Creation *creation, Fail *why)
{
    Cli *cli = creation->cli;
    const char *path = arena_format(&cli->arena, "vms/%s/nics", creation->vm.id);
    int result = 0;
    for (size_t i = 0; !result && i < creation->profiles.count; i++) {
        const Json *answer = NULL;
        Json *body = json_new_object(&cli->arena);
        json_set_string(&cli->arena, body, "name", arena_format(&cli->arena, "nic%zu", i + 1));
        json_set_string(&cli->arena, body, "interface", "virtio");
        json_set_string(&cli->arena, body, "vnic_profile.id", creation->profiles.items[i]);
        result = rest_call(cli, &cli->arena, "POST", path, body, &answer, why);
    }
    return result;
}

static int cd_add(Creation *creation, Fail *why)
{
    Cli *cli = creation->cli;
    const Value *iso = command_value(&cli->command, "cd");
    const Json *answer = NULL;
    Json *body = json_new_object(&cli->arena);
    if (!iso)
        return 0;
    json_set_string(&cli->arena, body, "file.id", iso->id);
    const char *path = arena_format(&cli->arena, "vms/%s/cdroms", creation->vm.id);
    return rest_call(cli, &cli->arena, "POST", path, body, &answer, why);
}

// ---- undo

static void creation_undo(Creation *creation)
{
    Cli *cli = creation->cli;
    const Json *answer = NULL;
    AUTO_FAIL trouble = {0};
    http_forgive();
    const char *path = arena_format(&cli->arena, "vms/%s", creation->vm.id);
    int result =
        rest_call(cli, &cli->arena, "DELETE", path_add(&cli->arena, path, "detach_only", "true"),
                  NULL, &answer, &trouble);
    for (size_t i = 0; !result && i < creation->made.count; i++)
        result = rest_call(cli, &cli->arena, "DELETE",
                           arena_format(&cli->arena, "disks/%s", (char *)creation->made.items[i]),
                           NULL, &answer, &trouble);
    if (result)
        fprintf(stderr, "vireo: what was made of %s can't be removed: %s\n", creation->vm.name,
                trouble.message);
}

// ---- running

static int vm_start_created(Creation *creation, Fail *why)
{
    Cli *cli = creation->cli;
    const Json *answer = NULL;
    const char *path = arena_format(&cli->arena, "vms/%s", creation->vm.id);
    call_new_correlation(cli);
    int result = rest_call(cli, &cli->arena, "POST", arena_format(&cli->arena, "%s/start", path),
                           json_new_object(&cli->arena), &answer, why);
    if (!result && command_waits(&cli->command))
        result =
            creation_wait(creation, path, creation->vm.name, "status=up|powering_up!down", why);
    if (result)
        fail_prefix(why, "%s was created, but: ", creation->vm.name);
    return result;
}

// The first address that others can reach; IPv4 is preferred.
static const char *guest_address(Arena *arena, const Json *devices)
{
    const char *found = NULL;
    AUTO_ARRAY addresses = {0};
    json_all(devices, "ips.ip.address", &addresses);
    for (size_t i = 0; i < addresses.count; i++) {
        const char *address = json_text(arena, addresses.items[i]);
        bool local = !strncmp(address, "127.", 4) || !strncmp(address, "169.254.", 8) ||
                     !strncasecmp(address, "fe80:", 5) || !strcmp(address, "::1");
        if (!local && (!found || (strchr(found, ':') && !strchr(address, ':'))))
            found = address;
    }
    return found;
}

static int address_wait(Creation *creation, const char **ret, Fail *why)
{
    Cli *cli = creation->cli;
    AUTO_PROGRESS progress;
    int64_t timeout_s = command_number(&cli->command, "timeout", 600);
    int64_t deadline = clock_monotonic_ms() + timeout_s * 1000;
    const char *path = arena_format(&cli->arena, "vms/%s/reporteddevices", creation->vm.id);
    progress_init(&progress, creation->vm.name, cli->quiet || cli->json);
    while (clock_monotonic_ms() < deadline && !http_interrupted()) {
        AUTO_ARENA arena;
        const Json *answer = NULL;
        arena_init(&arena, 4096);
        int result = rest_get(cli, &arena, path, &answer, why);
        if (result)
            return result;
        *ret =
            arena_string(&cli->arena, guest_address(&arena, rest_list(answer, "reported_device")));
        if (*ret)
            return 0;
        progress_state(&progress, "waiting for its address");
        struct timespec pause = {.tv_sec = ADDRESS_POLL_MS / 1000};
        nanosleep(&pause, NULL);
    }
    fail_set(why, FAIL_TIMED_OUT, "%s has told no address.", creation->vm.name);
    fail_hint(why, "Its guest agent must run; --timeout waits longer");
    return -ETIMEDOUT;
}

// ---- the whole

static int creation_plan(Creation *creation, Json **ret_body, Fail *why)
{
    Cli *cli = creation->cli;
    int result = resolve_command(cli, why);
    if (!result)
        result = disks_resolve(creation, why);
    if (!result)
        result = nics_resolve(creation, why);
    if (!result)
        result = call_body(cli, ret_body, why);
    if (!result)
        result = vm_set_ssh_keys(cli, *ret_body, why);
    return result;
}

static int creation_build(Creation *creation, Json *body, Fail *why)
{
    int result = call_send(creation->cli, NULL, body, &creation->vm, why);
    if (result)
        return result;
    result = call_wait(creation->cli, &creation->vm, why);
    if (!result)
        result = disks_add(creation, why);
    if (!result)
        result = nics_add(creation, why);
    if (!result)
        result = cd_add(creation, why);
    if (result)
        creation_undo(creation);
    return result;
}

static int creation_run(Creation *creation, Fail *why)
{
    Cli *cli = creation->cli;
    const char *address = NULL;
    bool wait_ip = command_flag(&cli->command, "wait-ip");
    int result = call_tell(cli, &creation->vm, why);
    if (!result && (wait_ip || command_flag(&cli->command, "start")))
        result = vm_start_created(creation, why);
    else
        return result;
    if (!result && !cli->quiet && !cli->json && command_waits(&cli->command))
        printf("vm %s started\n", creation->vm.name);
    fflush(stdout);
    if (!result && wait_ip)
        result = address_wait(creation, &address, why);
    if (address)
        puts(address);
    return result;
}

int run_vm_create(Cli *cli, Fail *why)
{
    Creation creation = {.cli = cli};
    Json *body = NULL;
    int result = creation_plan(&creation, &body, why);
    if (!result)
        result = creation_build(&creation, body, why);
    if (!result)
        result = creation_run(&creation, why);
    array_done(&creation.made);
    array_done(&creation.disks);
    array_done(&creation.profiles);
    return result;
}
