#include "agent/storage/qemu_image.h"

#include <string.h>

#include "agent/storage/bounded.h"
#include "base/test.h"

static int parse(const char *text)
{
    return qemu_progress_parse(text, strlen(text));
}

TEST(progress_is_understood)
{
    assert_int_equal(parse("    (0.00/100%)\r"), 0);
    assert_int_equal(parse("    (12.50/100%)\r"), 12);
    assert_int_equal(parse("    (12.50/100%)\r    (99.99/100%)\r"), 99);
    assert_int_equal(parse("    (100.00/100%)\r\n"), 100);
    assert_int_equal(parse("    (12.50/100%)\r    (1"), 12);
    assert_int_equal(parse("(101.0/100%)"), -1);
    assert_int_equal(parse("(99999999999999999999/100%)"), -1);
    assert_int_equal(parse("(x"), -1);
    assert_int_equal(parse("("), -1);
    assert_int_equal(parse(""), -1);
}

typedef struct Slow {
    uv_sem_t go, gone;
    bool ran;
} Slow;

static void slow_run(void *argument)
{
    Slow *slow = argument;
    uv_sem_wait(&slow->go);
    slow->ran = true;
}

static void slow_gone(void *argument)
{
    Slow *slow = argument;
    uv_sem_post(&slow->gone);
}

TEST(what_hangs_is_left_behind)
{
    Slow slow = {0};
    uv_sem_init(&slow.go, 0);
    uv_sem_init(&slow.gone, 0);
    assert_int_equal(bounded_call(slow_run, slow_gone, &slow, 20), UV_ETIMEDOUT);
    assert_false(slow.ran);
    uv_sem_post(&slow.go);
    uv_sem_wait(&slow.gone);
    assert_true(slow.ran);
    slow.ran = false;
    uv_sem_post(&slow.go);
    assert_int_equal(bounded_call(slow_run, slow_gone, &slow, 60000), 0);
    assert_true(slow.ran);
    uv_sem_destroy(&slow.go);
    uv_sem_destroy(&slow.gone);
}
