#include "base/test.h"

#include <string.h>

#include "base/clock.h"
#include "manager/network/mac_ranges.h"
#include "model/mac_address.h"

static int read_ranges(MacRange *ranges, Fail *why, uint32_t count, const char *const *texts)
{
    ApiRange rows[4] = {0};
    ApiRange *items[4];
    ApiMacPool pool = {0};
    for (uint32_t i = 0; i < count; i++) {
        rows[i].from = texts[2 * i];
        rows[i].to = texts[2 * i + 1];
        items[i] = &rows[i];
    }
    pool.ranges.items = items;
    pool.ranges.count = count;
    return mac_ranges_read(&pool, ranges, why);
}

static void expect_refused(const char *from, const char *to, const char *words)
{
    AUTO_FAIL why = {0};
    MacRange ranges[1];
    assert_true(read_ranges(ranges, &why, 1, (const char *const[]){from, to}) < 0);
    assert_non_null(strstr(why.message, words));
}

TEST(ranges_are_read_in_the_order_of_their_addresses)
{
    AUTO_FAIL why = {0};
    MacRange ranges[2];
    const char *texts[] = {"56:6F:00:00:01:00", "56:6f:00:00:01:ff", "56:6f:00:00:00:00",
                           "56:6f:00:00:00:0f"};
    assert_int_equal(read_ranges(ranges, &why, 2, texts), 0);
    assert_int_equal(ranges[0].from, UINT64_C(0x566f00000000));
    assert_int_equal(ranges[1].to, UINT64_C(0x566f000001ff));
    assert_int_equal(mac_ranges_total(ranges, 2), 16 + 256);
}

TEST(bad_ranges_are_refused_with_their_member)
{
    expect_refused("rubbish", "56:6f:00:00:00:0f", "ranges.range.from");
    expect_refused("56:6f:00:00:00:00", "56:6f:00:00:00", "ranges.range.to");
    expect_refused("57:6f:00:00:00:00", "57:6f:00:00:00:0f", "unicast");
    expect_refused("56:6f:00:00:00:02", "56:6f:00:00:00:01", "comes after");
    expect_refused("56:6f:00:00:00:00", "58:6f:00:00:00:00", "first byte");
    expect_refused(NULL, "56:6f:00:00:00:00", "required");
}

TEST(ranges_that_overlap_are_refused)
{
    AUTO_FAIL why = {0};
    MacRange ranges[2];
    const char *texts[] = {"56:6f:00:00:00:00", "56:6f:00:00:00:0f", "56:6f:00:00:00:0f",
                           "56:6f:00:00:00:20"};
    assert_true(read_ranges(ranges, &why, 2, texts) < 0);
    assert_non_null(strstr(why.message, "56:6f:00:00:00:0f"));
}

TEST(addresses_come_one_after_the_other_through_all_ranges)
{
    MacRange ranges[] = {{10, 11}, {20, 20}};
    MacIndex used = {0};
    uint64_t cursor = 0, address = 0;
    const uint64_t expected[] = {10, 11, 20};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_true(mac_ranges_take(ranges, 2, &used, &cursor, &address));
        assert_int_equal(address, expected[i]);
        mac_index_add(&used, address);
    }
    assert_false(mac_ranges_take(ranges, 2, &used, &cursor, &address));
    mac_index_done(&used);
}

TEST(a_freed_address_is_found_again_behind_the_cursor)
{
    MacRange ranges[] = {{10, 13}};
    MacIndex used = {0};
    uint64_t cursor = 0, address = 0;
    for (int i = 0; i < 4; i++) {
        mac_ranges_take(ranges, 1, &used, &cursor, &address);
        mac_index_add(&used, address);
    }
    mac_index_remove(&used, 11);
    assert_true(mac_ranges_take(ranges, 1, &used, &cursor, &address));
    assert_int_equal(address, 11);
    mac_index_done(&used);
}

TEST(a_fresh_address_is_preferred_to_one_just_freed)
{
    MacRange ranges[] = {{10, 19}};
    MacIndex used = {0};
    uint64_t cursor = 0, address = 0;
    mac_ranges_take(ranges, 1, &used, &cursor, &address);
    mac_index_add(&used, address);
    mac_index_remove(&used, address);
    mac_ranges_take(ranges, 1, &used, &cursor, &address);
    assert_int_equal(address, 11);
    mac_index_done(&used);
}

TEST(a_cursor_that_the_ranges_no_longer_reach_starts_anew)
{
    MacRange ranges[] = {{10, 11}};
    MacIndex used = {0};
    uint64_t cursor = 77, address = 0;
    assert_true(mac_ranges_take(ranges, 1, &used, &cursor, &address));
    assert_int_equal(address, 10);
    assert_false(mac_ranges_take(NULL, 0, &used, &cursor, &address));
    mac_index_done(&used);
}

TEST(the_next_address_is_found_at_once_among_a_hundred_thousand)
{
    enum { MANY = 100000 };
    MacRange ranges[] = {{0x566f00000000, 0x566f00ffffff}};
    MacIndex used = {0};
    uint64_t cursor = 0, address = 0;
    int64_t begun = clock_monotonic_ms();
    for (int i = 0; i < MANY; i++) {
        assert_true(mac_ranges_take(ranges, 1, &used, &cursor, &address));
        mac_index_add(&used, address);
    }
    // After a restart the cursor is lost: it looks past those in use once.
    cursor = 0;
    assert_true(mac_ranges_take(ranges, 1, &used, &cursor, &address));
    assert_int_equal(address, 0x566f00000000 + MANY);
    assert_true(clock_monotonic_ms() - begun < 2000);
    mac_index_done(&used);
}
