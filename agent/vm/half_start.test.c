#include "agent/vm/half_start.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/test.h"

static void put(const char *folder, const char *file, const char *text)
{
    AUTO_FREE char *path = memory_format("%s/%s", folder, file);
    assert_int_equal(file_write_atomic(path, text, strlen(text), 0600), 0);
}

static void assert_file(const char *folder, const char *file, bool expected)
{
    AUTO_FREE char *path = memory_format("%s/%s", folder, file);
    assert_int_equal(file_exists(path), expected);
}

static void forget(const char *folder)
{
    AUTO_FAIL why = {0};
    assert_int_equal(half_starts_forget(folder, &why), 0);
    assert_false(fail_is_set(&why));
}

TEST(half_starts_go)
{
    AUTO_FREE char *folder = test_directory();
    put(folder, "vm1.xml",
        "<!--\nWARNING\n-->\n\n"
        "<domstatus state='paused' reason='starting up' pid='0'>\n"
        "  <domain type='qemu' id='3'><name>vm1</name></domain>\n</domstatus>\n");
    put(folder, "vm1.pid", "906");
    put(folder, "vm2.xml", "<domstatus state='paused' reason='starting up' pid='0'/>");
    forget(folder);
    assert_file(folder, "vm1.xml", false);
    assert_file(folder, "vm1.pid", false);
    assert_file(folder, "vm2.xml", false);
    assert_int_equal(rmdir(folder), 0); // nothing else is left
}

TEST(all_else_stays)
{
    static const char *const rows[][2] = {
        {"runs.xml", "<domstatus state='running' reason='booted' pid='906'/>"},
        {"runs.pid", "906"},
        {"starts.xml", "<domstatus state='paused' reason='starting up' pid='1044'/>"},
        {"nameless.xml", "<domain pid='0'/>"},
        {"torn.xml", "<domstatus state='paused' pid='0'>"},
        {"none.xml", "<domstatus/>"},
        {"empty.xml", ""},
        {".xml", "<domstatus pid='0'/>"},
        {"other", "<domstatus pid='0'/>"},
    };
    AUTO_FREE char *folder = test_directory();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        put(folder, rows[i][0], rows[i][1]);
    forget(folder);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_file(folder, rows[i][0], true);
    assert_int_equal(directory_remove(folder), 0);
}

TEST(what_goes_wrong_is_told)
{
    AUTO_FAIL why = {0};
    assert_int_equal(half_starts_forget("/nowhere/at/all", &why), 0);
    assert_int_not_equal(half_starts_forget("/dev/null", &why), 0);
    assert_non_null(strstr(why.message, "/dev/null"));
}
