// qemu-img: images are made, measured, checked and copied by it, as the storage's owner, never
// longer than the agent lives. All wait; not for the loop's thread. All return a VdsmError.
#pragma once

#include <stdatomic.h>

#include "agent/storage/storage_fail.h"
#include "agent/storage/storage_format.h"
#include "agent/storage/storage_owner.h"
#include "base/json.h"

// A long run under way; both members are read and written from any thread.
typedef struct QemuProgress {
    atomic_bool *stop;   // set by somebody: give up
    atomic_int *percent; // may be NULL
} QemuProgress;

// An empty qcow2 image; `backing` (a name in the same directory) may be NULL.
int qemu_image_create(const StorageOwner *owner, const char *path, int64_t capacity,
                      bool compat_1_1, const char *backing, VolumeFormat backing_format, Fail *why);
// qemu-img's own JSON. `format` NULL: qemu-img finds out. `untrusted` limits its memory and time.
int qemu_image_info(const StorageOwner *owner, Arena *arena, const char *path, const char *format,
                    bool untrusted, const Json **ret, Fail *why);
// JSON of qemu-img measure; `backing` false: this file alone. `base`: down to that file only.
int qemu_image_measure(const StorageOwner *owner, Arena *arena, const char *path,
                       VolumeFormat format, VolumeFormat target, bool backing, const char *base,
                       VolumeFormat base_format, const Json **ret, Fail *why);
int qemu_image_resize(const StorageOwner *owner, const char *path, int64_t capacity, Fail *why);
// Where the used part of a qcow2 file ends.
int qemu_image_end(const StorageOwner *owner, const char *path, int64_t *ret, Fail *why);
int qemu_image_add_bitmap(const StorageOwner *owner, const char *path, const char *name, Fail *why);

typedef struct QemuCopy {
    const char *source, *target;
    VolumeFormat source_format, target_format;
    bool create;         // the target may be made anew in place; else only its content is written
    bool target_is_zero; // what is not written reads as zeros already
    bool bitmaps;
    const char *backing; // absolute path of the target's parent, or NULL
    VolumeFormat backing_format;
} QemuCopy;
int qemu_image_copy(const StorageOwner *owner, const QemuCopy *copy, const QemuProgress *progress,
                    Fail *why);

// "(12.50/100%)" in a piece of qemu-img's output: 12; -1 when there is none.
int qemu_progress_parse(const char *data, size_t length);
