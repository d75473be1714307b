// Files as whole things. All return 0 or a negative errno.
#pragma once

#include <sys/types.h>

#include "base/memory.h"

// Reads at most `limit` bytes; -EFBIG when there is more. *ret_data is NUL-terminated, caller frees.
int file_read(const char *path, size_t limit, char **ret_data, size_t *ret_length);
// Write to a new file beside it, sync, rename over: readers see the old or the new content.
int file_write_atomic(const char *path, const void *data, size_t length, mode_t mode);
// The same without syncing: survives the program, not the machine.
int file_replace(const char *path, const void *data, size_t length, mode_t mode);
// Removes what both have left in the directory when their program was killed.
void directory_drop_unfinished(const char *path);
// Like mkdir -p; an existing directory is fine.
int directory_make(const char *path, mode_t mode);
// Removes a tree; what is missing already is fine. Does not cross into mounted file systems.
int directory_remove(const char *path);
bool file_exists(const char *path);
// Writes all of it or fails.
int fd_write_all(int fd, const void *data, size_t length);
// Makes the directory entry itself durable.
int directory_sync(const char *path);
