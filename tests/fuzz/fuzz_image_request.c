// What clients and managers say to the image server: paths, queries, ranges, operations, URLs. The
// first byte says which; every accepted value must lie where its text can mean.
#include "agent/image/image_request.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_path(char *text)
{
    const char *ticket = NULL;
    ImageTarget target = image_target_parse(text, &ticket);
    if (!ticket || target >= _IMAGE_TARGET_MAX || strchr(ticket, '/'))
        abort();
}

static void try_query(const char *text)
{
    bool flag = false;
    AUTO_FREE char *value = image_query_get(text, "context");
    if (value && strlen(value) > strlen(text))
        abort();
    image_query_flag(text, "flush", true, &flag, NULL);
}

static void try_ranges(const char *text, int64_t size)
{
    ByteRange range;
    int64_t offset = -1;
    if (image_range_parse(text, size, &range, NULL) == 0 &&
        (range.offset < 0 || range.length <= 0 || range.length > size ||
         range.offset > size - range.length))
        abort();
    if (image_content_range_parse(text, &offset, NULL) == 0 && offset < 0)
        abort();
}

static void try_patch(const char *text, size_t length)
{
    AUTO_FAIL why = {0};
    ImagePatch patch;
    int result = image_patch_parse(text, length, &patch, &why);
    if (result ? fail_http_status(why.code) != 400 : patch.offset < 0 || patch.size < 0)
        abort();
}

static void try_url(const char *text)
{
    char *path = NULL, *export = NULL;
    if (nbd_url_parse(text, &path, &export) && (*path != '/' || strchr(path, ':')))
        abort();
    free(path);
    free(export);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    AUTO_FREE char *text = memory_bytes(data + 1, size - 1);
    switch (*data) {
    case 'p': try_path(text); break;
    case 'q': try_query(text); break;
    case 'j': try_patch(text, size - 1); break;
    case 'u': try_url(text); break;
    default: try_ranges(text, (int64_t)1 << (*data % 63)); break;
    }
    return 0;
}
