#include "cli/image/image_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ISO_MAGIC_OFFSET = 32769,
    QCOW2_VERSION_AT = 4,
    QCOW2_BACKING_AT = 8,
    QCOW2_CLUSTER_BITS_AT = 20,
    QCOW2_SIZE_AT = 24,
    QCOW2_CRYPT_AT = 32,
    QCOW2_FEATURES_AT = 72, // from version 3 on
    QCOW2_MIN = 72,         // bytes of a version 2 header
};

// Formats that would make a disk no guest can read.
static const struct {
    const char *magic;
    size_t length;
    int offset;
    const char *name;
} foreign_rows[] = {
    {"KDMV", 4, 0, "VMDK"},
    {"COWD", 4, 0, "VMDK"},
    {"# Disk DescriptorFile", 21, 0, "VMDK"},
    {"vhdxfile", 8, 0, "VHDX"},
    {"conectix", 8, 0, "VHD"},
    {"\x7f\x10\xda\xbe", 4, 64, "VDI"},
    {"QED\0", 4, 0, "QED"},
    {"LUKS\xba\xbe", 6, 0, "LUKS"},
    {"\x1f\x8b", 2, 0, "gzip"},
    {"\xfd"
     "7zXZ",
     5, 0, "xz"},
    {"\x28\xb5\x2f\xfd", 4, 0, "zstd"},
    {"BZh", 3, 0, "bzip2"},
};

static uint64_t big_endian(const unsigned char *at, int bytes)
{
    uint64_t number = 0;
    while (bytes--)
        number = number << 8 | *at++;
    return number;
}

bool qcow2_magic(const unsigned char *header, size_t length)
{
    return length >= 4 && !memcmp(header, "QFI\xfb", 4);
}

static int qcow2_check_features(uint64_t features, const char *what, Fail *why)
{
    static const struct {
        uint64_t bit;
        const char *text, *hint;
    } rows[] = {
        {1, "was not closed in good order", "Repair it with qemu-img check -r all"},
        {2, "is damaged", "Repair it with qemu-img check -r all"},
        {4, "keeps its data in another file",
         "Make one file of both with qemu-img convert -O qcow2"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (features & rows[i].bit) {
            fail_set(why, FAIL_INVALID, "%s %s.", what, rows[i].text);
            fail_hint(why, "%s", rows[i].hint);
            return -EINVAL;
        }
    if (features & ~(uint64_t)0x1f)
        return fail_set(why, FAIL_INVALID, "%s uses features of qcow2 that are not known here.",
                        what);
    return 0;
}

int qcow2_header_parse(const unsigned char *header, size_t length, const char *what,
                       int64_t *ret_virtual_size, Fail *why)
{
    if (length < QCOW2_MIN || !qcow2_magic(header, length))
        return fail_set(why, FAIL_INVALID, "%s is no qcow2 image.", what);
    uint64_t version = big_endian(header + QCOW2_VERSION_AT, 4);
    uint64_t bits = big_endian(header + QCOW2_CLUSTER_BITS_AT, 4);
    uint64_t size = big_endian(header + QCOW2_SIZE_AT, 8);
    bool whole = version == 2 || length >= QCOW2_HEADER_SIZE;
    if (version < 2 || version > 3 || bits < 9 || bits > 21 || !size || size > INT64_MAX / 2 ||
        !whole)
        return fail_set(why, FAIL_INVALID, "%s is no qcow2 image of version 2 or 3.", what);
    if (big_endian(header + QCOW2_CRYPT_AT, 4))
        return fail_set(why, FAIL_INVALID, "%s is encrypted.", what);
    if (big_endian(header + QCOW2_BACKING_AT, 8)) {
        fail_set(why, FAIL_INVALID, "%s is only what differs from a backing file.", what);
        fail_hint(why, "Make it whole with qemu-img convert -O qcow2");
        return -EINVAL;
    }
    int result = version < 3
                     ? 0
                     : qcow2_check_features(big_endian(header + QCOW2_FEATURES_AT, 8), what, why);
    if (!result)
        *ret_virtual_size = (int64_t)size;
    return result;
}

static int foreign_check(const unsigned char *head, size_t length, const char *path, Fail *why)
{
    for (size_t i = 0; i < COUNT_OF(foreign_rows); i++) {
        size_t offset = (size_t)foreign_rows[i].offset;
        if (length < offset + foreign_rows[i].length ||
            memcmp(head + offset, foreign_rows[i].magic, foreign_rows[i].length))
            continue;
        fail_set(why, FAIL_INVALID, "%s is a %s file; disks are made of raw, qcow2 and ISO images.",
                 path, foreign_rows[i].name);
        fail_hint(why, "Unpack it, or convert it with qemu-img convert -O qcow2");
        return -EINVAL;
    }
    return 0;
}

static bool iso_magic(int fd, const char *path)
{
    char magic[5];
    size_t length = strlen(path);
    bool named = length > 4 && !strcasecmp(path + length - 4, ".iso");
    return named && pread(fd, magic, sizeof(magic), ISO_MAGIC_OFFSET) == sizeof(magic) &&
           !memcmp(magic, "CD001", sizeof(magic));
}

static int image_file_look(const char *path, ImageFile *file, Fail *why)
{
    unsigned char head[512] = {0};
    ssize_t got = pread(file->fd, head, sizeof(head), 0);
    if (got < 0)
        return fail_errno(why, FAIL_INVALID, errno, "%s can't be read", path);
    file->qcow2 = qcow2_magic(head, (size_t)got);
    if (file->qcow2)
        return qcow2_header_parse(head, (size_t)got, path, &file->virtual_size, why);
    int result = foreign_check(head, (size_t)got, path, why);
    file->iso = iso_magic(file->fd, path);
    file->virtual_size = (file->length + IMAGE_SECTOR - 1) / IMAGE_SECTOR * IMAGE_SECTOR;
    return result;
}

int image_file_open(const char *path, ImageFile *ret, Fail *why)
{
    struct stat info;
    ImageFile file = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (file.fd < 0)
        return fail_errno(why, errno == ENOENT ? FAIL_NOT_FOUND : FAIL_INVALID, errno,
                          "%s can't be opened", path);
    int result = 0;
    // Devices have no size in stat().
    file.length =
        fstat(file.fd, &info) == 0 && !S_ISDIR(info.st_mode) ? lseek(file.fd, 0, SEEK_END) : -1;
    if (file.length <= 0)
        result = fail_set(why, FAIL_INVALID, "%s is no image: it is %s.", path,
                          file.length ? "no file" : "empty");
    if (!result)
        result = image_file_look(path, &file, why);
    if (result)
        close(file.fd);
    else
        *ret = file;
    return result;
}

void image_file_close(ImageFile *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}
