// The head of a qcow2 file: any bytes. A backing file's name must be one that stands there.
#include "agent/storage/qcow2_header.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Qcow2Header header = {.version = 77}, untouched = header;
    AUTO_FREE unsigned char *head = (unsigned char *)memory_bytes(data, size);
    if (!qcow2_header_parse(head, size, &header)) {
        if (memcmp(&header, &untouched, sizeof(header)))
            abort();
        return 0;
    }
    size_t name = strnlen(header.backing, sizeof(header.backing));
    if ((header.version != 2 && header.version != 3) || header.virtual_size < 0 ||
        header.cluster_bits < 9 || header.cluster_bits > 21 || name == sizeof(header.backing))
        abort();
    if (name && !memmem(head, size, header.backing, name))
        abort();
    return 0;
}
