#include "base/test.h"

#include <string.h>

#include "base/uuid.h"

TEST(new_ones_are_valid_random_version_4)
{
    char one[UUID_SIZE], two[UUID_SIZE];
    assert_ptr_equal(uuid_new(one), one);
    uuid_new(two);
    assert_true(uuid_valid(one) && uuid_valid(two));
    assert_string_not_equal(one, two);
    assert_int_equal(one[14], '4');
    assert_non_null(strchr("89ab", one[19]));
}

TEST(names_give_stable_version_5)
{
    char one[UUID_SIZE], two[UUID_SIZE];
    uuid_from_name("role", "admin", one);
    assert_string_equal(uuid_from_name("role", "admin", two), one);
    assert_true(uuid_valid(one));
    assert_int_equal(one[14], '5');
    assert_non_null(strchr("89ab", one[19]));
    assert_string_not_equal(uuid_from_name("role", "user", two), one);
    assert_string_not_equal(uuid_from_name("group", "admin", two), one);
    // Stored in databases: it must never change.
    assert_string_equal(one, "2e7f77f4-1d84-52f3-bf9c-304c22d4092d");
}

TEST(only_the_dashed_form_is_valid)
{
    assert_true(uuid_valid(UUID_ZERO));
    assert_true(uuid_valid("123E4567-e89b-12d3-A456-426614174000"));
    assert_false(uuid_valid(NULL));
    assert_false(uuid_valid(""));
    assert_false(uuid_valid("123e4567-e89b-12d3-a456-42661417400"));
    assert_false(uuid_valid("123e4567-e89b-12d3-a456-4266141740000"));
    assert_false(uuid_valid("123e4567-e89b-12d3-a456-42661417400g"));
    assert_false(uuid_valid("123e4567e-89b-12d3-a456-426614174000"));
    assert_false(uuid_valid("{23e4567-e89b-12d3-a456-42661417400}"));
}

TEST(lower_case)
{
    char text[] = "123E4567-E89B";
    uuid_lower(text);
    assert_string_equal(text, "123e4567-e89b");
    uuid_lower(NULL);
}

TEST(zero_in_all_its_forms)
{
    assert_true(uuid_is_zero(NULL) && uuid_is_zero("") && uuid_is_zero(UUID_ZERO));
    assert_false(uuid_is_zero("00000000-0000-0000-0000-000000000001"));
}
