// The bytes below were taken from files that sanlock 3.8.5 formatted.
#include "agent/storage/lease_format.h"

#include <stdlib.h>
#include <string.h>

#include "agent/storage/crc32c.h"
#include "base/test.h"

#define SPACE "5a8c4f3a-0000-4000-8000-00000000d001"

static const struct {
    int sector;
    int64_t alignment;
    int hosts;
    unsigned char flag;
    unsigned char lockspace_checksum[4], resource_checksum[4];
} golden[] = {
    {512, 1 << 20, 2000, 0x10, {0xe3, 0x7c, 0xa4, 0x2d}, {0x85, 0x01, 0xda, 0x1d}},
    {4096, 1 << 20, 250, 0x10, {0x3c, 0x8c, 0x8d, 0x4d}, {0x42, 0x85, 0xa1, 0xa7}},
    {4096, 2 << 20, 500, 0x20, {0x6e, 0x76, 0x3c, 0x92}, {0xa5, 0xeb, 0x07, 0xe4}},
    {4096, 4 << 20, 1000, 0x40, {0x3b, 0xf4, 0xb3, 0x28}, {0x6b, 0x36, 0x4b, 0x63}},
    {4096, 8 << 20, 2000, 0x80, {0x60, 0x86, 0x40, 0x58}, {0x06, 0xfb, 0x3e, 0x68}},
};

TEST(crc_is_castagnoli)
{
    // The check value of the standard, which inverts at both ends.
    assert_int_equal(~crc32c(0xffffffff, "123456789", 9), 0xe3069283);
}

static void expect_leader(const unsigned char *at, size_t row, bool resource, const char *name)
{
    unsigned char wanted[200] = {0};
    static const unsigned char lockspace[] = {0x10, 0x20, 0x21, 0x12, 4, 0, 3, 0};
    static const unsigned char paxos[] = {0x10, 0x20, 0x15, 0x06, 4, 0, 6, 0};
    memcpy(wanted, resource ? paxos : lockspace, 8);
    wanted[8] = golden[row].flag;
    wanted[12] = (unsigned char)(golden[row].sector & 255);
    wanted[13] = (unsigned char)(golden[row].sector >> 8);
    int hosts = resource ? golden[row].hosts : 0, maximum = resource ? hosts : 1;
    wanted[16] = (unsigned char)(hosts & 255);
    wanted[17] = (unsigned char)(hosts >> 8);
    wanted[24] = (unsigned char)(maximum & 255);
    wanted[25] = (unsigned char)(maximum >> 8);
    memcpy(wanted + 56, SPACE, strlen(SPACE));
    memcpy(wanted + 104, name, strlen(name));
    memcpy(wanted + 168, resource ? golden[row].resource_checksum : golden[row].lockspace_checksum,
           4);
    wanted[174] = resource ? 0 : 10;
    assert_memory_equal(at, wanted, sizeof(wanted));
}

static void expect_zeros(const unsigned char *at, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (at[i])
            fail_msg("byte %zu of %zu is %d", i, length, at[i]);
}

TEST(lockspace_has_the_bytes_of_sanlock)
{
    for (size_t row = 0; row < COUNT_OF(golden); row++) {
        LeaseGeometry geometry;
        size_t size = (size_t)golden[row].alignment, sector = (size_t)golden[row].sector;
        assert_true(lease_geometry(golden[row].sector, golden[row].hosts, &geometry));
        assert_int_equal(geometry.alignment, golden[row].alignment);
        AUTO_FREE unsigned char *area = memory_new(size, 1);
        memset(area, 0xee, size);
        lease_format_lockspace(area, &geometry, SPACE);
        for (int host = 0; host < golden[row].hosts; host++) {
            expect_leader(area + (size_t)host * sector, row, false, "");
            expect_zeros(area + (size_t)host * sector + 200, sector - 200);
        }
        size_t used = (size_t)golden[row].hosts * sector;
        expect_zeros(area + used, size - used);
    }
}

TEST(resource_has_the_bytes_of_sanlock)
{
    for (size_t row = 0; row < COUNT_OF(golden); row++) {
        static const unsigned char request[] = {0x11, 0x20, 0x29, 0x08, 1, 0, 1, 0};
        LeaseGeometry geometry;
        size_t size = (size_t)golden[row].alignment, sector = (size_t)golden[row].sector;
        assert_true(lease_geometry_of(golden[row].sector, golden[row].alignment, &geometry));
        AUTO_FREE unsigned char *area = memory_new(size, 1);
        memset(area, 0xee, size);
        lease_format_resource(area, &geometry, SPACE, "SDM");
        expect_leader(area, row, true, "SDM");
        expect_zeros(area + 200, sector - 200);
        assert_memory_equal(area + sector, request, sizeof(request));
        expect_zeros(area + sector + sizeof(request), size - sector - sizeof(request));
    }
}

TEST(geometry_follows_the_hosts)
{
    LeaseGeometry geometry;
    assert_true(lease_geometry(4096, 1, &geometry));
    assert_int_equal(geometry.alignment, 1 << 20);
    assert_true(lease_geometry(4096, 251, &geometry));
    assert_int_equal(geometry.alignment, 2 << 20);
    assert_true(lease_geometry(4096, 1001, &geometry));
    assert_int_equal(geometry.alignment, 8 << 20);
    assert_true(lease_geometry(512, 2000, &geometry));
    assert_int_equal(geometry.alignment, 1 << 20);
    assert_false(lease_geometry(512, 2001, &geometry));
    assert_false(lease_geometry(512, 0, &geometry));
    assert_false(lease_geometry(1024, 10, &geometry));
    assert_false(lease_geometry_of(512, 2 << 20, &geometry));
}

TEST(leader_is_read_back)
{
    LeaseGeometry geometry;
    LeaseLeader leader;
    assert_true(lease_geometry(512, 250, &geometry));
    AUTO_FREE unsigned char *area = memory_new((size_t)geometry.alignment, 1);
    lease_format_resource(area, &geometry, SPACE, "SDM");
    assert_true(lease_parse_leader(area, 512, &leader));
    assert_true(leader.resource);
    assert_string_equal(leader.space, SPACE);
    assert_string_equal(leader.name, "SDM");
    assert_int_equal(leader.timestamp, 0);
    assert_int_equal(leader.owner, 0);
    area[32] = 7; // an owner without a new checksum
    assert_false(lease_parse_leader(area, 512, &leader));
    area[32] = 0;
    assert_false(lease_parse_leader(area, 199, &leader));
    area[0] ^= 1;
    assert_false(lease_parse_leader(area, 512, &leader));
}
