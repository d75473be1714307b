// The image daemon's HTTP: ranges of an image, zeroes, extents. Each call belongs to the thread of
// its client.
#pragma once

#include "base/arena.h"
#include "cli/image/pieces.h"

typedef struct ImageAbilities {
    bool extents, zero, flush;
    int readers, writers; // connections at the same time, at least 1
} ImageAbilities;

int image_options(HttpClient *http, const char *url, ImageAbilities *ret, Fail *why);
int image_extents(HttpClient *http, const char *url, Arena *arena, const Json **ret, Fail *why);
// Bytes of the image, when extents can't tell.
int image_length(HttpClient *http, const char *url, int64_t *ret, Fail *why);
int image_flush(HttpClient *http, const char *url, Fail *why);
// From the file to the image; what is behind the file's end is zero.
int image_put(Worker *worker, const char *url, int fd, const Piece *piece, Fail *why);
// Zeroes that are not sent.
int image_zero(Worker *worker, const char *url, const Piece *piece, Fail *why);
// From the image into the file, at the same offset.
int image_get(Worker *worker, const char *url, int fd, const Piece *piece, Fail *why);
// A few bytes.
int image_read(HttpClient *http, const char *url, int64_t offset, size_t length, StrBuf *ret,
               Fail *why);
