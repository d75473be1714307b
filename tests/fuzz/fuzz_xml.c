// XML: any bytes. What was accepted must be accepted again when it was written, and not change.
#include "base/xml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA arena = {0};
    AUTO_STRBUF once = {0}, twice = {0}, escaped = {0};
    const char *error = NULL;
    int line = 0;
    const Xml *root = xml_parse(&arena, (const char *)data, size, &error, &line);
    if (!root && !error)
        abort();
    strbuf_adds(&escaped, "<a>");
    xml_escape(&escaped, (const char *)data, size);
    strbuf_adds(&escaped, "</a>");
    if (!xml_parse(&arena, escaped.data, escaped.length, &error, &line))
        abort();
    if (!root)
        return 0;
    xml_print(&once, root);
    root = xml_parse(&arena, once.data, once.length, &error, &line);
    if (!root)
        abort();
    xml_print(&twice, root);
    if (once.length != twice.length || memcmp(once.data, twice.data, once.length))
        abort();
    return 0;
}
