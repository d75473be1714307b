// The head of a qcow2 file, as far as storage needs it without starting a program.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { QCOW2_HEADER_READ = 4096, QCOW2_BACKING_MAX = 1023 };

typedef struct Qcow2Header {
    int version;
    int64_t virtual_size;
    int cluster_bits;
    char backing[QCOW2_BACKING_MAX + 1]; // empty: none, or beyond the bytes given
} Qcow2Header;

// `data` is the start of the file. False when it is no qcow2 image.
bool qcow2_header_parse(const unsigned char *data, size_t length, Qcow2Header *ret);
