// JSON: any bytes. What was accepted must come out as the same text once it was written.
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const Json *root, StrBuf *out)
{
    JsonWriter writer = {.out = out};
    json_put(&writer, root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA arena = {0};
    AUTO_STRBUF once = {0}, twice = {0}, quoted = {0};
    const char *error = NULL;
    size_t offset = 0;
    const Json *root = json_parse(&arena, (const char *)data, size, &error, &offset);
    if (!root && (!error || offset > size))
        abort();
    json_quote(&quoted, (const char *)data, size);
    if (!utf8_valid(quoted.data, quoted.length))
        abort();
    if (!root)
        return 0;
    int64_t number;
    json_integer(root, &number);
    json_get_decimal(root, "a", 0);
    json_get_bool(root, "b", false);
    write_again(root, &once);
    root = json_parse(&arena, once.data, once.length, &error, &offset);
    if (!root)
        abort();
    write_again(root, &twice);
    if (once.length != twice.length || memcmp(once.data, twice.data, once.length))
        abort();
    return 0;
}
