#include "base/test.h"

#include "base/clock.h"
#include "manager/inventory/mac_index.h"

static const uint64_t first = UINT64_C(0x566f1a000000);

TEST(an_empty_index_has_nothing)
{
    MacIndex index = {0};
    assert_int_equal(mac_index_count(&index, first), 0);
    mac_index_remove(&index, first);
    assert_int_equal(index.used, 0);
    mac_index_done(&index);
}

TEST(it_counts_how_often_an_address_is_used)
{
    MacIndex index = {0};
    mac_index_add(&index, first);
    mac_index_add(&index, first);
    mac_index_add(&index, first + 1);
    assert_int_equal(mac_index_count(&index, first), 2);
    assert_int_equal(mac_index_count(&index, first + 1), 1);
    mac_index_remove(&index, first);
    assert_int_equal(mac_index_count(&index, first), 1);
    mac_index_remove(&index, first);
    mac_index_remove(&index, first);
    assert_int_equal(mac_index_count(&index, first), 0);
    assert_int_equal(index.used, 1);
    mac_index_done(&index);
}

TEST(address_zero_is_an_address_too)
{
    MacIndex index = {0};
    mac_index_add(&index, 0);
    assert_int_equal(mac_index_count(&index, 0), 1);
    mac_index_remove(&index, 0);
    assert_int_equal(mac_index_count(&index, 0), 0);
    mac_index_done(&index);
}

// Against a plain array of counts, through many additions and removals in a small space, where
// places collide all the time.
TEST(removals_lose_no_neighbour)
{
    enum { SPACE = 300, TURNS = 200000 };
    uint32_t counts[SPACE] = {0};
    uint32_t random = 1;
    MacIndex index = {0};
    for (int i = 0; i < TURNS; i++) {
        random = random * 1664525 + 1013904223;
        uint32_t which = (random >> 8) % SPACE;
        bool add = counts[which] == 0 || random >> 31;
        counts[which] += add ? 1 : -1u;
        if (add)
            mac_index_add(&index, first + which * 7);
        else
            mac_index_remove(&index, first + which * 7);
    }
    for (uint32_t which = 0; which < SPACE; which++)
        assert_int_equal(mac_index_count(&index, first + which * 7), counts[which]);
    mac_index_done(&index);
}

TEST(a_hundred_thousand_addresses_take_little_time)
{
    enum { MANY = 100000 };
    MacIndex index = {0};
    int64_t begun = clock_monotonic_ms();
    for (uint64_t i = 0; i < MANY; i++)
        mac_index_add(&index, first + i);
    for (uint64_t i = 0; i < MANY; i++)
        assert_int_equal(mac_index_count(&index, first + i), 1);
    assert_int_equal(mac_index_count(&index, first + MANY), 0);
    assert_true(clock_monotonic_ms() - begun < 2000);
    mac_index_done(&index);
}
