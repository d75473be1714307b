#include "base/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static char *at(const char *directory, const char *name)
{
    return memory_format("%s/%s", directory, name);
}

TEST(written_is_read)
{
    AUTO_FREE char *directory = test_directory();
    AUTO_FREE char *path = at(directory, "a");
    AUTO_FREE char *back = NULL;
    size_t length = 0;
    assert_int_equal(file_write_atomic(path, "one\0two", 7, 0640), 0);
    assert_int_equal(file_read(path, 7, &back, &length), 0);
    assert_int_equal(length, 7);
    assert_memory_equal(back, "one\0two", 8);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0640);
    assert_int_equal(directory_remove(directory), 0);
}

TEST(write_replaces_whole_and_leaves_nothing_beside)
{
    AUTO_FREE char *directory = test_directory();
    AUTO_FREE char *path = at(directory, "a");
    AUTO_FREE char *fresh = at(directory, "a.new");
    AUTO_FREE char *back = NULL;
    assert_int_equal(file_write_atomic(path, "a long content", 14, 0600), 0);
    assert_int_equal(file_write_atomic(path, "", 0, 0600), 0);
    assert_int_equal(file_read(path, 0, &back, NULL), 0);
    assert_string_equal(back, "");
    assert_false(file_exists(fresh));
    assert_int_equal(directory_remove(directory), 0);
}

TEST(unfinished_writes_are_dropped)
{
    AUTO_FREE char *directory = test_directory();
    AUTO_FREE char *kept = at(directory, "a");
    AUTO_FREE char *half = at(directory, "b.new");
    AUTO_FREE char *other = at(directory, "new");
    assert_int_equal(file_write_atomic(kept, "a", 1, 0600), 0);
    assert_int_equal(file_write_atomic(half, "b", 1, 0600), 0);
    assert_int_equal(file_write_atomic(other, "c", 1, 0600), 0);
    directory_drop_unfinished(directory);
    assert_true(file_exists(kept));
    assert_false(file_exists(half));
    assert_true(file_exists(other));
    directory_drop_unfinished(half); // no such directory
    assert_int_equal(directory_remove(directory), 0);
}

TEST(failed_write_keeps_the_old)
{
    AUTO_FREE char *directory = test_directory();
    AUTO_FREE char *path = at(directory, "a");
    AUTO_FREE char *fresh = at(directory, "a.new");
    AUTO_FREE char *back = NULL;
    assert_int_equal(file_write_atomic(path, "old", 3, 0600), 0);
    assert_int_equal(symlink("/dev/null", fresh), 0); // a trap that must not be followed
    assert_int_equal(file_write_atomic(path, "new", 3, 0600), -ELOOP);
    assert_int_equal(file_read(path, 100, &back, NULL), 0);
    assert_string_equal(back, "old");
    AUTO_FREE char *missing = at(directory, "none/a");
    assert_int_equal(file_write_atomic(missing, "x", 1, 0600), -ENOENT);
    assert_int_equal(directory_remove(directory), 0);
}

TEST(read_is_limited)
{
    AUTO_FREE char *directory = test_directory();
    AUTO_FREE char *path = at(directory, "a");
    AUTO_FREE char *big = test_repeat("x", 40000);
    AUTO_FREE char *back = NULL;
    size_t length = 5;
    assert_int_equal(file_write_atomic(path, big, 40000, 0600), 0);
    assert_int_equal(file_read(path, 39999, &back, &length), -EFBIG);
    assert_null(back);
    assert_int_equal(length, 5);
    assert_int_equal(file_read(path, 40000, &back, &length), 0);
    assert_int_equal(length, 40000);
    assert_int_equal(directory_remove(directory), 0);
}

TEST(read_of_no_file)
{
    char *back = NULL;
    AUTO_FREE char *directory = test_directory();
    AUTO_FREE char *path = at(directory, "a");
    assert_int_equal(file_read(path, 10, &back, NULL), -ENOENT);
    assert_int_equal(file_read(directory, 10, &back, NULL), -EISDIR);
    assert_null(back);
    assert_false(file_exists(path));
    assert_true(file_exists(directory));
    assert_int_equal(directory_sync(directory), 0);
    assert_int_equal(directory_sync(path), -ENOENT);
    assert_int_equal(directory_remove(directory), 0);
}

TEST(directories_are_made_and_removed)
{
    AUTO_FREE char *directory = test_directory();
    AUTO_FREE char *deep = at(directory, "a/b//c/");
    AUTO_FREE char *file = at(directory, "a/file");
    AUTO_FREE char *under = at(directory, "a/file/x");
    assert_int_equal(directory_make(deep, 0700), 0);
    assert_int_equal(directory_make(deep, 0700), 0);
    assert_int_equal(file_write_atomic(file, "", 0, 0600), 0);
    assert_int_equal(directory_make(file, 0700), -ENOTDIR);
    assert_int_equal(directory_make(under, 0700), -ENOTDIR);
    assert_int_equal(directory_make("", 0700), -ENOENT);
    assert_int_equal(directory_make("/", 0700), 0);
    assert_int_equal(directory_remove(directory), 0);
    assert_int_equal(directory_remove(directory), 0); // missing already
    assert_false(file_exists(directory));
}

TEST(removal_does_not_follow_links)
{
    AUTO_FREE char *victim = test_directory();
    AUTO_FREE char *directory = test_directory();
    AUTO_FREE char *kept = at(victim, "kept");
    AUTO_FREE char *link = at(directory, "link");
    assert_int_equal(file_write_atomic(kept, "x", 1, 0600), 0);
    assert_int_equal(symlink(victim, link), 0);
    assert_true(directory_remove(link) < 0);
    assert_int_equal(directory_remove(directory), 0);
    assert_true(file_exists(kept));
    assert_int_equal(directory_remove(kept), -ENOTDIR);
    assert_int_equal(directory_remove(victim), 0);
}

TEST(full_directories_are_removed)
{
    AUTO_FREE char *directory = test_directory();
    for (int i = 0; i < 3000; i++) {
        AUTO_FREE char *path = memory_format("%s/%d-with-a-longer-name", directory, i);
        assert_int_equal(i % 100 ? symlink("nowhere", path) : mkdir(path, 0700), 0);
    }
    assert_int_equal(directory_remove(directory), 0);
    assert_false(file_exists(directory));
}

TEST(write_all_to_a_pipe)
{
    int ends[2];
    char back[4] = "";
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fd_write_all(ends[1], "abc", 3), 0);
    assert_int_equal(read(ends[0], back, 4), 3);
    assert_string_equal(back, "abc");
    assert_int_equal(fd_write_all(ends[0], "abc", 3), -EBADF);
    close(ends[0]);
    close(ends[1]);
}
