#include "cli/image/transfer.h"

#include <errno.h>
#include <string.h>

#include "cli/client/json_path.h"
#include "cli/client/rest.h"
#include "cli/client/wait.h"
#include "cli/commands/plain.h"

enum { PHASE_WAIT_S = 120, CANCEL_WAIT_S = 30 };

static const char *transfer_path(const Transfer *transfer)
{
    return arena_format(&transfer->cli->arena, "imagetransfers/%s", transfer->id);
}

static int transfer_act(const Transfer *transfer, const char *action, Fail *why)
{
    Arena *arena = &transfer->cli->arena;
    const Json *answer = NULL;
    return rest_call(transfer->cli, arena, "POST",
                     arena_format(arena, "%s/%s", transfer_path(transfer), action),
                     json_new_object(arena), &answer, why);
}

static int object_wait(const Transfer *transfer, const char *path, const char *until,
                       int64_t timeout_s, Fail *why)
{
    const char *state;
    Wait wait = {.what = transfer->what,
                 .path = path,
                 .until = until,
                 .correlation = transfer->cli->correlation,
                 .timeout_s = timeout_s};
    return wait_for(transfer->cli, &wait, &state, why);
}

// ---- begin

// The host's own port first; from networks that can't reach it, through the manager.
static int transfer_choose_url(Transfer *transfer, const Json *object, Fail *why)
{
    static const char *const members[] = {"transfer_url", "proxy_url"};
    AUTO_FAIL first = {0};
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        AUTO_FAIL failure = {0};
        const char *url = json_get_string(object, members[i]);
        if (!url || !*url)
            continue;
        transfer->url = url;
        if (!image_options(transfer->http, url, &transfer->abilities, &failure))
            return 0;
        if (!fail_is_set(&first))
            fail_move(&first, &failure);
    }
    if (!fail_is_set(&first))
        return fail_set(why, FAIL_INTERNAL, "The manager tells no address for the data.");
    FailCode code = first.code;
    fail_move(why, &first);
    return fail_to_errno(code);
}

static int transfer_open(Transfer *transfer, Fail *why)
{
    const Json *object = NULL;
    int result = object_wait(transfer, transfer_path(transfer),
                             "phase=transferring!paused_system|cancelled|cancelled_system|"
                             "finished_failure|finalizing_failure",
                             PHASE_WAIT_S, why);
    if (!result)
        result =
            rest_get(transfer->cli, &transfer->cli->arena, transfer_path(transfer), &object, why);
    return result ? result : transfer_choose_url(transfer, object, why);
}

int transfer_begin(Transfer *transfer, const char *direction, const char *format, Fail *why)
{
    Arena *arena = &transfer->cli->arena;
    const Json *answer = NULL;
    Json *body = json_new_object(arena);
    json_set_string(arena, body, "disk.id", transfer->disk);
    json_set_string(arena, body, "direction", direction);
    json_set_string(arena, body, "format", format);
    call_new_correlation(transfer->cli);
    int result = rest_call(transfer->cli, arena, "POST", "imagetransfers", body, &answer, why);
    if (result)
        return result;
    transfer->id = json_get_string(answer, "id");
    transfer->http = http_client_new(transfer->cli->session.ca_file);
    if (!transfer->id)
        return fail_set(why, FAIL_INTERNAL, "The manager did not tell the transfer's id.");
    result = transfer_open(transfer, why);
    if (result)
        transfer_cancel(transfer);
    return result;
}

int transfer_connections(const Transfer *transfer, int most)
{
    return (int)command_number(&transfer->cli->command, "connections", 1) < most
               ? (int)command_number(&transfer->cli->command, "connections", 1)
               : most;
}

// ---- trouble

int transfer_rescue(void *argument, Fail *why)
{
    Transfer *transfer = argument;
    AUTO_ARENA arena;
    AUTO_FAIL trouble = {0};
    const Json *object = NULL;
    arena_init(&arena, 1024);
    if (rest_get(transfer->cli, &arena, transfer_path(transfer), &object, &trouble)) {
        if (trouble.code == FAIL_UNAVAILABLE)
            return 0; // the workers go on trying
        fail_move(why, &trouble);
        return -EIO;
    }
    const char *phase = json_get_string(object, "phase");
    if (!phase || !strcmp(phase, "transferring") || !strcmp(phase, "resuming"))
        return 0;
    if (strncmp(phase, "paused", 6))
        return fail_set(why, FAIL_CONFLICT, "The manager has ended the transfer: it is %s.", phase);
    transfer_act(transfer, "resume", NULL);
    return 0;
}

// ---- end

int transfer_finish(Transfer *transfer, Fail *why)
{
    const char *disk = arena_format(&transfer->cli->arena, "disks/%s", transfer->disk);
    int result = transfer_act(transfer, "finalize", why);
    if (!result)
        result = object_wait(transfer, transfer_path(transfer),
                             "phase=finished_success|gone!finished_failure|cancelled|"
                             "cancelled_system|paused_system",
                             transfer->timeout_s + PHASE_WAIT_S, why);
    return result ? result : object_wait(transfer, disk, "status=ok!illegal", PHASE_WAIT_S, why);
}

void transfer_cancel(Transfer *transfer)
{
    if (!transfer->id || transfer_act(transfer, "cancel", NULL))
        return;
    object_wait(transfer, transfer_path(transfer),
                "phase=gone|cancelled|cancelled_system|cancelled_user|finished_failure|"
                "finished_cleanup",
                CANCEL_WAIT_S, NULL);
}

void transfer_done(Transfer *transfer)
{
    http_client_free(transfer->http);
    transfer->http = NULL;
}
