#include "cli/client/wait.h"

#include "base/test.h"

static const char start[] = "status=up|powering_up!down";

TEST(a_wanted_state_is_good_at_once)
{
    assert_int_equal(wait_judge(start, "up", false), WAIT_GOOD);
    assert_int_equal(wait_judge(start, "powering_up", false), WAIT_GOOD);
    assert_int_equal(wait_judge("status=down", "down", false), WAIT_GOOD);
}

TEST(a_bad_state_counts_only_when_something_has_happened)
{
    assert_int_equal(wait_judge(start, "down", false), WAIT_ON);
    assert_int_equal(wait_judge(start, "down", true), WAIT_BAD);
}

TEST(a_state_that_can_only_have_come_afterwards_is_bad_at_once)
{
    assert_int_equal(wait_judge("status=up!down!paused", "paused", false), WAIT_BAD);
    assert_int_equal(wait_judge("status=up!down!paused", "down", false), WAIT_ON);
    assert_int_equal(wait_judge("status=up!down!paused", "down", true), WAIT_BAD);
    assert_int_equal(wait_judge("status=up!down!paused", "up", false), WAIT_GOOD);
}

TEST(other_states_are_waited_through)
{
    assert_int_equal(wait_judge(start, "wait_for_launch", true), WAIT_ON);
    assert_int_equal(wait_judge(start, "", true), WAIT_ON);
    assert_int_equal(wait_judge(start, "u", true), WAIT_ON); // no part of a word
    assert_int_equal(wait_judge(start, "upp", true), WAIT_ON);
    assert_int_equal(wait_judge("status=down", "up", true), WAIT_ON);
}

TEST(an_object_that_is_gone)
{
    assert_int_equal(wait_judge("gone", NULL, false), WAIT_GOOD);
    assert_int_equal(wait_judge("gone", "there", true), WAIT_ON);
    assert_int_equal(wait_judge(start, NULL, false), WAIT_BAD);
    assert_int_equal(wait_judge("phase=finished_success|gone!cancelled", NULL, false), WAIT_GOOD);
    assert_int_equal(wait_judge("phase=finished_success|gone!cancelled", "cancelled", true),
                     WAIT_BAD);
}

TEST(members)
{
    AUTO_FREE char *member = wait_member("disk.status=ok!illegal");
    assert_string_equal(member, "disk.status");
    assert_null(wait_member("gone"));
    assert_null(wait_member("job"));
}
