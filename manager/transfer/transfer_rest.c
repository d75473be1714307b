// /imagetransfers
#include <string.h>

#include "base/clock.h"
#include "manager/disk/disk.h"
#include "manager/fleet/fleet.h"
#include "manager/inventory/state.h"
#include "manager/rest/reply.h"
#include "manager/storage/domain.h"
#include "manager/transfer/transfers.h"
#include "rest_handlers.h"

enum { INACTIVITY_SECONDS = 60, INACTIVITY_SECONDS_MAX = 7 * 24 * 3600 };

static const char doing[] = "Cannot transfer Virtual Disk";

// ---- reading

// The name under which this client has reached us is one that it can resolve.
static const char *proxy_host(Request *request, Arena *scratch)
{
    const char *host = request->http ? http_header(request->http, "Host") : NULL;
    const char *end = host ? strrchr(host, ':') : NULL;
    if (!host || !*host)
        host = request->manager->config.host_name;
    if (end && !strchr(end, ']'))
        return arena_format(scratch, "%.*s", (int)(end - host), host);
    return host;
}

static bool has_ticket(ApiImageTransferPhase phase)
{
    return phase == API_IMAGE_TRANSFER_PHASE_TRANSFERRING ||
           phase == API_IMAGE_TRANSFER_PHASE_RESUMING ||
           phase == API_IMAGE_TRANSFER_PHASE_PAUSED_SYSTEM ||
           phase == API_IMAGE_TRANSFER_PHASE_PAUSED_USER;
}

static void view_urls(Request *request, Arena *scratch, ApiImageTransfer *view)
{
    const Manager *manager = request->manager;
    const Entity *host = inventory_get(manager->inventory, KIND_HOST, view->host->id);
    if (!host || !has_ticket(view->phase))
        return;
    const char *address = ENTITY_OBJECT(host, Host)->address;
    bool is_ipv6 = strchr(address, ':') != NULL;
    view->transfer_url = arena_format(scratch, "https://%s%s%s:%d/images/%s", is_ipv6 ? "[" : "",
                                      address, is_ipv6 ? "]" : "", IMAGE_SERVER_PORT, view->ticket);
    if (manager->config.proxy_port)
        view->proxy_url =
            arena_format(scratch, "https://%s:%lld/images/%s", proxy_host(request, scratch),
                         (long long)manager->config.proxy_port, view->ticket);
}

static void transfer_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiImageTransfer *view = target;
    const TransferState *state = transfer_state(item->entity);
    *view = *(const ApiImageTransfer *)item->document->object;
    if (transfer_is_open(view))
        view->transferred = API_INT(state->transferred);
    view->active = API_BOOL(state->active);
    view_urls(request, scratch, view);
}

int image_transfer_list(Request *request, Items *items)
{
    return items_collect(request, items, KIND_IMAGE_TRANSFER, transfer_view);
}

int image_transfer_get(Request *request, Items *items)
{
    return items_one(request, items, KIND_IMAGE_TRANSFER, 0, transfer_view);
}

// ---- adding

static Entity *disk_of_image(Request *request, const char *image)
{
    INVENTORY_EACH(request->manager->inventory, KIND_DISK, disk) {
        const char *volume = ENTITY_OBJECT(disk, Disk)->image_id;
        if (!strcmp(disk->id, image) || (volume && !strcmp(volume, image)))
            return disk;
    }
    fail_set(&request->why, FAIL_NOT_FOUND, "image_transfer.image: there is no image %s.", image);
    return NULL;
}

static Entity *wanted_disk(Request *request, const ApiImageTransfer *wanted)
{
    if (wanted->snapshot || wanted->backup) {
        fail_set(&request->why, FAIL_NOT_IMPLEMENTED,
                 "image_transfer.%s: transfers of snapshots and backups are not implemented yet.",
                 wanted->snapshot ? "snapshot" : "backup");
        return NULL;
    }
    if (wanted->image && wanted->image->id && !wanted->disk)
        return disk_of_image(request, wanted->image->id);
    return request_reference(request, KIND_DISK, wanted->disk, "image_transfer.disk");
}

static int check_numbers(Request *request, const ApiImageTransfer *wanted)
{
    if (wanted->inactivity_timeout.set &&
        (wanted->inactivity_timeout.value < 0 ||
         wanted->inactivity_timeout.value > INACTIVITY_SECONDS_MAX))
        return fail_set(&request->why, FAIL_INVALID,
                        "image_transfer.inactivity_timeout: it is a number of seconds from 0 "
                        "(never) to %d.",
                        INACTIVITY_SECONDS_MAX);
    return 0;
}

static int check_disk(Request *request, const Entity *disk, const ApiImageTransfer *wanted)
{
    const ApiDisk *object = ENTITY_OBJECT(disk, Disk);
    bool download = wanted->direction == API_IMAGE_TRANSFER_DIRECTION_DOWNLOAD;
    Entity *vm = disk_running_vm(request->manager, disk, NULL);
    if (object->storage_type == API_DISK_STORAGE_TYPE_LUN)
        return fail_set(&request->why, FAIL_REJECTED, "%s. Disk %s is a LUN, not an image.", doing,
                        object->alias);
    if (wanted->format == API_DISK_FORMAT_COW && object->format != API_DISK_FORMAT_COW)
        return fail_set(&request->why, FAIL_REJECTED,
                        "%s. Disk %s has the format raw; a raw disk is transferred as raw.", doing,
                        object->alias);
    if (download && object->status == API_DISK_STATUS_ILLEGAL)
        return fail_set(&request->why, FAIL_STATE, "%s. Disk %s is illegal.", doing, object->alias);
    if (!vm)
        return request_check_free(request, disk, LOCK_EXCLUSIVE);
    fail_set(&request->why, FAIL_STATE, "%s. Disk %s is in use by VM %s, which is running.", doing,
             object->alias, entity_name(vm));
    fail_hint(&request->why, "Stop the VM, or unplug the disk.");
    return fail_to_errno(FAIL_STATE);
}

// Transfers run on the host the client wants, or on any that reaches the storage.
static Entity *choose_host(Request *request, const ApiImageTransfer *wanted, const DiskPlace *place)
{
    Manager *manager = request->manager;
    Entity *data_center = inventory_get(manager->inventory, KIND_DATA_CENTER, place->data_center);
    Entity *domain = inventory_get(manager->inventory, KIND_STORAGE_DOMAIN, place->storage_domain);
    if (request_check_free(request, domain, LOCK_SHARED) ||
        storage_domain_check_active(manager, domain, doing, &request->why))
        return NULL;
    if (!wanted->host) {
        Entity *host = fleet_host_of_data_center(manager, data_center);
        if (!host)
            fleet_explain_no_host(manager, data_center, &request->why);
        return host;
    }
    Entity *host = request_reference(request, KIND_HOST, wanted->host, "image_transfer.host");
    if (host && (host_data_center(manager, host) != data_center ||
                 host_state(host)->status != API_HOST_STATUS_UP)) {
        fail_set(&request->why, FAIL_STATE, "%s. Host %s is not up in the disk's data center.",
                 doing, entity_name(host));
        return NULL;
    }
    return host;
}

static const ApiImageTransfer *transfer_write(Change *change, const ApiImageTransfer *wanted,
                                              const Entity *disk, const Entity *host)
{
    char ticket[UUID_SIZE];
    ApiDocument *document = change_add(change, KIND_IMAGE_TRANSFER, NULL);
    Arena *arena = &document->arena;
    ApiImageTransfer *transfer = document->object;
    transfer->phase = API_IMAGE_TRANSFER_PHASE_INITIALIZING;
    transfer->direction =
        wanted->direction ? wanted->direction : API_IMAGE_TRANSFER_DIRECTION_UPLOAD;
    transfer->format = wanted->format ? wanted->format : ENTITY_OBJECT(disk, Disk)->format;
    transfer->inactivity_timeout =
        wanted->inactivity_timeout.set ? wanted->inactivity_timeout : API_INT(INACTIVITY_SECONDS);
    transfer->timeout_policy =
        wanted->timeout_policy ? wanted->timeout_policy : API_IMAGE_TRANSFER_TIMEOUT_POLICY_LEGACY;
    transfer->shallow = API_BOOL(wanted->shallow == API_TRUE);
    transfer->disk = api_reference_new(arena, &api_type_disk, disk->id);
    transfer->host = api_reference_new(arena, &api_type_host, host->id);
    transfer->image = api_reference_new(arena, &api_type_image, disk->id);
    transfer->ticket = arena_string(arena, uuid_new(ticket));
    transfer->created = API_INT(clock_wall_ms());
    return transfer;
}

static int check_wanted(Request *request, Entity **ret_disk, Entity **ret_host)
{
    const ApiImageTransfer *wanted = request->body;
    DiskPlace place;
    Entity *disk = wanted_disk(request, wanted);
    if (!disk || check_numbers(request, wanted) || check_disk(request, disk, wanted))
        return fail_to_errno(request->why.code);
    if (!disk_place(request->manager, disk->id, &place))
        return fail_set(&request->why, FAIL_STATE,
                        "%s. Its storage domain is attached to no data center.", doing);
    Entity *host = choose_host(request, wanted, &place);
    if (!host)
        return fail_to_errno(request->why.code);
    *ret_disk = disk;
    *ret_host = host;
    return 0;
}

void image_transfer_add(Request *request)
{
    Entity *disk = NULL, *host = NULL;
    const char *operation;
    if (check_wanted(request, &disk, &host)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    const ApiImageTransfer *transfer = transfer_write(change, request->body, disk, host);
    bool upload = transfer->direction == API_IMAGE_TRANSFER_DIRECTION_UPLOAD;
    AUTO_FREE char *path = memory_format("/imagetransfers/%s", transfer->id);
    transfer_plan(change, transfer, disk, &operation);
    event_add(change, request->method->event,
              &(EventFacts){.disk = disk, .host = host, .detail = upload ? "upload" : "download"});
    commit_and_begin(request, change, operation, 201, path);
}

// ---- actions: each asks the operation for another phase

#define PHASE_BIT(phase) (1u << API_IMAGE_TRANSFER_PHASE_##phase)

enum {
    PHASES_RUNNING = PHASE_BIT(TRANSFERRING) | PHASE_BIT(RESUMING),
    PHASES_PAUSED = PHASE_BIT(PAUSED_SYSTEM) | PHASE_BIT(PAUSED_USER),
};

typedef struct PhaseAction {
    const char *verb;
    unsigned from; // phases in which it does something
    unsigned past; // phases in which it has been done already
    ApiImageTransferPhase to;
} PhaseAction;

static const PhaseAction pause_action = {"pause", PHASES_RUNNING, PHASES_PAUSED,
                                         API_IMAGE_TRANSFER_PHASE_PAUSED_USER};
static const PhaseAction resume_action = {"resume", PHASES_PAUSED, PHASES_RUNNING,
                                          API_IMAGE_TRANSFER_PHASE_RESUMING};
static const PhaseAction cancel_action = {
    "cancel", PHASES_RUNNING | PHASES_PAUSED | PHASE_BIT(INITIALIZING),
    PHASE_BIT(CANCELLED_USER) | PHASE_BIT(CANCELLED_SYSTEM) | PHASE_BIT(FINALIZING_CLEANUP) |
        PHASE_BIT(FINISHED_CLEANUP) | PHASE_BIT(FINISHED_FAILURE),
    API_IMAGE_TRANSFER_PHASE_CANCELLED_USER};
static const PhaseAction finalize_action = {"finalize", PHASES_RUNNING | PHASES_PAUSED,
                                            PHASE_BIT(FINALIZING_SUCCESS) |
                                                PHASE_BIT(FINISHED_SUCCESS),
                                            API_IMAGE_TRANSFER_PHASE_FINALIZING_SUCCESS};

static int refuse_phase(Request *request, const Entity *transfer, const PhaseAction *action)
{
    const ApiImageTransfer *object = ENTITY_OBJECT(transfer, ImageTransfer);
    fail_set(&request->why, FAIL_STATE, "Cannot %s the image transfer: its phase is %s.",
             action->verb, api_enum_name(&api_enum_image_transfer_phase, (int)object->phase));
    fail_object(&request->why, transfer->id);
    return fail_to_errno(FAIL_STATE);
}

static void act(Request *request, const PhaseAction *action)
{
    Entity *transfer = request_entity(request, 0, KIND_IMAGE_TRANSFER);
    unsigned phase = transfer ? 1u << ENTITY_OBJECT(transfer, ImageTransfer)->phase : 0;
    if (!transfer ||
        (!(phase & (action->from | action->past)) && refuse_phase(request, transfer, action))) {
        reply_fail(request);
        return;
    }
    if (phase & action->past) {
        reply_action(request, NULL, NULL);
        return;
    }
    const ApiImageTransfer *object = ENTITY_OBJECT(transfer, ImageTransfer);
    Change *change = change_new(request->manager, &request->cause);
    ((ApiImageTransfer *)change_edit(change, transfer)->object)->phase = action->to;
    event_add(change, request->method->event,
              &(EventFacts){
                  .disk = inventory_get(request->manager->inventory, KIND_DISK, object->disk->id)});
    operation_wake(request->manager, transfer->id);
    commit_and_act(request, change, NULL);
}

void image_transfer_pause(Request *request)
{
    act(request, &pause_action);
}

void image_transfer_resume(Request *request)
{
    act(request, &resume_action);
}

void image_transfer_cancel(Request *request)
{
    act(request, &cancel_action);
}

void image_transfer_finalize(Request *request)
{
    act(request, &finalize_action);
}

static const PhaseAction extend_action = {"extend", PHASES_RUNNING, 0, 0};

void image_transfer_extend(Request *request)
{
    Entity *transfer = request_entity(request, 0, KIND_IMAGE_TRANSFER);
    if (transfer && !(1u << ENTITY_OBJECT(transfer, ImageTransfer)->phase & PHASES_RUNNING))
        refuse_phase(request, transfer, &extend_action);
    if (fail_is_set(&request->why)) {
        reply_fail(request);
        return;
    }
    const char *disk = ENTITY_OBJECT(transfer, ImageTransfer)->disk->id;
    Change *change = change_new(request->manager, &request->cause);
    event_add(change, request->method->event,
              &(EventFacts){.disk = inventory_get(request->manager->inventory, KIND_DISK, disk)});
    transfer_state(transfer)->extend = true;
    operation_wake(request->manager, transfer->id);
    commit_and_act(request, change, NULL);
}
