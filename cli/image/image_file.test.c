#include "cli/image/image_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/test.h"
#include "cli/image/pieces.h"

static void put_big_endian(unsigned char *at, uint64_t number, int bytes)
{
    while (bytes--) {
        at[bytes] = (unsigned char)number;
        number >>= 8;
    }
}

// A sound header of version 3 for a disk of 10 GiB.
static void header_make(unsigned char header[QCOW2_HEADER_SIZE])
{
    memset(header, 0, QCOW2_HEADER_SIZE);
    memcpy(header, "QFI\xfb", 4);
    put_big_endian(header + 4, 3, 4);
    put_big_endian(header + 20, 16, 4);
    put_big_endian(header + 24, 10LL << 30, 8);
    put_big_endian(header + 96, 4, 4);
    put_big_endian(header + 100, 104, 4);
}

static void assert_header_bad(const unsigned char *header, size_t length, const char *wanted)
{
    AUTO_FAIL why = {0};
    int64_t size = -1;
    assert_int_not_equal(qcow2_header_parse(header, length, "x", &size, &why), 0);
    assert_int_equal(size, -1);
    assert_string_equal(why.message, wanted);
}

TEST(qcow2_virtual_size)
{
    unsigned char header[QCOW2_HEADER_SIZE];
    int64_t size;
    header_make(header);
    assert_int_equal(qcow2_header_parse(header, sizeof(header), "x", &size, NULL), 0);
    assert_int_equal(size, 10LL << 30);
    put_big_endian(header + 4, 2, 4); // version 2 ends earlier
    assert_int_equal(qcow2_header_parse(header, 72, "x", &size, NULL), 0);
    put_big_endian(header + 4, 3, 4);
    put_big_endian(header + 72, 0x18, 8); // compression type and extended L2: QEMU can read it
    assert_int_equal(qcow2_header_parse(header, sizeof(header), "x", &size, NULL), 0);
}

TEST(qcow2_that_cant_become_a_disk)
{
    static const struct {
        int at, bytes;
        uint64_t number;
        const char *wanted;
    } rows[] = {
        {0, 4, 0, "x is no qcow2 image."},
        {4, 4, 1, "x is no qcow2 image of version 2 or 3."},
        {4, 4, 4, "x is no qcow2 image of version 2 or 3."},
        {20, 4, 8, "x is no qcow2 image of version 2 or 3."},
        {20, 4, 22, "x is no qcow2 image of version 2 or 3."},
        {24, 8, 0, "x is no qcow2 image of version 2 or 3."},
        {24, 8, UINT64_MAX, "x is no qcow2 image of version 2 or 3."},
        {8, 8, 512, "x is only what differs from a backing file."},
        {32, 4, 1, "x is encrypted."},
        {72, 8, 1, "x was not closed in good order."},
        {72, 8, 2, "x is damaged."},
        {72, 8, 4, "x keeps its data in another file."},
        {72, 8, 1ULL << 40, "x uses features of qcow2 that are not known here."},
    };
    unsigned char header[QCOW2_HEADER_SIZE];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        header_make(header);
        put_big_endian(header + rows[i].at, rows[i].number, rows[i].bytes);
        assert_header_bad(header, sizeof(header), rows[i].wanted);
    }
    header_make(header);
    assert_header_bad(header, 71, "x is no qcow2 image.");
    assert_header_bad(header, 90, "x is no qcow2 image of version 2 or 3.");
    assert_header_bad(header, 0, "x is no qcow2 image.");
}

// Opens a file with this content.
static int open_content(const char *name, const void *data, size_t length, ImageFile *ret,
                        Fail *why)
{
    AUTO_FREE char *folder = test_directory();
    AUTO_FREE char *path = memory_format("%s/%s", folder, name);
    assert_int_equal(file_write_atomic(path, data, length, 0600), 0);
    int result = image_file_open(path, ret, why);
    assert_int_equal(directory_remove(folder), 0);
    return result;
}

TEST(raw_images_are_whole_sectors)
{
    AUTO_IMAGE_FILE file = {.fd = -1};
    assert_int_equal(open_content("a.img", "12345", 5, &file, NULL), 0);
    assert_false(file.qcow2);
    assert_false(file.iso);
    assert_int_equal(file.length, 5);
    assert_int_equal(file.virtual_size, 512);
}

TEST(an_iso_by_name_and_content)
{
    AUTO_FREE char *content = NEW_ARRAY(char, 65536);
    memcpy(content + 32769, "CD001", 5);
    AUTO_IMAGE_FILE iso = {.fd = -1}, raw = {.fd = -1};
    assert_int_equal(open_content("boot.ISO", content, 65536, &iso, NULL), 0);
    assert_true(iso.iso);
    assert_int_equal(open_content("boot.img", content, 65536, &raw, NULL), 0);
    assert_false(raw.iso); // a disk that can boot as a CD too
}

TEST(qcow2_files)
{
    unsigned char header[QCOW2_HEADER_SIZE];
    AUTO_IMAGE_FILE file = {.fd = -1};
    header_make(header);
    assert_int_equal(open_content("a", header, sizeof(header), &file, NULL), 0);
    assert_true(file.qcow2);
    assert_int_equal(file.virtual_size, 10LL << 30);
    assert_int_equal(file.length, QCOW2_HEADER_SIZE);
}

TEST(foreign_formats_are_named)
{
    static const struct {
        const char *content;
        size_t length;
        const char *name;
    } rows[] = {
        {"KDMV....", 8, "VMDK"},
        {"vhdxfile", 8, "VHDX"},
        {"\x1f\x8b\x08", 3, "gzip"},
        {"\xfd"
         "7zXZ",
         5, "xz"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FAIL why = {0};
        AUTO_IMAGE_FILE file = {.fd = -1};
        AUTO_FREE char *wanted = memory_format("is a %s file", rows[i].name);
        assert_int_not_equal(open_content("x", rows[i].content, rows[i].length, &file, &why), 0);
        assert_non_null(strstr(why.message, wanted));
    }
}

TEST(what_is_no_image)
{
    AUTO_FAIL empty = {0}, missing = {0}, folder = {0};
    AUTO_IMAGE_FILE file = {.fd = -1};
    assert_int_not_equal(open_content("x", "", 0, &file, &empty), 0);
    assert_non_null(strstr(empty.message, "is no image: it is empty."));
    assert_int_not_equal(image_file_open("/no/such/file", &file, &missing), 0);
    assert_int_equal(missing.code, FAIL_NOT_FOUND);
    assert_int_not_equal(image_file_open("/tmp", &file, &folder), 0);
    assert_non_null(strstr(folder.message, "it is no file."));
}

// ---- pieces

TEST(ranges_are_cut)
{
    AUTO_PIECES pieces = {0};
    pieces_add(&pieces, 100, 2LL * PIECE_MAX + 5, false);
    assert_int_equal(pieces.count, 3);
    assert_int_equal(pieces.items[0].offset, 100);
    assert_int_equal(pieces.items[2].offset, 100 + 2LL * PIECE_MAX);
    assert_int_equal(pieces.items[2].length, 5);
    assert_int_equal(pieces.data, 2LL * PIECE_MAX + 5);
    pieces_add(&pieces, 0, 0, false);
    pieces_add(&pieces, 0, ZERO_PIECE_MAX, true);
    assert_int_equal(pieces.count, 4);
    assert_int_equal(pieces.data, 2LL * PIECE_MAX + 5);
}

TEST(holes_of_a_file)
{
    AUTO_FREE char *folder = test_directory();
    AUTO_FREE char *path = memory_format("%s/sparse", folder);
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    AUTO_PIECES pieces = {0};
    char block[4096];
    memset(block, 'x', sizeof(block));
    assert_int_equal(ftruncate(fd, 10 << 20), 0);
    assert_int_equal(pwrite(fd, block, sizeof(block), 4 << 20), sizeof(block));
    assert_int_equal(pieces_of_file(fd, 10 << 20, &pieces), 0);
    int64_t at = 0, data = 0;
    for (size_t i = 0; i < pieces.count; i++) { // no gap, nothing twice
        assert_int_equal(pieces.items[i].offset, at);
        at += pieces.items[i].length;
        data += pieces.items[i].zero ? 0 : pieces.items[i].length;
    }
    assert_int_equal(at, 10 << 20);
    assert_int_equal(data, pieces.data);
    assert_true(data >= 4096);
    assert_int_equal(directory_remove(folder), 0);
}

static bool extents(const char *text, Pieces *pieces, int64_t *size)
{
    AUTO_ARENA arena;
    arena_init(&arena, 1024);
    return pieces_of_extents(json_parse(&arena, text, strlen(text), NULL, NULL), pieces, size);
}

TEST(extents_of_an_image)
{
    AUTO_PIECES pieces = {0};
    int64_t size = 0;
    assert_true(extents("[{\"start\": 0, \"length\": 65536, \"zero\": false, \"hole\": false},"
                        " {\"start\": 65536, \"length\": 1048576, \"zero\": true, \"hole\": true}]",
                        &pieces, &size));
    assert_int_equal(size, 65536 + 1048576);
    assert_int_equal(pieces.count, 2);
    assert_true(pieces.items[1].zero);
    assert_int_equal(pieces.data, 65536);
}

TEST(malformed_extents)
{
    static const char *const bad[] = {
        "{}",
        "[{\"start\": 1, \"length\": 5}]",
        "[{\"start\": 0, \"length\": 0}]",
        "[{\"start\": 0, \"length\": -5}]",
        "[{\"start\": 0, \"length\": 5}, {\"start\": 4, \"length\": 5}]",
        "[{\"start\": 0, \"length\": 5}, {\"start\": 5, \"length\": 9223372036854775807}]",
        "[5]",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO_PIECES pieces = {0};
        int64_t size;
        assert_false(extents(bad[i], &pieces, &size));
    }
}
