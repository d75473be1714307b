// Image files on this machine: what they are, by their first bytes.
#pragma once

#include "base/fail.h"

typedef struct ImageFile {
    int fd; // -1 when closed
    bool qcow2, iso;
    int64_t length;       // bytes of the file
    int64_t virtual_size; // of the disk it makes, whole sectors
} ImageFile;

enum { IMAGE_SECTOR = 512, QCOW2_HEADER_SIZE = 104 };

// Refuses what can't become a disk as it is: backing files, damage, foreign formats.
int image_file_open(const char *path, ImageFile *ret, Fail *why);
void image_file_close(ImageFile *file);
#define AUTO_IMAGE_FILE __attribute__((cleanup(image_file_close))) ImageFile

bool qcow2_magic(const unsigned char *header, size_t length);
// `what` names the image in failures.
int qcow2_header_parse(const unsigned char *header, size_t length, const char *what,
                       int64_t *ret_virtual_size, Fail *why);
