// sanlock's records on disk: what a freshly formatted lockspace or resource looks like, and who
// holds one. Pure functions over bytes; numbers are little-endian on disk.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LEASE_NAME_MAX = 48,
    LEASE_IO_TIMEOUT_S = 10,
};

typedef struct LeaseGeometry {
    int sector;        // bytes: 512 or 4096
    int64_t alignment; // bytes of one lockspace or resource
    int hosts;         // that fit
} LeaseGeometry;

// What a domain of this block size for that many hosts uses; false when there is none.
bool lease_geometry(int block_size, int hosts, LeaseGeometry *ret);
bool lease_geometry_of(int block_size, int64_t alignment, LeaseGeometry *ret);

// `area` holds geometry->alignment bytes; all of them are written.
void lease_format_lockspace(unsigned char *area, const LeaseGeometry *geometry, const char *space);
// Empty names make a slot that is in no use.
void lease_format_resource(unsigned char *area, const LeaseGeometry *geometry, const char *space,
                           const char *resource);

typedef struct LeaseLeader {
    bool resource; // else a lockspace
    uint32_t sector;
    uint64_t owner, generation, version, timestamp; // timestamp 0: free
    char space[LEASE_NAME_MAX + 1], name[LEASE_NAME_MAX + 1];
} LeaseLeader;

// False when the bytes are no record or its checksum is wrong.
bool lease_parse_leader(const unsigned char *data, size_t length, LeaseLeader *ret);
