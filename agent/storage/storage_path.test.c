#include "agent/storage/storage_path.h"

#include <string.h>

#include "agent/storage/mount_table.h"
#include "agent/storage/qcow2_header.h"
#include "base/test.h"

TEST(paths_become_normal)
{
    static const char *const rows[][2] = {
        {"/a/b", "/a/b"},
        {"/a//b/", "/a/b"},
        {"//a", "/a"},
        {"/a/./b/../c", "/a/c"},
        {"/..", "/"},
        {"/", "/"},
        {"server:/exp/a_b/", "server:/exp/a_b"},
        {"server://exp", "server:/exp"},
        {"server:/", "server:/"},
        {"10.0.0.1:6789:/ceph//x/", "10.0.0.1:6789:/ceph/x"},
        {"[fd00::1]:/exp/", "[fd00::1]:/exp"},
        {"LABEL=x", "LABEL=x"},
        {"a/../../b", "../b"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *normal = path_normalize(rows[i][0]);
        assert_string_equal(normal, rows[i][1]);
    }
}

TEST(paths_become_names)
{
    AUTO_FREE char *remote = path_escape("srv:/exp/a_b"), *local = path_escape("/data/images");
    assert_string_equal(remote, "srv:_exp_a__b");
    assert_string_equal(local, "_data_images");
}

TEST(mounts_are_found_exactly)
{
    static const char table[] = "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
                                "36 22 0:31 / /rhev/data-center/mnt/srv:_exp rw - nfs srv:/exp rw\n"
                                "37 22 0:32 / /with\\040blank\\134x rw - tmpfs tmpfs rw\n";
    assert_true(mount_table_has(table, "/"));
    assert_true(mount_table_has(table, "/rhev/data-center/mnt/srv:_exp"));
    assert_true(mount_table_has(table, "/with blank\\x"));
    assert_false(mount_table_has(table, "/rhev/data-center/mnt/srv:_ex"));
    assert_false(mount_table_has(table, "/rhev/data-center/mnt/srv:_exp1"));
    assert_false(mount_table_has(table, "/dev/vda"));
    assert_false(mount_table_has("", "/"));
    assert_false(mount_table_has("22 1", "22"));
    assert_true(mount_is_target("/proc"));
    assert_false(mount_is_target("/proc/self"));
}

static void put(unsigned char *at, uint64_t value, int bytes)
{
    while (bytes--) {
        at[bytes] = (unsigned char)value;
        value >>= 8;
    }
}

TEST(qcow2_header_is_read)
{
    unsigned char data[512] = "QFI\xfb";
    Qcow2Header header;
    put(data + 4, 3, 4);
    put(data + 8, 200, 8);
    put(data + 16, 6, 4);
    put(data + 20, 16, 4);
    put(data + 24, 1 << 30, 8);
    memcpy(data + 200, "parent", 6);
    assert_true(qcow2_header_parse(data, sizeof(data), &header));
    assert_int_equal(header.virtual_size, 1 << 30);
    assert_int_equal(header.version, 3);
    assert_string_equal(header.backing, "parent");
    put(data + 8, UINT64_MAX, 8); // beyond all bounds
    assert_true(qcow2_header_parse(data, sizeof(data), &header));
    assert_string_equal(header.backing, "");
    put(data + 24, UINT64_MAX, 8);
    assert_false(qcow2_header_parse(data, sizeof(data), &header));
    put(data + 24, 512, 8);
    put(data + 4, 1, 4);
    assert_false(qcow2_header_parse(data, sizeof(data), &header));
    put(data + 4, 2, 4);
    assert_false(qcow2_header_parse(data, 71, &header));
    put(data + 20, 8, 4); // clusters of 256 bytes
    assert_false(qcow2_header_parse(data, sizeof(data), &header));
    put(data + 20, 22, 4);
    assert_false(qcow2_header_parse(data, sizeof(data), &header));
    put(data + 20, 16, 4);
    assert_true(qcow2_header_parse(data, sizeof(data), &header));
    data[0] = 'q';
    assert_false(qcow2_header_parse(data, sizeof(data), &header));
}
