// The CD drive of a VM: what it holds at the next start, and what the running guest sees now.
#include <string.h>

#include "manager/rest/reply.h"
#include "manager/vm/vm_call.h"
#include "manager/vm/vm_cdrom.h"
#include "manager/vm/vm_devices.h"
#include "rest_handlers.h"

// ---- what lies in the drive of the running VM

// "/rhev/data-center/POOL/DOMAIN/images/IMAGE/VOLUME" -> IMAGE; other paths stay as they are.
static const char *path_to_file(Arena *arena, const char *path)
{
    const char *image = strstr(path, "/images/");
    if (!image || strlen(image) < 8 + UUID_SIZE - 1)
        return arena_string(arena, path);
    return arena_bytes(arena, image + 8, UUID_SIZE - 1);
}

static const char *current_file(Arena *arena, const VmState *state)
{
    Xml *root = state->xml ? xml_parse(arena, state->xml, strlen(state->xml), NULL, NULL) : NULL;
    XML_EACH(xml_child(root, "devices"), device) {
        const char *kind = xml_attribute(device, "device");
        const Xml *source = xml_child(device, "source");
        if (strcmp(device->name, "disk") || !kind || strcmp(kind, "cdrom"))
            continue;
        // The first drive is the user's; one with initialization data comes after it.
        return source && xml_attribute(source, "file")
                   ? path_to_file(arena, xml_attribute(source, "file"))
                   : NULL;
    }
    return NULL;
}

// ---- reading

static void cdrom_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    ApiCdrom *view = target;
    bool current = request_flag(request, "current", false);
    *view = *(const ApiCdrom *)item->part;
    view->vm = api_reference_new(scratch, &api_type_vm, item->entity->id);
    if (current) {
        const char *file = current_file(scratch, vm_state(item->entity));
        view->file = NULL;
        if (file) {
            view->file = ARENA_NEW(scratch, ApiFile);
            view->file->id = file;
        }
    }
    if (view->file && (!view->file->id || !*view->file->id))
        view->file = NULL;
}

static int cdroms_of(Request *request, Items *items, const char *only)
{
    Entity *vm = request_entity(request, 0, KIND_VM);
    request_flag(request, "current", false);
    if (!vm || fail_is_set(&request->why))
        return fail_to_errno(request->why.code);
    const ApiVm *object = ENTITY_OBJECT(vm, Vm);
    items->view = cdrom_view;
    for (uint32_t i = 0; i < object->cdroms.count; i++)
        if (!only || !strcmp(object->cdroms.items[i]->id, only))
            items_add_part(items, vm, object->cdroms.items[i]);
    if (only && !items->count)
        return fail_set(&request->why, FAIL_NOT_FOUND, "VM %s has no CD drive %s.", entity_name(vm),
                        only);
    return 0;
}

int vm_cdrom_list(Request *request, Items *items)
{
    return cdroms_of(request, items, NULL);
}

int vm_cdrom_get(Request *request, Items *items)
{
    return cdroms_of(request, items, request_id(request, 1));
}

// ---- changing

// By id, or by the name an image of an ISO domain would have had.
static Entity *iso_find(const Manager *manager, const char *file)
{
    Entity *disk = inventory_get(manager->inventory, KIND_DISK, file);
    if (disk)
        return disk;
    INVENTORY_EACH(manager->inventory, KIND_DISK, other)
    {
        const ApiDisk *object = ENTITY_OBJECT(other, Disk);
        if (object->content_type == API_DISK_CONTENT_TYPE_ISO && object->alias &&
            !strcmp(object->alias, file))
            return other;
    }
    return NULL;
}

int vm_cdrom_resolve(Request *request, const char *file, Entity **ret_disk)
{
    *ret_disk = NULL;
    if (!file || !*file || !strcasecmp(file, "eject"))
        return 0;
    Entity *disk = iso_find(request->manager, file);
    if (!disk) {
        fail_set(&request->why, FAIL_NOT_FOUND, "cdrom.file.id: there is no image %.200s.", file);
        fail_hint(&request->why, "Upload the ISO image as a disk and use that disk's id");
        return fail_to_errno(FAIL_NOT_FOUND);
    }
    if (ENTITY_OBJECT(disk, Disk)->content_type != API_DISK_CONTENT_TYPE_ISO)
        return fail_set(&request->why, FAIL_INVALID, "cdrom.file.id: disk %s is no ISO image.",
                        ENTITY_OBJECT(disk, Disk)->alias);
    *ret_disk = disk;
    return request_check_free(request, disk, LOCK_SHARED);
}

static const VmVerb change_verb = {"change the CD of", "VM.changeCD", VM_STATUS_LIVE,
                                   EVENT_USER_FAILED_CHANGE_DISK_VM};

static void changed(Request *request, Entity *vm, const Json *result)
{
    const Entity *disk = request->scratch;
    const char *name = disk ? ENTITY_OBJECT(disk, Disk)->alias : "(empty)";
    AUTO_FREE char *path = memory_format("/vms/%s/cdroms/%s", vm->id, request_id(request, 1));
    const char *xml = json_get_string(result, "xml");
    Change *change = change_new(request->manager, &request->cause);
    if (xml) { // the drive as it is now
        free(vm_state(vm)->xml);
        vm_state(vm)->xml = memory_string(xml);
    }
    event_add(change, EVENT_USER_CHANGE_DISK_VM, &(EventFacts){.vm = vm, .detail = name});
    commit_and_show(request, change, 200, path);
}

static void change_now(Request *request, Entity *disk)
{
    Entity *vm = vm_call_begin(request, &change_verb);
    StrBuf params = {0};
    JsonWriter writer;
    DomainDisk place = {0};
    if (!vm || (disk && !vm_disk_place(request->manager, disk->id, &place))) {
        fail_set(&request->why, FAIL_STATE, "The storage domain of the image is not attached.");
        reply_fail(request);
        return;
    }
    request->scratch = disk;
    vm_call_params(&writer, &params, vm);
    json_key(&writer, "driveSpec");
    if (disk) {
        json_open(&writer, '{');
        json_add_string(&writer, "device", "cdrom");
        json_add_string(&writer, "poolID", place.data_center);
        json_add_string(&writer, "domainID", place.storage_domain);
        json_add_string(&writer, "imageID", disk->id);
        json_add_string(&writer, "volumeID", place.disk->image_id);
        json_close(&writer, '}');
    } else
        json_put_string(&writer, "");
    json_close(&writer, '}');
    vm_call(request, vm, &change_verb, &params, changed);
}

static void change_later(Request *request, Entity *vm, const Entity *disk)
{
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_edit(change, vm);
    ApiCdrom *cdrom = ((ApiVm *)draft->object)->cdroms.items[0];
    cdrom->file = ARENA_NEW(&draft->arena, ApiFile);
    cdrom->file->id = disk ? arena_string(&draft->arena, disk->id) : "";
    event_add(change, EVENT_USER_UPDATE_VM, &(EventFacts){.vm = vm});
    AUTO_FREE char *path = memory_format("/vms/%s/cdroms/%s", vm->id, cdrom->id);
    commit_and_show(request, change, 200, path);
}

void vm_cdrom_update(Request *request)
{
    const ApiCdrom *wanted = request->body;
    Entity *vm = request_entity(request, 0, KIND_VM), *disk;
    bool current = request_flag(request, "current", false);
    const char *id = request_id(request, 1);
    if (!vm || fail_is_set(&request->why) || request_check_free(request, vm, LOCK_SHARED) ||
        vm_cdrom_resolve(request, wanted->file ? wanted->file->id : NULL, &disk)) {
        reply_fail(request);
        return;
    }
    const ApiVm *object = ENTITY_OBJECT(vm, Vm);
    if (!object->cdroms.count || strcmp(object->cdroms.items[0]->id, id)) {
        fail_set(&request->why, FAIL_NOT_FOUND, "VM %s has no CD drive %s.", entity_name(vm), id);
        reply_fail(request);
        return;
    }
    if (current)
        change_now(request, disk);
    else
        change_later(request, vm, disk);
}
