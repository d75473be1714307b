#include "agent/storage/storage_work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/test.h"

typedef struct Rig {
    StorageLocks locks;
    WorkQueue queue;
} Rig;

static void rig_init(Rig *rig)
{
    storage_locks_init(&rig->locks);
    work_queue_init(&rig->queue, &rig->locks);
}

static void rig_done(Rig *rig)
{
    assert_true(work_queue_done(&rig->queue));
    storage_locks_done(&rig->locks);
}

typedef struct Piece {
    Work work;
    atomic_int *running, *peak, *ended;
    atomic_bool *go; // runs until this is set
} Piece;

static void piece_run(Work *work)
{
    Piece *piece = CONTAINER(work, Piece, work);
    int now = atomic_fetch_add(piece->running, 1) + 1, peak = atomic_load(piece->peak);
    while (now > peak && !atomic_compare_exchange_weak(piece->peak, &peak, now))
        ;
    while (!atomic_load(piece->go) && !atomic_load(&work->stop))
        usleep(1000);
    atomic_fetch_sub(piece->running, 1);
}

static void piece_ended(Work *work)
{
    Piece *piece = CONTAINER(work, Piece, work);
    atomic_fetch_add(piece->ended, 1);
    free(piece);
}

typedef struct Counts {
    atomic_int running, peak, ended;
    atomic_bool go;
} Counts;

static Piece *piece_add(Rig *rig, Counts *counts, const char *domain, const char *image,
                        bool exclusive)
{
    Piece *piece = NEW(Piece);
    piece->running = &counts->running;
    piece->peak = &counts->peak;
    piece->ended = &counts->ended;
    piece->go = &counts->go;
    piece->work.run = piece_run;
    piece->work.ended = piece_ended;
    piece->work.what = memory_string("a piece");
    snprintf(piece->work.domain, UUID_SIZE, "%s", domain);
    lock_set_image(&piece->work.locks, exclusive, domain, image);
    assert_int_equal(work_add(&rig->queue, &piece->work), 0);
    return piece;
}

static void wait_for(atomic_int *number, int wanted)
{
    while (atomic_load(number) != wanted)
        usleep(1000);
}

TEST(one_image_is_worked_on_by_one)
{
    Rig rig;
    Counts counts = {0};
    rig_init(&rig);
    atomic_store(&counts.go, true);
    for (int i = 0; i < 20; i++)
        piece_add(&rig, &counts, "d", "i", true);
    wait_for(&counts.ended, 20);
    assert_int_equal(counts.peak, 1);
    rig_done(&rig);
}

TEST(readers_go_together)
{
    Rig rig;
    Counts counts = {0};
    rig_init(&rig);
    for (int i = 0; i < 4; i++)
        piece_add(&rig, &counts, "d", "i", false);
    wait_for(&counts.running, 4);
    piece_add(&rig, &counts, "d", "i", true);  // waits for them
    piece_add(&rig, &counts, "d", "i", false); // and this for that one
    usleep(20000);
    assert_int_equal(counts.running, 4);
    atomic_store(&counts.go, true);
    wait_for(&counts.ended, 6);
    assert_int_equal(counts.peak, 4);
    rig_done(&rig);
}

TEST(one_domain_does_not_take_all)
{
    Rig rig;
    Counts slow = {0}, other = {0};
    char image[8];
    rig_init(&rig);
    for (int i = 0; i < WORK_RUNNING_MAX * 2; i++) {
        snprintf(image, sizeof(image), "%d", i);
        piece_add(&rig, &slow, "hung", image, true);
    }
    wait_for(&slow.running, WORK_RUNNING_PER_DOMAIN_MAX);
    atomic_store(&other.go, true);
    piece_add(&rig, &other, "fine", "i", true);
    wait_for(&other.ended, 1);
    assert_int_equal(slow.running, WORK_RUNNING_PER_DOMAIN_MAX);
    atomic_store(&slow.go, true);
    wait_for(&slow.ended, WORK_RUNNING_MAX * 2);
    assert_int_equal(slow.peak, WORK_RUNNING_PER_DOMAIN_MAX);
    rig_done(&rig);
}

TEST(waiting_work_can_be_cancelled)
{
    Rig rig;
    Counts counts = {0};
    rig_init(&rig);
    Piece *first = piece_add(&rig, &counts, "d", "i", true);
    wait_for(&counts.running, 1);
    Piece *second = piece_add(&rig, &counts, "d", "i", true);
    assert_true(work_cancel(&rig.queue, &second->work));
    assert_int_equal(counts.ended, 1);
    assert_false(work_cancel(&rig.queue, &first->work)); // runs: is asked to stop
    wait_for(&counts.ended, 2);
    rig_done(&rig);
}

TEST(the_end_stops_and_drops)
{
    Rig rig;
    Counts counts = {0};
    rig_init(&rig);
    for (int i = 0; i < 3; i++)
        piece_add(&rig, &counts, "d", "i", true);
    wait_for(&counts.running, 1);
    rig_done(&rig);
    assert_int_equal(counts.ended, 3);
    assert_int_equal(counts.peak, 1);
}

TEST(there_is_a_limit)
{
    Rig rig;
    Counts counts = {0};
    rig_init(&rig);
    for (int i = 0; i < WORK_WAITING_MAX + 1; i++)
        piece_add(&rig, &counts, "d", "i", true);
    Work more = {.what = NULL};
    lock_set_image(&more.locks, true, "d", "i");
    assert_int_equal(work_add(&rig.queue, &more), -EAGAIN);
    rig_done(&rig);
    assert_int_equal(counts.ended, WORK_WAITING_MAX + 1);
}

TEST(who_waits_too_long_is_told_for_what)
{
    Rig rig;
    AUTO_FAIL why = {0};
    LockSet set = {0}, other = {0};
    LockHolder *holder, *second = NULL;
    rig_init(&rig);
    lock_set_image(&set, true, "D", "I");
    lock_set_image(&other, false, "d", "i"); // letters' case does not count
    assert_int_equal(storage_lock(&rig.locks, &set, "creation of volume X", 0, &holder, &why), 0);
    assert_int_equal(storage_lock(&rig.locks, &other, "look", 50, &second, &why),
                     VDSM_RESOURCE_TIMEOUT);
    assert_null(second);
    assert_non_null(strstr(why.message, "creation of volume X"));
    storage_unlock(&rig.locks, holder);
    assert_int_equal(storage_lock(&rig.locks, &other, "look", 50, &second, NULL), 0);
    storage_unlock(&rig.locks, second);
    rig_done(&rig);
}

static void unlock_later(void *argument)
{
    void **pair = argument;
    usleep(30000);
    storage_unlock(pair[0], pair[1]);
}

TEST(waiting_ends_with_the_lock)
{
    Rig rig;
    LockSet set = {0};
    LockHolder *holder, *second;
    uv_thread_t thread;
    rig_init(&rig);
    lock_set_domain(&set, true, "d");
    assert_int_equal(storage_lock(&rig.locks, &set, "first", 0, &holder, NULL), 0);
    void *pair[] = {&rig.locks, holder};
    uv_thread_create(&thread, unlock_later, pair);
    assert_int_equal(storage_lock(&rig.locks, &set, "second", 60000, &second, NULL), 0);
    uv_thread_join(&thread);
    storage_unlock(&rig.locks, second);
    rig_done(&rig);
}

TEST(sets_merge)
{
    LockSet set = {0}, other = {0};
    lock_set_domain(&set, false, "d");
    lock_set_image(&set, false, "d", "i");
    lock_set_image(&set, true, "d", "i");
    lock_set_image(&set, false, "d", "i");
    assert_int_equal(set.count, 2);
    assert_true(set.items[1].exclusive);
    lock_set_domain(&other, false, "d");
    assert_false(lock_set_conflict(&set, &other));
    lock_set_image(&other, false, "d", "i");
    assert_true(lock_set_conflict(&set, &other));
}
