// The metadata of one volume: at most 512 bytes of sorted KEY=VALUE lines up to "EOF". Pure
// functions over bytes.
#pragma once

#include "agent/storage/storage_format.h"
#include "base/strbuf.h"

typedef struct VolumeMetadata {
    char domain[UUID_SIZE], image[UUID_SIZE], parent[UUID_SIZE]; // parent: UUID_ZERO for none
    int64_t capacity;                                            // bytes
    VolumeFormat format;
    VolumeAllocation allocation;
    VolumeRole role;
    VolumeLegality legality;
    char disk_type[8];
    char *description;
    int64_t created; // seconds since 1970
    int generation;  // fences jobs: raised by each finished one
    int64_t sequence;
} VolumeMetadata;

typedef enum VolumeVerdict {
    VOLUME_METADATA_GOOD,
    VOLUME_METADATA_INVALID,
    VOLUME_METADATA_CLEARED, // how old releases marked a removed volume
} VolumeVerdict;

// *ret_problem names the first thing that is wrong; it is static text.
VolumeVerdict volume_metadata_parse(const char *data, size_t length, VolumeMetadata *ret,
                                    const char **ret_problem);
void volume_metadata_done(VolumeMetadata *metadata);
#define AUTO_VOLUME_METADATA __attribute__((cleanup(volume_metadata_done))) VolumeMetadata

// The file's text for a domain of that version; -EOVERFLOW when it would not fit.
int volume_metadata_write(const VolumeMetadata *metadata, int domain_version, StrBuf *out);
// Cuts what is longer than the format takes; -EINVAL when it can't stand in metadata at all.
int volume_metadata_describe(VolumeMetadata *metadata, const char *description);
bool volume_metadata_has_parent(const VolumeMetadata *metadata);
int generation_next(int generation);
