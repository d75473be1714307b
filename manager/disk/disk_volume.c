#include "manager/disk/disk_volume.h"

#include <string.h>

#include "proto/vdsm.h"

enum { DESCRIPTION_MAX = 210 };

void disk_write_volume(Operation *operation, JsonWriter *writer)
{
    const ApiOperationContext *context = operation_context(operation);
    storage_write_place(writer, context->data_center, context->storage_domain, context->image,
                        context->volume);
}

bool disk_volume_is_gone(int code)
{
    return code == VDSM_VOLUME_DOES_NOT_EXIST || code == VDSM_IMAGE_DOES_NOT_EXIST ||
           code == VDSM_IMAGE_PATH;
}

static char *description_json(const char *alias, const char *text)
{
    AUTO_STRBUF out = {0};
    JsonWriter writer = {.out = &out};
    json_open(&writer, '{');
    json_add_string(&writer, "DiskAlias", alias);
    json_add_string(&writer, "DiskDescription", text);
    json_close(&writer, '}');
    return strbuf_take(&out);
}

char *disk_volume_description(const ApiDisk *disk)
{
    const char *alias = disk->alias ? disk->alias : "";
    char *whole = description_json(alias, disk->description ? disk->description : "");
    if (strlen(whole) <= DESCRIPTION_MAX)
        return whole;
    memory_freep(&whole);
    whole = description_json(alias, "");
    if (strlen(whole) <= DESCRIPTION_MAX)
        return whole;
    memory_freep(&whole);
    return description_json("", "");
}

int64_t disk_volume_capacity(const Json *info)
{
    return json_get_integer(info, "capacity", 0);
}

void disk_write_observed(ApiDocument *draft, const Json *info)
{
    ApiDisk *disk = draft->object;
    int64_t capacity = disk_volume_capacity(info);
    int64_t actual = json_get_integer(info, "truesize", -1);
    if (capacity > 0)
        disk->provisioned_size = API_INT(capacity);
    if (actual >= 0)
        disk->actual_size = disk->total_size = API_INT(actual);
}

void disk_write_drive(JsonWriter *writer, const DiskPlace *place)
{
    json_open(writer, '{');
    json_add_string(writer, "device", "disk");
    json_add_string(writer, "poolID", place->data_center);
    json_add_string(writer, "domainID", place->storage_domain);
    json_add_string(writer, "imageID", place->image);
    json_add_string(writer, "volumeID", place->volume);
    json_close(writer, '}');
}

void disk_event(Operation *operation, Change *change, EventCode code, const char *detail,
                const Fail *why)
{
    const ApiOperationContext *context = operation_context(operation);
    AUTO_FREE char *text = fail_is_set(why) ? fail_text(why) : NULL;
    Inventory *inventory = operation->manager->inventory;
    event_add(change, code,
              &(EventFacts){
                  .disk = step_disk(operation),
                  .disk_name = context->text,
                  .vm = context->vm ? inventory_get(inventory, KIND_VM, context->vm) : NULL,
                  .storage_domain = step_storage_domain(operation),
                  .detail = text ? text : detail,
              });
}
