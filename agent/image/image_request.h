// What a request to the image server asks for: its target, byte ranges, query and JSON operations.
// Pure functions on untrusted text; fuzzed.
#pragma once

#include "base/fail.h"
#include "base/json.h"

typedef enum ImageTarget {
    IMAGE_TARGET_UNKNOWN,
    IMAGE_TARGET_INFO,       // /info/
    IMAGE_TARGET_IMAGE,      // /images/TICKET
    IMAGE_TARGET_EXTENTS,    // /images/TICKET/extents
    IMAGE_TARGET_CHECKSUM,   // /images/TICKET/checksum
    IMAGE_TARGET_ALGORITHMS, // /images/TICKET/checksum/algorithms
    _IMAGE_TARGET_MAX,
} ImageTarget;

// Decodes the path in place; *ret_ticket is "" when the path names none.
ImageTarget image_target_parse(char *path, const char **ret_ticket);

// Value of a query's key (the last one counts), decoded; NULL when it is missing. The caller frees.
char *image_query_get(const char *query, const char *name);
// "y" or "n" under a name; `fallback` when it is missing.
int image_query_flag(const char *query, const char *name, bool fallback, bool *ret, Fail *why);

typedef struct ByteRange {
    int64_t offset, length;
} ByteRange;

enum { RANGE_TO_END = -1 };

// "bytes=a-b", "bytes=a-", "bytes=-n" on content of `size` bytes. Anything else is FAIL_RANGE:
// ignoring a range would hand out the wrong bytes.
int image_range_parse(const char *header, int64_t size, ByteRange *ret, Fail *why);
// "bytes a-b/n" with "*" for b or n; only the offset counts, the length is the body's.
int image_content_range_parse(const char *header, int64_t *ret_offset, Fail *why);

typedef enum PatchKind { PATCH_ZERO, PATCH_FLUSH } PatchKind;

typedef struct ImagePatch {
    PatchKind kind;
    int64_t offset, size;
    bool flush;
} ImagePatch;

// {"op":"zero","size":n,"offset":n,"flush":b} or {"op":"flush"}.
int image_patch_parse(const char *text, size_t length, ImagePatch *ret, Fail *why);

// "nbd:unix:PATH[:exportname=NAME]"; the caller frees both.
bool nbd_url_parse(const char *url, char **ret_path, char **ret_export);
