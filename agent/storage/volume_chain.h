// How the volumes of an image hang together.
#pragma once

#include "agent/storage/volume.h"
#include "base/array.h"

// Gives a volume the role its children make it have: INTERNAL or LEAF. `except` (may be NULL) does
// not count as a child. Templates, and volumes that are not there, stay as they are.
int volume_settle(Storage *storage, const StorageDomain *domain, const char *image, const char *id,
                  const char *except, Fail *why);
// Removes an image's directory when no volume of its own is left in it, with the links to a
// template. A missing one is fine.
int image_drop_unused(Storage *storage, const StorageDomain *domain, const char *image, Fail *why);
// Copies the names of the parent's bitmaps into a new volume on top of it.
int volume_copy_bitmaps(Storage *storage, const Volume *parent, const char *path, Fail *why);
// From the volume down to its base: ids that live in the list. All must be there and, unless allowed, legal.
int volume_chain(const VolumeList *list, const char *image, const char *id, bool allow_illegal,
                 Array *ret, Fail *why);
