// BLAKE2b without key, of any digest length (RFC 7693). OpenSSL 3.0 has only the one of 64 bytes,
// and a shorter one is not its beginning.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLAKE2B_MAX = 64, BLAKE2B_BLOCK = 128 };

typedef struct Blake2b {
    uint64_t state[8];
    uint64_t total; // bytes compressed or held
    uint8_t held[BLAKE2B_BLOCK];
    size_t held_length;
    size_t digest_length;
} Blake2b;

void blake2b_init(Blake2b *hash, size_t digest_length);
void blake2b_update(Blake2b *hash, const void *data, size_t length);
void blake2b_finish(Blake2b *hash, uint8_t *digest);
