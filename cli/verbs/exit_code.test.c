#include "cli/verbs/exit_code.h"

#include "base/test.h"

TEST(codes_are_those_of_the_manual)
{
    static const struct {
        FailCode fail;
        int code;
    } rows[] = {
        {FAIL_NONE, 0},         {FAIL_INTERNAL, 1},    {FAIL_NOT_IMPLEMENTED, 1},
        {FAIL_NO_SPACE, 1},     {FAIL_UNAVAILABLE, 3}, {FAIL_UNAUTHENTICATED, 4},
        {FAIL_FORBIDDEN, 5},    {FAIL_NOT_FOUND, 6},   {FAIL_GONE, 6},
        {FAIL_CONFLICT, 7},     {FAIL_EXISTS, 7},      {FAIL_LOCKED, 7},
        {FAIL_STATE, 7},        {FAIL_INVALID, 8},     {FAIL_REJECTED, 8},
        {FAIL_OUT_OF_RANGE, 8}, {FAIL_TIMED_OUT, 9},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(exit_code_of(rows[i].fail), rows[i].code);
}

TEST(no_code_stands_for_two_things)
{
    for (size_t i = 0; i < exit_code_count; i++)
        for (size_t j = i + 1; j < exit_code_count; j++)
            assert_int_not_equal(exit_code_rows[i].code, exit_code_rows[j].code);
}
