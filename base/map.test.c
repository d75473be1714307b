#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

enum { MANY = 20000 };

static char names[MANY][16];

static void name_all(void)
{
    for (int i = 0; i < MANY; i++)
        snprintf(names[i], sizeof(names[i]), "key-%d", i);
}

TEST(empty_map_has_nothing)
{
    Map map = {0};
    assert_null(map_get(&map, "a"));
    assert_null(map_get(&map, NULL));
    assert_null(map_remove(&map, "a"));
    assert_null(map_next(&map, NULL));
    map_done(&map);
}

TEST(put_returns_what_stood_there)
{
    Map map = {0};
    int one, two;
    assert_null(map_put(&map, "vm", &one));
    assert_ptr_equal(map_put(&map, "vm", &two), &one);
    assert_int_equal(map.count, 1);
    assert_ptr_equal(map_get(&map, "vm"), &two);
    assert_ptr_equal(map_remove(&map, "vm"), &two);
    assert_int_equal(map.count, 0);
    assert_null(map_get(&map, "vm"));
    map_done(&map);
}

TEST(put_replaces_the_key_pointer)
{
    Map map = {0};
    char first[] = "id", second[] = "id";
    map_put(&map, first, &map);
    map_put(&map, second, &map);
    assert_ptr_equal(map_slot(&map, "id")->key, second);
    map_done(&map);
}

TEST(null_value_removes)
{
    Map map = {0};
    int one;
    map_put(&map, "a", NULL);
    assert_int_equal(map.count, 0);
    map_put(&map, "a", &one);
    assert_ptr_equal(map_put(&map, "a", NULL), &one);
    assert_int_equal(map.count, 0);
    map_put(&map, "a", &one);
    assert_int_equal(map.count, 1);
    map_done(&map);
}

TEST(empty_key_is_a_key)
{
    Map map = {0};
    int one, two;
    map_put(&map, "x", &one);
    map_put(&map, "", &two);
    assert_ptr_equal(map_get(&map, ""), &two);
    map_remove(&map, "x"); // its tombstone has the key "" too
    assert_ptr_equal(map_get(&map, ""), &two);
    assert_ptr_equal(map_remove(&map, ""), &two);
    assert_null(map_get(&map, ""));
    map_done(&map);
}

TEST(thousands_are_found_again)
{
    Map map = {0};
    name_all();
    for (int i = 0; i < MANY; i++)
        map_put(&map, names[i], names[i] + 1);
    assert_int_equal(map.count, MANY);
    assert_true(map.capacity < MANY * 8);
    for (int i = 0; i < MANY; i++)
        assert_ptr_equal(map_get(&map, names[i]), names[i] + 1);
    for (int i = 0; i < MANY; i += 2)
        assert_ptr_equal(map_remove(&map, names[i]), names[i] + 1);
    for (int i = 0; i < MANY; i++)
        assert_ptr_equal(map_get(&map, names[i]), i % 2 ? names[i] + 1 : NULL);
    map_done(&map);
}

TEST(come_and_go_does_not_grow)
{
    Map map = {0};
    name_all();
    for (int i = 0; i < MANY; i++) {
        map_put(&map, names[i], names[i]);
        assert_ptr_equal(map_remove(&map, names[i]), names[i]);
    }
    assert_int_equal(map.count, 0);
    assert_true(map.capacity <= 32);
    map_done(&map);
}

TEST(each_sees_every_entry_once_and_may_remove_it)
{
    Map map = {0};
    name_all();
    char seen[1000] = {0};
    for (int i = 0; i < 1000; i++)
        map_put(&map, names[i], &seen[i]);
    MAP_EACH(&map, slot) {
        (*(char *)slot->value)++;
        if (atoi(slot->key + 4) % 3 == 0)
            map_remove(&map, slot->key);
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(seen[i], 1);
    assert_int_equal(map.count, 666);
    map_done(&map);
}

TEST(hash_spreads_over_low_bits)
{
    int buckets[64] = {0};
    name_all();
    for (int i = 0; i < MANY; i++)
        buckets[hash_string(names[i]) % 64]++;
    for (int i = 0; i < 64; i++)
        assert_in_range(buckets[i], MANY / 64 / 2, MANY / 64 * 2);
}
