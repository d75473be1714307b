// Changing disks: texts and flags at once, the size by an operation.
#include <string.h>

#include "base/log.h"
#include "manager/disk/disk_volume.h"
#include "manager/rest/reply.h"
#include "manager/storage/domain.h"
#include "manager/storage/pool.h"
#include "rest_handlers.h"

enum { CAPACITY_STEP = 4096, ALIAS_MAX = 255 };

static const char doing[] = "Cannot edit Virtual Disk";

static int check_growth(Request *request, const Entity *disk, int64_t size)
{
    Manager *manager = request->manager;
    const ApiDisk *object = ENTITY_OBJECT(disk, Disk);
    DiskPlace place;
    int64_t more = size - object->provisioned_size.value;
    if (more < 0) {
        fail_set(&request->why, FAIL_REJECTED,
                 "%s. New disk size must be larger than the current disk size.", doing);
        fail_detail(&request->why, "disk.provisioned_size is %lld, disk %s has %lld",
                    (long long)size, object->alias, (long long)object->provisioned_size.value);
        return fail_to_errno(FAIL_REJECTED);
    }
    if (!disk_place(manager, disk->id, &place))
        return fail_set(&request->why, FAIL_STATE,
                        "%s. Its storage domain is attached to no data center.", doing);
    if (object->status == API_DISK_STATUS_ILLEGAL)
        return fail_set(&request->why, FAIL_STATE, "%s. Disk %s is illegal.", doing, object->alias);
    Entity *domain = inventory_get(manager->inventory, KIND_STORAGE_DOMAIN, place.storage_domain);
    if (request_check_free(request, domain, LOCK_SHARED) ||
        storage_domain_check_active(manager, domain, doing, &request->why))
        return fail_to_errno(request->why.code);
    return storage_domain_check_space(domain, object->sparse == API_TRUE ? 0 : more, doing,
                                      &request->why);
}

static int check_members(Request *request, const Entity *disk, const ApiDisk *wanted)
{
    const ApiDisk *object = ENTITY_OBJECT(disk, Disk);
    const char *alias = wanted->alias ? wanted->alias : wanted->name;
    bool raw = object->format == API_DISK_FORMAT_RAW;
    if (alias && (!*alias || strlen(alias) > ALIAS_MAX || strpbrk(alias, "\n\r")))
        return fail_set(&request->why, FAIL_INVALID,
                        "disk.alias: it must have 1 to %d bytes and no line breaks.", ALIAS_MAX);
    if (wanted->shareable == API_TRUE && !raw)
        return fail_set(&request->why, FAIL_REJECTED, "%s. Shareable disks need the format raw.",
                        doing);
    if (wanted->backup == API_DISK_BACKUP_INCREMENTAL && raw)
        return fail_set(&request->why, FAIL_REJECTED,
                        "%s. Incremental backup needs the format cow.", doing);
    if (wanted->format && wanted->format != object->format)
        return fail_set(&request->why, FAIL_REJECTED,
                        "%s. The format changes only by converting the disk.", doing);
    return 0;
}

static void disk_merge(ApiDocument *draft, const ApiDisk *wanted)
{
    ApiDisk *disk = draft->object;
    Arena *arena = &draft->arena;
    const char *alias = wanted->alias ? wanted->alias : wanted->name;
    if (alias)
        disk->alias = disk->name = arena_string(arena, alias);
    if (wanted->description)
        disk->description = arena_string(arena, wanted->description);
    if (wanted->shareable)
        disk->shareable = wanted->shareable;
    if (wanted->propagate_errors)
        disk->propagate_errors = wanted->propagate_errors;
    if (wanted->wipe_after_delete)
        disk->wipe_after_delete = wanted->wipe_after_delete;
    if (wanted->backup)
        disk->backup = wanted->backup;
}

static void plan_resize(Change *change, const Entity *disk, int64_t size, const char **ret_id)
{
    Arena *arena;
    DiskPlace place;
    disk_place(change_manager(change), disk->id, &place);
    ApiOperationContext *context = operation_plan(change, &disk_resize_kind, &arena, ret_id);
    disk_context(context, arena, &place);
    context->size = API_INT(size);
    operation_lock(change, *ret_id, disk->id, LOCK_EXCLUSIVE);
    operation_lock(change, *ret_id, place.storage_domain, LOCK_SHARED);
}

static void described(const Json *result, const Fail *why, int code, void *argument)
{
    (void)result;
    (void)code;
    (void)argument; // a name beside the volume helps who imports the domain some day
    if (fail_is_set(why))
        log_info("disk.name", LOG_NONE, "A name was not written to its volume: %s", why->message);
}

static void describe_on_storage(Manager *manager, const Entity *disk, const ApiDisk *now)
{
    StrBuf params = {0};
    JsonWriter writer = {.out = &params};
    DiskPlace place;
    if (!disk_place(manager, disk->id, &place))
        return;
    Entity *data_center = inventory_get(manager->inventory, KIND_DATA_CENTER, place.data_center);
    Entity *host = data_center ? data_center_state(data_center)->spm : NULL;
    AUTO_FREE char *description = disk_volume_description(now);
    if (!host)
        return;
    json_open(&writer, '{');
    storage_write_place(&writer, place.data_center, place.storage_domain, place.image,
                        place.volume);
    json_add_string(&writer, "description", description);
    json_close(&writer, '}');
    host_call_entity(manager, host, "Volume.setDescription", &params, POOL_CALL_MS, described,
                     NULL);
}

int disk_plan_update(Request *request, Change *change, Entity *disk, const ApiDisk *wanted,
                     const char **ret_operation)
{
    ApiInteger asked = wanted->provisioned_size;
    *ret_operation = NULL;
    if (asked.set && disk_check_size(request, asked.value, doing))
        return fail_to_errno(request->why.code);
    int64_t size = (asked.value + CAPACITY_STEP - 1) / CAPACITY_STEP * CAPACITY_STEP;
    bool grows = asked.set && size != ENTITY_OBJECT(disk, Disk)->provisioned_size.value;
    if (request_check_free(request, disk, LOCK_EXCLUSIVE) || check_members(request, disk, wanted) ||
        (grows && check_growth(request, disk, size)))
        return fail_to_errno(request->why.code);
    ApiDocument *draft = change_edit(change, disk);
    disk_merge(draft, wanted);
    if (wanted->alias || wanted->name || wanted->description)
        describe_on_storage(request->manager, disk, draft->object);
    event_add(change, grows ? EVENT_USER_EXTENDED_DISK_SIZE : EVENT_USER_UPDATE_DISK,
              &(EventFacts){.disk = disk});
    if (grows)
        plan_resize(change, disk, size, ret_operation);
    return 0;
}

void disk_update(Request *request)
{
    Entity *disk = request_disk(request);
    Change *change = change_new(request->manager, &request->cause);
    const char *operation = NULL;
    if (!disk || disk_plan_update(request, change, disk, request->body, &operation)) {
        change_cancel(change);
        reply_fail(request);
        return;
    }
    AUTO_FREE char *path = memory_format("/disks/%s", disk->id);
    if (operation)
        commit_and_run(request, change, operation, 200, path);
    else
        commit_and_show(request, change, 200, path);
}
