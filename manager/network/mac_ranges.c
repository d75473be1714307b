#include "manager/network/mac_ranges.h"

#include <stdlib.h>

#include "model/mac_address.h"

static int range_read(const ApiRange *range, MacRange *ret, Fail *why)
{
    if (!range->from || !range->to)
        return fail_set(why, FAIL_INCOMPLETE, "MacPool [ranges[].from, ranges[].to] required");
    if (!mac_parse(range->from, &ret->from) || !mac_is_unicast(ret->from))
        return fail_set(why, FAIL_INVALID,
                        "mac_pool.ranges.range.from: \"%.40s\" is not a unicast MAC address.",
                        range->from);
    if (!mac_parse(range->to, &ret->to) || !mac_is_unicast(ret->to))
        return fail_set(why, FAIL_INVALID,
                        "mac_pool.ranges.range.to: \"%.40s\" is not a unicast MAC address.",
                        range->to);
    if (ret->from > ret->to)
        return fail_set(why, FAIL_INVALID, "mac_pool.ranges.range: %s comes after %s.", range->from,
                        range->to);
    // Every second first byte marks group addresses: a range must not run through them.
    if (ret->from >> 40 != ret->to >> 40)
        return fail_set(why, FAIL_INVALID,
                        "mac_pool.ranges.range: %s and %s differ in the first byte.", range->from,
                        range->to);
    return 0;
}

static int range_order(const void *one, const void *other)
{
    const MacRange *left = one, *right = other;
    return (left->from > right->from) - (left->from < right->from);
}

int mac_ranges_read(const ApiMacPool *pool, MacRange *ranges, Fail *why)
{
    for (uint32_t i = 0; i < pool->ranges.count; i++) {
        int result = range_read(pool->ranges.items[i], &ranges[i], why);
        if (result)
            return result;
    }
    if (pool->ranges.count)
        qsort(ranges, pool->ranges.count, sizeof(MacRange), range_order);
    for (uint32_t i = 1; i < pool->ranges.count; i++) {
        char from[MAC_SIZE];
        if (mac_ranges_overlap(&ranges[i - 1], &ranges[i]))
            return fail_set(why, FAIL_INVALID, "mac_pool.ranges: two ranges overlap at %s.",
                            mac_format(ranges[i].from, from));
    }
    return 0;
}

bool mac_ranges_overlap(const MacRange *one, const MacRange *other)
{
    return one->from <= other->to && other->from <= one->to;
}

uint64_t mac_ranges_total(const MacRange *ranges, size_t count)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += ranges[i].to - ranges[i].from + 1;
    return total;
}

static uint64_t address_at(const MacRange *ranges, uint64_t place)
{
    while (place > ranges->to - ranges->from) {
        place -= ranges->to - ranges->from + 1;
        ranges++;
    }
    return ranges->from + place;
}

bool mac_ranges_take(const MacRange *ranges, size_t count, const MacIndex *used, uint64_t *cursor,
                     uint64_t *ret_address)
{
    uint64_t total = mac_ranges_total(ranges, count);
    uint64_t place = *cursor < total ? *cursor : 0;
    for (uint64_t looked = 0; looked < total; looked++, place = (place + 1) % total) {
        uint64_t address = address_at(ranges, place);
        if (mac_index_count(used, address))
            continue;
        *cursor = place + 1;
        *ret_address = address;
        return true;
    }
    return false;
}
