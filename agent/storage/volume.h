// One volume of an image: a data file, its metadata, its lease. A template's volume is hard-linked
// into the directories of the images made from it.
#pragma once

#include <stdatomic.h>

#include "agent/storage/storage_domain.h"
#include "agent/storage/volume_metadata.h"

typedef struct Volume {
    char id[UUID_SIZE], image[UUID_SIZE]; // image: whose directory it was opened in
    char *path;                           // of the data
    VolumeMetadata metadata;
} Volume;

typedef struct VolumeSizes {
    int64_t apparent, real; // bytes: the file's length, what it takes on disk
} VolumeSizes;

int volume_open(Storage *storage, const StorageDomain *domain, const char *image, const char *id,
                Volume *ret, Fail *why);
void volume_close(Volume *volume);
#define AUTO_VOLUME __attribute__((cleanup(volume_close))) Volume

// Writes the metadata. Links of a template in other images follow.
int volume_save(Storage *storage, const StorageDomain *domain, const Volume *volume, Fail *why);
int volume_sizes(Storage *storage, const Volume *volume, VolumeSizes *ret, Fail *why);
// A volume of another image that is only linked here may not be changed from here.
int volume_check_own(const Volume *volume, Fail *why);
char *volume_meta_path(const char *path);
char *volume_lease_path(const char *path);

// The volumes of one image directory, in the order of their ids. A volume whose metadata can't be
// read is there too, with a problem.
typedef struct VolumeEntry {
    char id[UUID_SIZE];
    bool good;
    VolumeMetadata metadata;
} VolumeEntry;

typedef struct VolumeList {
    VolumeEntry *entries;
    size_t count;
} VolumeList;

int volume_list(Storage *storage, const StorageDomain *domain, const char *image, VolumeList *ret,
                Fail *why);
void volume_list_done(VolumeList *list);
#define AUTO_VOLUME_LIST __attribute__((cleanup(volume_list_done))) VolumeList
const VolumeEntry *volume_list_find(const VolumeList *list, const char *id);
// How many have `parent` as their parent, leaving `except` out (may be NULL).
int volume_list_children(const VolumeList *list, const char *parent, const char *except);
// The volume nobody builds on; NULL when there is none or more than one.
const VolumeEntry *volume_list_leaf(const VolumeList *list);

// The virtual size the data has: of a qcow2 image as its header says, else the file's length.
int volume_virtual_size(Storage *storage, const Volume *volume, int64_t *ret, Fail *why);

// ---- longer work, with the image's lock held

typedef struct VolumeRequest {
    const char *id, *image, *source_image, *parent; // parent UUID_ZERO: none
    int64_t capacity, initial;                      // initial -1: not given
    VolumeFormat format;
    VolumeAllocation allocation;
    char disk_type[8];
    const char *description, *bitmap;
    bool legal, add_bitmaps;
    int64_t sequence;
} VolumeRequest;

// What can be said without looking at the disk. Rounds the capacity up.
int volume_request_check(VolumeRequest *request, int domain_version, Fail *why);
// The metadata file appears last: until then there is no volume, only files volume_undo() removes.
int volume_create(Storage *storage, const StorageDomain *domain, const VolumeRequest *request,
                  atomic_bool *stop, Fail *why);
// Removes what a creation left before it was complete, or the volume itself when `complete` too.
int volume_undo(Storage *storage, const StorageDomain *domain, const VolumeRequest *request,
                bool complete, Fail *why);
bool volume_is_complete(Storage *storage, const StorageDomain *domain, const char *image,
                        const char *id);
int volume_extend(Storage *storage, const StorageDomain *domain, const char *image, const char *id,
                  int64_t capacity, atomic_bool *stop, Fail *why);
int volume_delete(Storage *storage, const StorageDomain *domain, const char *image, const char *id,
                  bool wipe, bool force, atomic_bool *stop, Fail *why);

// Overwrites what is allocated with zeros, unless other links share it.
int volume_wipe(const char *path, atomic_bool *stop, Fail *why);
// Allocates the rest of the file from `offset` on.
int volume_allocate(const char *path, int64_t offset, int64_t end, atomic_bool *stop, Fail *why);
