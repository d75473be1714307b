// Domain metadata: any bytes. What was accepted is sealed and written; read again it must be
// accepted with its seal and be written as the same text.
#include "agent/storage/domain_metadata.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_METADATA metadata = {0}, again = {0};
    AUTO_STRBUF once = {0}, twice = {0};
    AUTO_FREE char *text = memory_bytes(data, size);
    if (domain_metadata_parse(text, size, &metadata) != METADATA_GOOD) {
        if (metadata.count || metadata.pairs)
            abort();
        return 0;
    }
    domain_metadata_number(&metadata, "VERSION", 0, 5, 0);
    domain_metadata_write(&metadata, &once);
    // The seal may be what is too much.
    if (once.length > DOMAIN_METADATA_MAX || metadata.count >= DOMAIN_METADATA_KEYS_MAX)
        return 0;
    if (domain_metadata_parse(once.data, once.length, &again) != METADATA_GOOD ||
        again.count != metadata.count || again.sealed != (metadata.count > 0))
        abort();
    domain_metadata_write(&again, &twice);
    if (once.length != twice.length || memcmp(once.data, twice.data, once.length))
        abort();
    return 0;
}
