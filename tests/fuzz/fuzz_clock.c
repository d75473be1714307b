// Times: a text that is accepted must come back as the same moment; any number can be printed.
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char iso[CLOCK_ISO_SIZE];
    int64_t moment = 0, again = 0;
    AUTO_FREE char *text = memory_bytes(data, size);
    if (clock_parse_iso(text, &moment) && moment >= -62167219200000 &&
        moment <= 253402300799999 && // years 0 to 9999
        (!clock_parse_iso(clock_iso(moment, iso), &again) || again != moment))
        abort();
    if (size >= sizeof(moment)) {
        memcpy(&moment, data, sizeof(moment));
        if (strlen(clock_iso(moment, iso)) != 24 || !clock_parse_iso(iso, &again))
            abort();
    }
    return 0;
}
