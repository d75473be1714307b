#include "agent/image/range_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"

static void items_are(const RangeSet *set, size_t count, const RangeSetItem *items)
{
    assert_int_equal(set->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(set->items[i].from, items[i].from);
        assert_int_equal(set->items[i].to, items[i].to);
    }
}

TEST(ranges_are_joined)
{
    RangeSet set = {0};
    range_set_add(&set, 10, 10);
    range_set_add(&set, 30, 10);
    range_set_add(&set, 50, 10);
    items_are(&set, 3, (RangeSetItem[]){{10, 20}, {30, 40}, {50, 60}});
    range_set_add(&set, 20, 10); // touches both neighbours
    items_are(&set, 2, (RangeSetItem[]){{10, 40}, {50, 60}});
    range_set_add(&set, 15, 5); // inside
    items_are(&set, 2, (RangeSetItem[]){{10, 40}, {50, 60}});
    range_set_add(&set, 0, 100); // over all
    items_are(&set, 1, (RangeSetItem[]){{0, 100}});
    range_set_add(&set, 5, 0);
    assert_int_equal(range_set_total(&set), 100);
    range_set_done(&set);
}

// Against a plain array of bytes.
TEST(any_order_gives_the_same_total)
{
    enum { SIZE = 512 };
    RangeSet set = {0}, copy = {0};
    bool bytes[SIZE] = {0};
    unsigned seed = 12345;
    for (int round = 0; round < 400; round++) {
        seed = seed * 1103515245 + 12345;
        int from = (int)(seed >> 8) % SIZE, length = (int)(seed >> 20) % 7;
        if (from + length > SIZE)
            continue;
        range_set_add(&set, from, length);
        memset(bytes + from, 1, (size_t)length);
        int64_t total = 0;
        for (int i = 0; i < SIZE; i++)
            total += bytes[i];
        assert_int_equal(range_set_total(&set), total);
        for (size_t i = 1; i < set.count; i++)
            assert_true(set.items[i - 1].to < set.items[i].from);
    }
    range_set_copy(&copy, &set);
    items_are(&copy, set.count, set.items);
    range_set_done(&copy);
    range_set_done(&set);
}

TEST(fragments_are_bounded)
{
    RangeSet set = {0};
    for (int64_t i = 0; i < RANGE_SET_MAX + 10; i++)
        range_set_add(&set, i * 10, 5);
    assert_int_equal(set.count, RANGE_SET_MAX);
    range_set_add(&set, 5, 5); // joining still works
    assert_int_equal(set.count, RANGE_SET_MAX - 1);
    range_set_done(&set);
}
