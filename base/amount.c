#include "base/amount.h"

#include "base/memory.h"

#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)

char *amount_text(int64_t bytes)
{
    if (bytes < 10 * GIB)
        return memory_format("%lld MiB", (long long)(bytes / MIB));
    return memory_format("%.1f GiB", (double)bytes / (double)GIB);
}
