#include "base/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

TEST(every_code_has_a_full_row)
{
    for (FailCode code = FAIL_NONE + 1; code < _FAIL_MAX; code++) {
        assert_in_range(fail_http_status(code), 400, 599);
        assert_true(fail_to_errno(code) < 0 && fail_to_errno(code) > -4096);
        assert_true(*fail_reason(code) && *fail_name(code));
        for (FailCode other = FAIL_NONE; other < code; other++)
            assert_string_not_equal(fail_name(code), fail_name(other));
    }
    assert_string_equal(fail_name(FAIL_NOT_FOUND), "NOT_FOUND");
    assert_int_equal(fail_http_status(FAIL_NOT_FOUND), 404);
    assert_int_equal(fail_to_errno(FAIL_NOT_FOUND), -ENOENT);
    assert_int_equal(fail_to_errno(FAIL_NONE), 0);
}

TEST(set_returns_the_errno_and_keeps_the_first)
{
    AUTO_FAIL why = {0};
    assert_false(fail_is_set(&why));
    assert_int_equal(fail_set(&why, FAIL_EXISTS, "VM %s exists", "web"), -EEXIST);
    assert_int_equal(fail_set(&why, FAIL_INVALID, "second"), -EINVAL);
    assert_true(fail_is_set(&why));
    assert_int_equal(why.code, FAIL_EXISTS);
    assert_string_equal(why.message, "VM web exists");
}

TEST(null_is_accepted_everywhere)
{
    assert_false(fail_is_set(NULL));
    assert_int_equal(fail_set(NULL, FAIL_INVALID, "x"), -EINVAL);
    assert_int_equal(fail_errno(NULL, FAIL_INVALID, EIO, "x"), -EIO);
    fail_detail(NULL, "x");
    fail_hint(NULL, "x");
    fail_object(NULL, "x");
    fail_prefix(NULL, "x");
}

TEST(errno_of_either_sign)
{
    AUTO_FAIL plus = {0}, minus = {0}, none = {0};
    assert_int_equal(fail_errno(&plus, FAIL_STORE, ENOENT, "open"), -ENOENT);
    assert_int_equal(fail_errno(&minus, FAIL_STORE, -ENOENT, "open"), -ENOENT);
    assert_string_equal(plus.detail, "No such file or directory");
    assert_string_equal(minus.detail, plus.detail);
    assert_int_equal(fail_errno(&none, FAIL_STORE, 0, "open"), -EIO);
}

TEST(parts_only_on_a_set_fail)
{
    AUTO_FAIL why = {0};
    fail_detail(&why, "x");
    fail_hint(&why, "x");
    fail_object(&why, "x");
    fail_prefix(&why, "x");
    assert_true(!why.message && !why.detail && !why.hint && !why.object);
}

TEST(parts_may_be_made_of_themselves)
{
    AUTO_FAIL why = {0};
    fail_set(&why, FAIL_HOST, "no host is up.");
    fail_prefix(&why, "Cannot start VM %s: ", "web");
    fail_detail(&why, "one");
    fail_detail(&why, "%s and two", why.detail);
    fail_hint(&why, "try");
    fail_hint(&why, "%s again", why.hint);
    fail_object(&why, "id-1");
    fail_object(&why, why.object);
    assert_string_equal(why.message, "Cannot start VM web: no host is up.");
    assert_string_equal(why.detail, "one and two");
    assert_string_equal(why.hint, "try again");
    assert_string_equal(why.object, "id-1");
}

TEST(text_is_whole_sentences)
{
    AUTO_FAIL why = {0};
    fail_set(&why, FAIL_HOST, "The disk is gone");
    fail_detail(&why, "I/O error");
    fail_hint(&why, "Is it plugged in?");
    AUTO_FREE char *text = fail_text(&why);
    assert_string_equal(text, "The disk is gone. Cause: I/O error. Is it plugged in?");
    Fail none = {0};
    AUTO_FREE char *empty = fail_text(&none);
    assert_string_equal(empty, "");
}

TEST(move_and_copy)
{
    AUTO_FAIL from = {0}, copy = {0}, to = {0};
    fail_set(&from, FAIL_LOCKED, "locked");
    fail_detail(&from, "by a snapshot");
    fail_copy(&copy, &from);
    assert_ptr_not_equal(copy.message, from.message);
    assert_string_equal(copy.detail, "by a snapshot");
    assert_null(copy.hint);
    fail_set(&to, FAIL_INVALID, "replaced");
    fail_move(&to, &from);
    assert_int_equal(to.code, FAIL_LOCKED);
    assert_string_equal(to.message, "locked");
    assert_false(fail_is_set(&from));
    fail_move(&to, &to);
    assert_string_equal(to.message, "locked");
    fail_move(NULL, &to);
    assert_false(fail_is_set(&to));
    assert_null(to.message);
}
