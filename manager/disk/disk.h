// Disks: what the API shows of them, and the operations on them.
//
// A disk is one image of a storage domain; its id is the image's. image_id is the volume on top.
#pragma once

#include "manager/operations/operation.h"
#include "manager/rest/items.h"

extern const OperationKind disk_add_kind, disk_resize_kind, disk_remove_kind;

// Where a disk lies. The strings live as long as the inventory does not change.
typedef struct DiskPlace {
    const ApiDisk *disk;
    const char *image, *volume, *storage_domain, *data_center;
} DiskPlace;

// False when there is no such disk, or its domain is attached nowhere.
bool disk_place(const Manager *manager, const char *disk, DiskPlace *ret);
ApiDiskStatus disk_status(Manager *manager, const Entity *disk);
ItemView disk_view;
// The disk named last in the URL; of the storage domain, when one is named before it. NULL: failed.
Entity *request_disk(Request *request);

// ---- for whoever changes disks within a larger change; `why` of the request tells what is wrong

// Checks what is wanted, adds the disk to the change and plans its creation. For a VM, which need
// not be in the inventory yet: `vm` is its id, and the disk is named after `vm_name` when it has
// no name. Whoever commits the change begins the operation (commit_and_run does). When the
// creation fails, the disk and every attachment of it are removed again.
int disk_plan_add(Request *request, Change *change, const ApiDisk *wanted, const char *vm,
                  const char *vm_name, const char **ret_disk, const char **ret_operation);
// Checks what is wanted and puts it into the change, with its event. A new size becomes an
// operation; NULL when none is needed.
int disk_plan_update(Request *request, Change *change, Entity *disk, const ApiDisk *wanted,
                     const char **ret_operation);
// Whether a disk can have so many bytes; `activity` ("Cannot add Virtual Disk") begins the fault.
int disk_check_size(Request *request, int64_t size, const char *activity);
// Whether the disk may be removed; it may be plugged only into the VM `vm` (NULL: into none) while
// that runs.
int disk_check_remove(Request *request, Entity *disk, const char *vm);
// Plans the removal of a disk that was checked. Its attachments go with it.
void disk_plan_remove(Change *change, Entity *disk, const char **ret_operation);
// Takes every attachment of the disk out of its VMs.
void disk_detach_everywhere(Change *change, const Entity *disk);
// The first VM other than `but` that runs with the disk plugged; NULL when there is none.
Entity *disk_running_vm(const Manager *manager, const Entity *disk, const char *but);

// ---- how much space it really takes

// As a host tells of a running VM's disk.
void disk_observe_size(Manager *manager, const char *disk, int64_t bytes);
// Asks the volumes of a VM that has ended; the answers come later.
void disk_ask_sizes(Manager *manager, const ApiVm *vm);

// ---- steps for other kinds of operations

// Fills the context with a disk's place.
void disk_context(ApiOperationContext *context, Arena *arena, const DiskPlace *place);
// Creates the volume the context names; the undo removes its image.
void disk_step_create(Operation *operation);
void disk_step_delete(Operation *operation);
// VM.diskSizeExtend's and VM.hotplugDisk's description of a volume.
void disk_write_drive(JsonWriter *writer, const DiskPlace *place);
// Puts what Volume.getInfo tells into the document.
void disk_write_observed(ApiDocument *draft, const Json *info);
