// Images: directories of volumes.
#pragma once

#include "agent/storage/volume.h"
#include "base/array.h"

// Ids of all images; of half-removed ones nobody hears. The caller frees strings and array.
int image_list(Storage *storage, const StorageDomain *domain, Array *ret, Fail *why);
// Ids of all volumes, each once.
int image_list_volumes(Storage *storage, const StorageDomain *domain, Array *ret, Fail *why);
// Fails when other images were made from it, or when it is not there.
int image_check_delete(Storage *storage, const StorageDomain *domain, const char *image, Fail *why);
// First renamed, so that nobody sees half of it; can be repeated until it succeeds.
int image_delete(Storage *storage, const StorageDomain *domain, const char *image, bool wipe,
                 atomic_bool *stop, Fail *why);
// Removes what interrupted removals and creations left, image by image as they are free. Only on
// the host that manages the pool: elsewhere a creation may be under way.
void image_collect_garbage(Storage *storage, const StorageDomain *domain);
// The link under which a prepared image is reached; the caller frees.
char *image_link_path(Storage *storage, const char *domain, const char *image);
// Removes the links that a dead agent had not finished.
void storage_links_recover(Storage *storage);
