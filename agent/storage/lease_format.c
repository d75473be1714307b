#include "agent/storage/lease_format.h"

#include <string.h>

#include "agent/storage/crc32c.h"
#include "agent/storage/storage_format.h"

enum {
    LOCKSPACE_MAGIC = 0x12212010,
    LOCKSPACE_VERSION = 0x00030004,
    RESOURCE_MAGIC = 0x06152010,
    RESOURCE_VERSION = 0x00060004,
    REQUEST_MAGIC = 0x08292011,
    REQUEST_VERSION = 0x00010001,
    LEADER_SIZE = 200,
    CHECKSUM_AT = 168,
};
static const uint32_t checksum_start = 0xFFFFFFFEu;

static const struct {
    LeaseGeometry geometry;
    uint32_t flag;
} geometry_rows[] = {
    {{512, 1 * MIB, 2000}, 0x10},  {{4096, 1 * MIB, 250}, 0x10},  {{4096, 2 * MIB, 500}, 0x20},
    {{4096, 4 * MIB, 1000}, 0x40}, {{4096, 8 * MIB, 2000}, 0x80},
};

bool lease_geometry(int block_size, int hosts, LeaseGeometry *ret)
{
    for (size_t i = 0; hosts > 0 && i < COUNT_OF(geometry_rows); i++)
        if (geometry_rows[i].geometry.sector == block_size &&
            geometry_rows[i].geometry.hosts >= hosts) {
            *ret = geometry_rows[i].geometry;
            return true;
        }
    return false;
}

bool lease_geometry_of(int block_size, int64_t alignment, LeaseGeometry *ret)
{
    for (size_t i = 0; i < COUNT_OF(geometry_rows); i++)
        if (geometry_rows[i].geometry.sector == block_size &&
            geometry_rows[i].geometry.alignment == alignment) {
            *ret = geometry_rows[i].geometry;
            return true;
        }
    return false;
}

static uint32_t geometry_flag(const LeaseGeometry *geometry)
{
    for (size_t i = 0; i < COUNT_OF(geometry_rows); i++)
        if (geometry_rows[i].geometry.alignment == geometry->alignment)
            return geometry_rows[i].flag;
    return 0;
}

static void put_number(unsigned char *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (unsigned char)(value >> 8 * i);
}

static uint64_t get_number(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static void put_name(unsigned char *at, const char *name)
{
    size_t length = strlen(name);
    memcpy(at, name, length < LEASE_NAME_MAX ? length : LEASE_NAME_MAX);
}

static void put_leader(unsigned char *at, const LeaseGeometry *geometry, bool resource,
                       const char *space, const char *name)
{
    put_number(at, resource ? RESOURCE_MAGIC : LOCKSPACE_MAGIC, 4);
    put_number(at + 4, resource ? RESOURCE_VERSION : LOCKSPACE_VERSION, 4);
    put_number(at + 8, geometry_flag(geometry), 4);
    put_number(at + 12, (uint64_t)geometry->sector, 4);
    put_number(at + 16, resource ? (uint64_t)geometry->hosts : 0, 8);
    put_number(at + 24, resource ? (uint64_t)geometry->hosts : 1, 8);
    put_name(at + 56, space);
    put_name(at + 104, name);
    put_number(at + 174, resource ? 0 : LEASE_IO_TIMEOUT_S, 2);
    put_number(at + CHECKSUM_AT, crc32c(checksum_start, at, CHECKSUM_AT), 4);
}

void lease_format_lockspace(unsigned char *area, const LeaseGeometry *geometry, const char *space)
{
    memset(area, 0, (size_t)geometry->alignment);
    put_leader(area, geometry, false, space, "");
    for (int host = 1; host < geometry->hosts; host++)
        memcpy(area + (size_t)host * (size_t)geometry->sector, area, LEADER_SIZE);
}

void lease_format_resource(unsigned char *area, const LeaseGeometry *geometry, const char *space,
                           const char *resource)
{
    memset(area, 0, (size_t)geometry->alignment);
    put_leader(area, geometry, true, space, resource);
    put_number(area + geometry->sector, REQUEST_MAGIC, 4);
    put_number(area + geometry->sector + 4, REQUEST_VERSION, 4);
}

bool lease_parse_leader(const unsigned char *data, size_t length, LeaseLeader *ret)
{
    if (length < LEADER_SIZE)
        return false;
    uint32_t magic = (uint32_t)get_number(data, 4);
    if (magic != LOCKSPACE_MAGIC && magic != RESOURCE_MAGIC)
        return false;
    if (get_number(data + CHECKSUM_AT, 4) != crc32c(checksum_start, data, CHECKSUM_AT))
        return false;
    *ret = (LeaseLeader){
        .resource = magic == RESOURCE_MAGIC,
        .sector = (uint32_t)get_number(data + 12, 4),
        .owner = get_number(data + 32, 8),
        .generation = get_number(data + 40, 8),
        .version = get_number(data + 48, 8),
        .timestamp = get_number(data + 152, 8),
    };
    memcpy(ret->space, data + 56, LEASE_NAME_MAX);
    memcpy(ret->name, data + 104, LEASE_NAME_MAX);
    return true;
}
