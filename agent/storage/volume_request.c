#include "agent/storage/volume_request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int json_word(const Json *value, int (*from_text)(const char *text))
{
    char number[32];
    int64_t integer;
    if (json_string(value))
        return from_text(json_string(value));
    if (!value || !json_integer(value, &integer))
        return -EINVAL;
    snprintf(number, sizeof(number), "%lld", (long long)integer);
    return from_text(number);
}

static const char *id_or_zero(const Json *parameters, const char *name)
{
    const char *id = json_get_string(parameters, name);
    return id && *id ? id : UUID_ZERO;
}

static int request_ids(const Json *parameters, VolumeRequest *request, Fail *why)
{
    request->id = id_or_zero(parameters, "volumeID");
    request->image = id_or_zero(parameters, "imageID");
    request->parent = id_or_zero(parameters, "srcVolUUID");
    request->source_image = id_or_zero(parameters, "srcImgUUID");
    request->bitmap = json_get_string(parameters, "bitmap");
    const char *const ids[] = {request->id, request->image, request->parent, request->source_image};
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        if (!uuid_valid(ids[i]))
            return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION, "\"%s\" is no UUID", ids[i]);
    if (uuid_is_zero(request->id) || uuid_is_zero(request->image))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "A volume and its image need ids that are not zero");
    if (request->bitmap && !uuid_valid(request->bitmap))
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION, "The bitmap \"%s\" is no UUID",
                            request->bitmap);
    if (uuid_is_zero(request->source_image))
        request->source_image = request->image;
    return 0;
}

static int request_words(const Json *parameters, VolumeRequest *request, Fail *why)
{
    int format = json_word(json_get(parameters, "volFormat"), volume_format_from_text);
    int allocation = json_word(json_get(parameters, "preallocate"), volume_allocation_from_text);
    const char *disk_type = json_get_string(parameters, "diskType");
    int64_t number;
    if (format < 0)
        return storage_fail(why, VDSM_INCORRECT_FORMAT, "Volume %s: unknown format", request->id);
    if (allocation < 0)
        return storage_fail(why, VDSM_INCORRECT_TYPE, "Volume %s: unknown allocation", request->id);
    request->format = (VolumeFormat)format;
    request->allocation = (VolumeAllocation)allocation;
    if (!disk_type && json_integer(json_get(parameters, "diskType"), &number))
        snprintf(request->disk_type, sizeof(request->disk_type), "%lld", (long long)number);
    else
        snprintf(request->disk_type, sizeof(request->disk_type), "%s", disk_type ? disk_type : "");
    return 0;
}

int volume_request_parse(const Json *parameters, VolumeRequest *ret, Fail *why)
{
    VolumeRequest request = {
        .capacity = json_get_integer(parameters, "size", -1),
        .initial = json_get_integer(parameters, "initialSize", -1),
        .description = json_get_string(parameters, "desc"),
        .legal = json_get_bool(parameters, "legal", true),
        .add_bitmaps = json_get_bool(parameters, "addBitmaps", false),
        .sequence = json_get_integer(parameters, "sequence", 0),
    };
    int error = request_ids(parameters, &request, why);
    if (!error)
        error = request_words(parameters, &request, why);
    if (error)
        return error;
    if (request.sequence < 0 || request.sequence > UINT32_MAX)
        return storage_fail(why, VDSM_INVALID_PARAMETER_EXCEPTION,
                            "Volume %s: the sequence is not from 0 to 2^32-1", request.id);
    if (!request.description)
        request.description = "";
    *ret = request;
    return 0;
}
