// The life of a transfer: a ticket on a host, kept alive until the client has finished, then what
// came is verified. A failed upload leaves half an image behind, so its disk is removed.
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "manager/disk/disk_volume.h"
#include "manager/inventory/state.h"
#include "manager/storage/domain_step.h"
#include "manager/storage/pool.h"
#include "manager/transfer/transfers.h"
#include "proto/vdsm.h"

enum {
    TICKET_SECONDS = 300, // a host that nobody can reach drops the ticket after this
    TICKET_RENEW_SECONDS = 240,
    POLL_MS = 1000,
    PAUSED_POLL_MS = 60000,
    SILENCE_MS = 24 * 3600 * 1000, // paused ones wait for a person
    QCOW_HEADER_BYTES = 1 << 20,
};

static Entity *step_transfer(const Operation *operation)
{
    const char *id = operation_context(operation)->transfer;
    return id ? inventory_get(operation->manager->inventory, KIND_IMAGE_TRANSFER, id) : NULL;
}

static const ApiImageTransfer *transfer_of(const Operation *operation)
{
    return ENTITY_OBJECT(step_transfer(operation), ImageTransfer);
}

static const ApiDisk *disk_of(const Operation *operation)
{
    Entity *disk = step_disk(operation);
    return disk ? ENTITY_OBJECT(disk, Disk) : NULL;
}

static bool is_upload(const Operation *operation)
{
    return transfer_of(operation)->direction != API_IMAGE_TRANSFER_DIRECTION_DOWNLOAD;
}

bool transfer_converts(const ApiImageTransfer *transfer, const ApiDisk *disk)
{
    return transfer->format == API_DISK_FORMAT_RAW && disk->format != API_DISK_FORMAT_RAW;
}

static bool uses_nbd(const Operation *operation)
{
    const ApiDisk *disk = disk_of(operation);
    return disk && transfer_converts(transfer_of(operation), disk);
}

// ---- what users have asked for meanwhile

static bool phase_is_cancelled(ApiImageTransferPhase phase)
{
    return phase == API_IMAGE_TRANSFER_PHASE_CANCELLED_USER ||
           phase == API_IMAGE_TRANSFER_PHASE_CANCELLED_SYSTEM ||
           phase == API_IMAGE_TRANSFER_PHASE_FINALIZING_CLEANUP;
}

// Ends the step when there is nothing to go on with.
static bool transfer_is_over(Operation *operation)
{
    AUTO_FAIL why = {0};
    Entity *transfer = step_transfer(operation);
    if (!transfer || !disk_of(operation))
        fail_set(&why, FAIL_NOT_FOUND, "The disk of the transfer was removed meanwhile.");
    else if (transfer_of(operation)->phase == API_IMAGE_TRANSFER_PHASE_CANCELLED_SYSTEM)
        fail_set(&why, FAIL_TIMED_OUT, "The client was silent for too long.");
    else if (phase_is_cancelled(transfer_of(operation)->phase))
        fail_set(&why, FAIL_CONFLICT, "The transfer was cancelled.");
    else
        return false;
    operation_fail(operation, &why);
    return true;
}

static void transfer_enter(Operation *operation, Change *change, ApiImageTransferPhase phase)
{
    ((ApiImageTransfer *)change_edit(change, step_transfer(operation))->object)->phase = phase;
}

// ---- sequences of calls to the transfer's host

typedef struct HostCall {
    const char *method;
    void (*write)(Operation *operation, JsonWriter *writer);
    bool (*applies)(const Operation *operation); // NULL: always
    bool tolerant;                               // of a host that refuses
    // Looks at the answer. May be NULL.
    void (*take)(Operation *operation, const Json *result);
} HostCall;

typedef struct Sequence {
    const HostCall *calls; // up to one without a method
    void (*ended)(Operation *operation);
    void (*refused)(Operation *operation, const Fail *why);
    int64_t apparent, capacity, real; // of the volume, as the host tells
    char url[PATH_MAX + 8];           // what the ticket is for
} Sequence;

static void sequence_next(Operation *operation);

static void sequence_answered(Operation *operation, const Json *result, const Fail *why, int code)
{
    Sequence *sequence = operation->scratch;
    const HostCall *call = sequence->calls++;
    (void)code;
    if (fail_is_set(why) && !call->tolerant) {
        sequence->refused(operation, why);
        return;
    }
    if (!fail_is_set(why) && call->take)
        call->take(operation, result);
    sequence_next(operation);
}

static void sequence_next(Operation *operation)
{
    Sequence *sequence = operation->scratch;
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    while (sequence->calls->method && sequence->calls->applies &&
           !sequence->calls->applies(operation))
        sequence->calls++;
    Entity *host = sequence->calls->method ? domain_step_host(operation) : NULL;
    if (!sequence->calls->method)
        sequence->ended(operation);
    if (!host)
        return;
    json_open(&writer, '{');
    sequence->calls->write(operation, &writer);
    json_close(&writer, '}');
    step_call(operation, host, sequence->calls->method, &params, sequence_answered);
}

static void sequence_run(Operation *operation, const HostCall *calls,
                         void (*ended)(Operation *operation),
                         void (*refused)(Operation *operation, const Fail *why))
{
    free(operation->scratch);
    Sequence *sequence = NEW(Sequence);
    sequence->calls = calls;
    sequence->ended = ended;
    sequence->refused = refused;
    operation->scratch = sequence;
    sequence_next(operation);
}

static void sequence_begin(Operation *operation, const HostCall *calls,
                           void (*ended)(Operation *operation))
{
    sequence_run(operation, calls, ended, step_fail);
}

// ---- parameters

static void write_server(Operation *operation, JsonWriter *writer)
{
    json_add_string(writer, "server_id", step_transfer(operation)->id);
}

static void write_server_start(Operation *operation, JsonWriter *writer)
{
    const ApiOperationContext *context = operation_context(operation);
    bool sparse = disk_of(operation)->sparse == API_TRUE;
    write_server(operation, writer);
    json_key(writer, "config");
    json_open(writer, '{');
    json_add_string(writer, "sd_id", context->storage_domain);
    json_add_string(writer, "img_id", context->image);
    json_add_string(writer, "vol_id", context->volume);
    json_add_bool(writer, "readonly", !is_upload(operation));
    json_add_bool(writer, "discard", is_upload(operation) && sparse);
    json_add_bool(writer, "detect_zeroes", is_upload(operation) && sparse);
    json_add_bool(writer, "backing_chain", transfer_of(operation)->shallow != API_TRUE);
    json_close(writer, '}');
}

static int64_t ticket_size(Operation *operation)
{
    const ApiDisk *disk = disk_of(operation);
    int64_t size = disk->provisioned_size.value;
    if (disk->format == API_DISK_FORMAT_RAW || uses_nbd(operation))
        return size;
    if (!is_upload(operation))
        return ((Sequence *)operation->scratch)->apparent;
    return size + size / 10 + QCOW_HEADER_BYTES; // a full qcow2 file is longer than its disk
}

static void write_ticket(Operation *operation, JsonWriter *writer)
{
    const ApiImageTransfer *transfer = transfer_of(operation);
    const ApiDisk *disk = disk_of(operation);
    const Sequence *sequence = operation->scratch;
    json_key(writer, "ticket");
    json_open(writer, '{');
    json_add_string(writer, "uuid", transfer->ticket);
    json_add_integer(writer, "size", ticket_size(operation));
    json_add_string(writer, "url", sequence->url);
    json_add_string(writer, "transfer_id", step_transfer(operation)->id);
    json_add_integer(writer, "timeout", TICKET_SECONDS);
    if (transfer->inactivity_timeout.value > 0)
        json_add_integer(writer, "inactivity_timeout", transfer->inactivity_timeout.value);
    json_add_bool(writer, "sparse", disk->sparse == API_TRUE);
    json_add_bool(writer, "dirty", false);
    if (disk->alias && !strpbrk(disk->alias, "\r\n\"\\"))
        json_add_string(writer, "filename", disk->alias);
    json_key(writer, "ops");
    json_open(writer, '[');
    json_put_string(writer, is_upload(operation) ? "write" : "read");
    json_close(writer, ']');
    json_close(writer, '}');
}

static void write_ticket_id(Operation *operation, JsonWriter *writer)
{
    json_add_string(writer, "uuid", transfer_of(operation)->ticket);
}

static void write_prepare(Operation *operation, JsonWriter *writer)
{
    disk_write_volume(operation, writer);
    json_add_bool(writer, "allowIllegal", is_upload(operation));
}

// ---- opening

static void take_info(Operation *operation, const Json *result)
{
    Sequence *sequence = operation->scratch;
    sequence->apparent = json_get_integer(result, "apparentsize", 0);
    sequence->real = json_get_integer(result, "truesize", -1);
    sequence->capacity = disk_volume_capacity(result);
}

static void take_progress(Operation *operation, const Json *result)
{
    TransferState *state = transfer_state(step_transfer(operation));
    state->transferred = json_get_integer(result, "transferred", state->transferred);
}

static void take_path(Operation *operation, const Json *result)
{
    Sequence *sequence = operation->scratch;
    const char *path = json_get_string(result, "path");
    snprintf(sequence->url, sizeof(sequence->url), "file://%s", path ? path : "");
}

static void take_url(Operation *operation, const Json *result)
{
    Sequence *sequence = operation->scratch;
    const char *url = json_string(result);
    snprintf(sequence->url, sizeof(sequence->url), "%s", url ? url : "");
}

static const HostCall opening[] = {
    {"Volume.getInfo", disk_write_volume, NULL, false, take_info},
    {"Image.prepare", write_prepare, NULL, false, take_path},
    {"NBD.start_server", write_server_start, uses_nbd, false, take_url},
    {"Host.add_image_ticket", write_ticket, NULL, false, NULL},
    {0},
};

static void ticket_is_fresh(Operation *operation)
{
    TransferState *state = transfer_state(step_transfer(operation));
    state->seen_ms = clock_monotonic_ms();
    state->renew_ms = state->seen_ms + TICKET_RENEW_SECONDS * 1000;
    state->extend = false;
}

static void transfer_opened(Operation *operation)
{
    Arena *arena;
    Change *change = operation_change(operation);
    ticket_is_fresh(operation);
    operation_edit_context(operation, change, &arena)->flag = API_TRUE; // something may have come
    if (transfer_of(operation)->phase == API_IMAGE_TRANSFER_PHASE_INITIALIZING)
        transfer_enter(operation, change, API_IMAGE_TRANSFER_PHASE_TRANSFERRING);
    operation_done_with(operation, change);
}

static void act_open(Operation *operation)
{
    if (!transfer_is_over(operation))
        sequence_begin(operation, opening, transfer_opened);
}

// ---- closing without a result

static const HostCall cleaning[] = {
    {"Host.remove_image_ticket", write_ticket_id, NULL, false, NULL},
    {"NBD.stop_server", write_server, uses_nbd, true, NULL},
    {"Image.teardown", disk_write_volume, NULL, true, NULL},
    {0},
};

// One that has gone holds nothing; one that is away for so long has dropped the ticket itself.
static bool host_is_given_up(const Operation *operation)
{
    const Entity *host = step_host(operation);
    return !host || (!host_link_is_open(host_state(host)->link) &&
                     clock_monotonic_ms() - operation->progress_ms > TICKET_SECONDS * 1000);
}

static void undo_open(Operation *operation)
{
    if (!step_transfer(operation) || !disk_of(operation) || host_is_given_up(operation))
        operation_done(operation);
    else
        sequence_begin(operation, cleaning, operation_done);
}

// ---- serving

static void serve_reopened(Operation *operation)
{
    ticket_is_fresh(operation);
    if (transfer_of(operation)->phase != API_IMAGE_TRANSFER_PHASE_RESUMING) {
        operation_wait(operation, POLL_MS);
        return;
    }
    Change *change = operation_change(operation);
    transfer_enter(operation, change, API_IMAGE_TRANSFER_PHASE_TRANSFERRING);
    operation_remember(operation, change, POLL_MS);
}

// What has come so far is kept: the client may go on when a person has mended the host.
static void serve_refused(Operation *operation, const Fail *why)
{
    Change *change = operation_change(operation);
    transfer_enter(operation, change, API_IMAGE_TRANSFER_PHASE_PAUSED_SYSTEM);
    disk_event(operation, change, EVENT_TRANSFER_IMAGE_STOPPED_BY_SYSTEM_MISSING_TICKET, NULL, why);
    operation_remember(operation, change, 0);
}

static void serve_reopen(Operation *operation)
{
    sequence_run(operation, opening, serve_reopened, serve_refused);
}

static void serve_stop(Operation *operation, int64_t idle_ms)
{
    Change *change = operation_change(operation);
    const ApiImageTransfer *transfer = transfer_of(operation);
    AUTO_FREE char *silence = memory_format("%lld s", (long long)(idle_ms / 1000));
    ApiImageTransferTimeoutPolicy policy = transfer->timeout_policy;
    bool cancel = policy == API_IMAGE_TRANSFER_TIMEOUT_POLICY_CANCEL ||
                  (policy != API_IMAGE_TRANSFER_TIMEOUT_POLICY_PAUSE && !is_upload(operation));
    transfer_enter(operation, change,
                   cancel ? API_IMAGE_TRANSFER_PHASE_CANCELLED_SYSTEM
                          : API_IMAGE_TRANSFER_PHASE_PAUSED_SYSTEM);
    disk_event(operation, change,
               cancel ? EVENT_TRANSFER_IMAGE_CANCELED_ON_TIMEOUT
                      : EVENT_TRANSFER_IMAGE_PAUSED_ON_TIMEOUT,
               silence, NULL);
    operation_remember(operation, change, 0);
}

static void serve_judge(Operation *operation)
{
    const ApiImageTransfer *transfer = transfer_of(operation);
    const TransferState *state = transfer_state(step_transfer(operation));
    int64_t idle = clock_monotonic_ms() - state->seen_ms;
    int64_t limit = transfer->inactivity_timeout.value * 1000;
    if (limit > 0 && !state->active && idle > limit)
        serve_stop(operation, idle);
    else
        operation_wait(operation, POLL_MS);
}

static void ticket_told(Operation *operation, const Json *result, const Fail *why, int code)
{
    TransferState *state = transfer_state(step_transfer(operation));
    (void)code;
    if (fail_is_set(why)) { // the host has lost it: it was restarted
        serve_reopen(operation);
        return;
    }
    int64_t total = json_get_integer(result, "size", 0);
    take_progress(operation, result);
    state->active = json_get_bool(result, "active", false);
    state->seen_ms = clock_monotonic_ms() - json_get_integer(result, "idle_time", 0) * 1000;
    operation_progress(operation, total > 0 ? (int)(state->transferred * 100 / total) : -1);
    serve_judge(operation);
}

static void ticket_extended(Operation *operation, const Json *result, const Fail *why, int code)
{
    (void)result;
    (void)code;
    if (fail_is_set(why)) {
        serve_reopen(operation);
        return;
    }
    ticket_is_fresh(operation);
    operation_wait(operation, POLL_MS);
}

static void serve_poll(Operation *operation)
{
    TransferState *state = transfer_state(step_transfer(operation));
    Entity *host = step_host(operation);
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    bool renew = state->extend || clock_monotonic_ms() > state->renew_ms;
    if (!host || !host_link_is_open(host_state(host)->link)) {
        state->active = false;
        serve_judge(operation);
        return;
    }
    json_open(&writer, '{');
    write_ticket_id(operation, &writer);
    if (renew)
        json_add_integer(&writer, "timeout", TICKET_SECONDS);
    json_close(&writer, '}');
    step_call(operation, host, renew ? "Host.extend_image_ticket" : "Host.get_image_ticket",
              &params, renew ? ticket_extended : ticket_told);
}

// Clients are cut off while it is paused.
static const HostCall pausing[] = {
    {"Host.remove_image_ticket", write_ticket_id, NULL, true, NULL},
    {0},
};

static void serve_paused(Operation *operation)
{
    operation_wait(operation, PAUSED_POLL_MS);
}

static void act_serve(Operation *operation)
{
    if (transfer_is_over(operation))
        return;
    TransferState *state = transfer_state(step_transfer(operation));
    if (!state->seen_ms) // nobody was silent while the manager was away
        state->seen_ms = clock_monotonic_ms();
    operation_progress(operation, -1);
    switch (transfer_of(operation)->phase) {
    case API_IMAGE_TRANSFER_PHASE_FINALIZING_SUCCESS: operation_done(operation); break;
    case API_IMAGE_TRANSFER_PHASE_PAUSED_SYSTEM:
    case API_IMAGE_TRANSFER_PHASE_PAUSED_USER:
        state->active = false;
        sequence_begin(operation, pausing, serve_paused);
        break;
    case API_IMAGE_TRANSFER_PHASE_RESUMING: serve_reopen(operation); break;
    default: serve_poll(operation);
    }
}

// ---- closing with a result

static const HostCall closing[] = {
    {"Host.get_image_ticket", write_ticket_id, NULL, true, take_progress},
    {"Host.remove_image_ticket", write_ticket_id, NULL, false, NULL},
    {"NBD.stop_server", write_server, uses_nbd, false, NULL},
    {"Volume.verify_untrusted", disk_write_volume, is_upload, false, NULL},
    {"Volume.getInfo", disk_write_volume, is_upload, true, take_info},
    {"Image.teardown", disk_write_volume, NULL, true, NULL},
    {0},
};

static void transfer_closed(Operation *operation)
{
    const Sequence *sequence = operation->scratch;
    Change *change = operation_change(operation);
    if (sequence->capacity > 0 && sequence->real >= 0) {
        ApiDisk *disk = change_edit(change, step_disk(operation))->object;
        disk->status = API_DISK_STATUS_UNSET;
        disk->actual_size = disk->total_size = API_INT(sequence->real);
    }
    operation_done_with(operation, change);
}

static void act_close(Operation *operation)
{
    if (!transfer_is_over(operation))
        sequence_begin(operation, closing, transfer_closed);
}

// ---- the operation

static const OperationStep transfer_steps[] = {
    {"open", "Preparing the image", act_open, undo_open, 0},
    {"serve", "Serving clients", act_serve, NULL, SILENCE_MS},
    {"close", "Finishing", act_close, NULL, 0},
};

static ApiImageTransferPhase final_phase(ApiImageTransferPhase phase, const Fail *why)
{
    if (!fail_is_set(why))
        return API_IMAGE_TRANSFER_PHASE_FINISHED_SUCCESS;
    return phase == API_IMAGE_TRANSFER_PHASE_CANCELLED_USER
               ? API_IMAGE_TRANSFER_PHASE_FINISHED_CLEANUP
               : API_IMAGE_TRANSFER_PHASE_FINISHED_FAILURE;
}

static void finish_disk(Operation *operation, Change *change, Entity *disk)
{
    const char *follower;
    disk_plan_remove(change, disk, &follower);
    operation_follow(operation, follower);
}

static void transfer_finish(Operation *operation, Change *change, const Fail *why)
{
    Entity *transfer = step_transfer(operation), *disk = step_disk(operation);
    Entity *data_center = step_data_center(operation);
    bool upload = transfer && is_upload(operation);
    ApiImageTransferPhase phase = API_IMAGE_TRANSFER_PHASE_FINISHED_FAILURE;
    if (transfer) {
        ApiImageTransfer *draft = change_edit(change, transfer)->object;
        phase = draft->phase = final_phase(draft->phase, why);
        draft->last_activity = API_INT(clock_wall_ms());
        draft->transferred = API_INT(transfer_state(transfer)->transferred);
        transfer_state(transfer)->active = false;
    }
    if (data_center && upload)
        pool_refresh_space(operation->manager, data_center);
    disk_event(operation, change,
               !fail_is_set(why)                                    ? EVENT_TRANSFER_IMAGE_SUCCEEDED
               : phase == API_IMAGE_TRANSFER_PHASE_FINISHED_CLEANUP ? EVENT_TRANSFER_IMAGE_CANCELLED
                                                                    : EVENT_TRANSFER_IMAGE_FAILED,
               NULL, why);
    if (fail_is_set(why) && upload && disk && operation_context(operation)->flag == API_TRUE)
        finish_disk(operation, change, disk);
}

const OperationKind image_transfer_kind = {
    .name = "image_transfer",
    .title = "Transferring disk ${disk}",
    .steps = transfer_steps,
    .count = COUNT_OF(transfer_steps),
    .finish = transfer_finish,
};

void transfer_plan(Change *change, const ApiImageTransfer *transfer, const Entity *disk,
                   const char **ret_operation)
{
    Arena *arena;
    DiskPlace place;
    ApiOperationContext *context =
        operation_plan(change, &image_transfer_kind, &arena, ret_operation);
    if (disk_place(change_manager(change), disk->id, &place)) {
        disk_context(context, arena, &place);
        operation_lock(change, *ret_operation, place.storage_domain, LOCK_SHARED);
    }
    context->transfer = arena_string(arena, transfer->id);
    context->host = arena_string(arena, transfer->host->id);
    operation_lock(change, *ret_operation, disk->id, LOCK_EXCLUSIVE);
    operation_lock(change, *ret_operation, transfer->id, LOCK_SHARED);
}
