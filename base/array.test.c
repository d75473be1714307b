#include "base/test.h"

#include "base/array.h"

TEST(grows_and_keeps_order)
{
    AUTO_ARRAY array = {0};
    static char items[1000];
    for (int i = 0; i < 1000; i++)
        array_add(&array, &items[i]);
    assert_int_equal(array.count, 1000);
    for (int i = 0; i < 1000; i++)
        assert_ptr_equal(array.items[i], &items[i]);
}

TEST(null_is_an_item)
{
    AUTO_ARRAY array = {0};
    array_add(&array, NULL);
    assert_int_equal(array.count, 1);
    assert_null(array.items[0]);
}

TEST(done_leaves_an_empty_array)
{
    Array array = {0};
    array_done(&array);
    array_add(&array, &array);
    array_done(&array);
    assert_null(array.items);
    assert_int_equal(array.count + array.capacity, 0);
}
