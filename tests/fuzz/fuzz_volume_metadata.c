// Volume metadata: any bytes. What was accepted is written as both versions, and read again it
// must mean the same.
#include "agent/storage/volume_metadata.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_same(const VolumeMetadata *one, const VolumeMetadata *other, bool v5)
{
    if (strcmp(one->domain, other->domain) || strcmp(one->image, other->image) ||
        strcmp(one->parent, other->parent) || strcmp(one->disk_type, other->disk_type) ||
        strcmp(one->description, other->description))
        abort();
    if (one->format != other->format || one->allocation != other->allocation ||
        one->role != other->role || one->legality != other->legality ||
        one->created != other->created || one->generation != other->generation)
        abort();
    if (v5 ? one->capacity != other->capacity || one->sequence != other->sequence
           : one->capacity - one->capacity % 512 != other->capacity)
        abort();
}

static void write_again(const VolumeMetadata *metadata, int version)
{
    AUTO_STRBUF once = {0}, twice = {0};
    AUTO_VOLUME_METADATA again = {0};
    const char *problem;
    int result = volume_metadata_write(metadata, version, &once);
    if ((once.length > 512) != (result != 0))
        abort();
    if (volume_metadata_parse(once.data, once.length, &again, &problem) != VOLUME_METADATA_GOOD)
        abort();
    expect_same(metadata, &again, version == 5);
    volume_metadata_write(&again, version, &twice);
    if (once.length != twice.length || memcmp(once.data, twice.data, once.length))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_VOLUME_METADATA metadata = {0};
    const char *problem = NULL;
    AUTO_FREE char *text = memory_bytes(data, size);
    VolumeVerdict verdict = volume_metadata_parse(text, size, &metadata, &problem);
    if (verdict != VOLUME_METADATA_GOOD) {
        if (!problem || metadata.description)
            abort();
        return 0;
    }
    write_again(&metadata, 4);
    write_again(&metadata, 5);
    if (volume_metadata_describe(&metadata, text) == 0) {
        write_again(&metadata, 5);
        if (strlen(metadata.description) > 4 * 210)
            abort();
    }
    return 0;
}
