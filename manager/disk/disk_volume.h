// Calls about the volume that an operation's context names.
#pragma once

#include "manager/disk/disk.h"
#include "manager/storage/task_step.h"

void disk_write_volume(Operation *operation, JsonWriter *writer);
// The answer of Volume.getInfo means that there is no such volume.
bool disk_volume_is_gone(int code);
// The description that hosts keep with a volume, as RHV writes it; fits their limit.
char *disk_volume_description(const ApiDisk *disk);
int64_t disk_volume_capacity(const Json *info);
// For `finish`: an event about the context's disk.
void disk_event(Operation *operation, Change *change, EventCode code, const char *detail,
                const Fail *why);
