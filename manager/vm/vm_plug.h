// Plugging and unplugging devices. On a running VM the host does it; on others only the
// configuration changes. Either way the device's flag (nic.plugged, disk_attachment.active) tells
// what has really happened.
#pragma once

#include "manager/operations/operation.h"

extern const OperationKind device_plug_kind, device_unplug_kind;

typedef struct PlugTarget {
    const char *nic, *disk; // one of them: its id
} PlugTarget;

// What becomes of a device that could not be plugged.
typedef enum PlugFailure { PLUG_LEAVE_OFF, PLUG_REMOVE } PlugFailure;
// What becomes of the device when it is unplugged.
typedef enum UnplugEnd { UNPLUG_KEEP, UNPLUG_REMOVE, UNPLUG_DELETE_DISK } UnplugEnd;

// Add the operation to the change, with its locks.
void device_plan_plug(Change *change, Entity *vm, PlugTarget target, PlugFailure failure,
                      const char **ret_id);
void device_plan_unplug(Change *change, Entity *vm, PlugTarget target, UnplugEnd end,
                        const char **ret_id);

// In a draft of the VM; NULL when it has none with this id.
ApiNic *vm_find_nic(const ApiVm *vm, const char *id);
ApiDiskAttachment *vm_find_attachment(const ApiVm *vm, const char *disk);
