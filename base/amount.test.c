#include "base/amount.h"

#include "base/memory.h"
#include "base/test.h"

static void assert_amount(int64_t bytes, const char *text)
{
    AUTO_FREE char *seen = amount_text(bytes);
    assert_string_equal(seen, text);
}

TEST(small_amounts_are_no_fractions_of_gibibytes)
{
    assert_amount(0, "0 MiB");
    assert_amount(INT64_C(1) << 20, "1 MiB");
    assert_amount(INT64_C(137) << 20, "137 MiB");
    assert_amount((INT64_C(10) << 30) - 1, "10239 MiB");
    assert_amount(INT64_C(10) << 30, "10.0 GiB");
    assert_amount((INT64_C(48) << 30) + (INT64_C(300) << 20), "48.3 GiB");
    assert_amount(INT64_MAX, "8589934592.0 GiB");
}
