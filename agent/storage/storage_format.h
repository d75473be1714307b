// Numbers and words of the storage format, versions 4 and 5.
#pragma once

#include "base/memory.h"
#include "base/uuid.h"

#define KIB 1024LL
#define MIB (1024 * KIB)

enum {
    DOMAIN_VERSION_MIN = 3, // older ones have other locks
    DOMAIN_VERSION_LEASES = 4,
    DOMAIN_VERSION_MAX = 5,
    DOMAIN_DESCRIPTION_MAX = 50,
    BLOCK_SIZE_AUTO = 0,
    BLOCK_SIZE_UNKNOWN = 1, // the file system takes writes of any size
    BLOCK_SIZE_512 = 512,
    BLOCK_SIZE_4K = 4096,
    HOSTS_MAX = 2000,
    HOST_ID_MAX = 250,
    VOLUME_METADATA_SIZE = 512,
    VOLUME_DESCRIPTION_MAX = 210, // characters
    GENERATION_MAX = 999,
    CAPACITY_STEP = 4096,
};

#define VOLUME_MODE    0660
#define METADATA_MODE  0644
#define SPECIAL_MODE   0660
#define MAILBOX_SIZE   (16 * MIB)
#define REMOVED_PREFIX "_remove_me_"
#define META_SUFFIX    ".meta"
#define LEASE_SUFFIX   ".lease"
#define ISO_IMAGE      "11111111-1111-1111-1111-111111111111"
#define MASTER_LINK    "mastersd"
#define DOMAIN_LEASE   "SDM"

typedef enum DomainType {
    DOMAIN_UNKNOWN,
    DOMAIN_NFS,
    DOMAIN_FCP,
    DOMAIN_ISCSI,
    DOMAIN_LOCALFS,
    DOMAIN_CIFS,
    DOMAIN_POSIXFS,
    DOMAIN_GLUSTERFS,
    _DOMAIN_TYPE_MAX,
    _DOMAIN_TYPE_INVALID = -22,
} DomainType;

typedef enum DomainClass {
    DOMAIN_DATA = 1,
    DOMAIN_ISO,
    DOMAIN_BACKUP,
    _DOMAIN_CLASS_MAX,
    _DOMAIN_CLASS_INVALID = -22,
} DomainClass;

// The peer's numbers.
typedef enum VolumeAllocation { VOLUME_PREALLOCATED = 1, VOLUME_SPARSE = 2 } VolumeAllocation;
typedef enum VolumeFormat { VOLUME_COW = 4, VOLUME_RAW = 5 } VolumeFormat;
typedef enum VolumeRole { VOLUME_SHARED = 6, VOLUME_INTERNAL = 7, VOLUME_LEAF = 8 } VolumeRole;
typedef enum VolumeLegality {
    VOLUME_LEGAL,
    VOLUME_ILLEGAL,
    VOLUME_FAKE, // a stand-in for a template on a backup domain
} VolumeLegality;

// Names as they stand in metadata and answers; *_from_* accept the name or the number as text and
// return a negative errno for anything else.
const char *domain_type_name(DomainType type);
DomainType domain_type_from_text(const char *text);
const char *domain_class_name(DomainClass class);
DomainClass domain_class_from_text(const char *text);
const char *volume_allocation_name(VolumeAllocation allocation);
int volume_allocation_from_text(const char *text);
const char *volume_format_name(VolumeFormat format);
int volume_format_from_text(const char *text);
const char *volume_role_name(VolumeRole role);
int volume_role_from_text(const char *text);
const char *volume_legality_name(VolumeLegality legality);
int volume_legality_from_text(const char *text);
bool volume_disk_type_valid(const char *text);

static inline const char *volume_format_qemu(VolumeFormat format)
{
    return format == VOLUME_COW ? "qcow2" : "raw";
}

static inline bool domain_type_is_block(DomainType type)
{
    return type == DOMAIN_FCP || type == DOMAIN_ISCSI;
}

static inline int64_t size_round_up(int64_t size, int64_t step)
{
    return (size + step - 1) / step * step;
}
