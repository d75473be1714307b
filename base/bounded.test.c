#include "base/bounded.h"

#include <uv.h>

#include "base/test.h"

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
