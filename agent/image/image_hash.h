// The checksum of an image: a hash over the hashes of its blocks, so that blocks of zeroes cost
// nothing. Any thread.
#pragma once

#include "base/memory.h"

enum { HASH_DIGEST_MAX = 64 };

typedef struct HashAlgorithm {
    const char *name;    // as Python's hashlib calls it
    const char *openssl; // NULL: BLAKE2b of 32 bytes
} HashAlgorithm;

extern const HashAlgorithm hash_algorithms[];
extern const size_t hash_algorithm_count;

const HashAlgorithm *hash_algorithm(const char *name); // NULL: unknown

typedef struct Hash Hash;

Hash *hash_new(const HashAlgorithm *algorithm);
void hash_update(Hash *hash, const void *data, size_t length);
// Returns the digest's length; frees the hash.
size_t hash_finish(Hash *hash, unsigned char digest[HASH_DIGEST_MAX]);
// All at once.
size_t hash_digest(const HashAlgorithm *algorithm, const void *data, size_t length,
                   unsigned char digest[HASH_DIGEST_MAX]);
bool bytes_are_zero(const void *data, size_t length);
