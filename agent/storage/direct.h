// Reading and writing past the page cache, as hosts that share storage must.
#pragma once

#include "base/fail.h"

enum { DIRECT_ALIGNMENT = 4096 };

// Zeroed, aligned for direct I/O; free() it.
void *direct_buffer(size_t size);
// The whole file when it is not longer than `limit` (-EFBIG). Falls back to the cache where the
// file system knows no direct I/O. *ret_data is NUL-terminated, the caller frees.
int direct_read(const char *path, size_t limit, char **ret_data, size_t *ret_length);
// Exactly `length` bytes at `offset` of a buffer from direct_buffer(); all multiples of the block
// size. 0 or a negative errno.
int direct_read_at(const char *path, void *buffer, size_t length, int64_t offset);
int direct_write_at(const char *path, const void *buffer, size_t length, int64_t offset);
// The smallest write the file system takes: 512 or 4096, or 1 when it takes anything.
int direct_probe_block_size(const char *directory, int *ret);
// Makes, reads and removes a file there, as far as there is room; a VdsmError. `why` names the step
// that failed.
int direct_check_access(const char *directory, Fail *why);
