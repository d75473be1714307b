#include "agent/image/blake2b.h"

#include <string.h>

static const uint64_t start[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

// Order of the message words in each round; the last two rounds begin again.
static const uint8_t order[12][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
};

static inline uint64_t rotate(uint64_t value, int bits)
{
    return value >> bits | value << (64 - bits);
}

// Bytes in the order of the machines we run on, which are all little-endian, or turned.
static inline uint64_t word_in(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline void mix(uint64_t v[16], int a, int b, int c, int d, uint64_t x, uint64_t y)
{
    v[a] += v[b] + x;
    v[d] = rotate(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = rotate(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = rotate(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotate(v[b] ^ v[c], 63);
}

static void blake2b_compress(Blake2b *hash, const uint8_t *block, uint64_t total, bool last)
{
    uint64_t v[16], m[16];
    for (int i = 0; i < 8; i++) {
        v[i] = hash->state[i];
        v[i + 8] = start[i];
    }
    for (int i = 0; i < 16; i++)
        m[i] = word_in(block + i * 8);
    v[12] ^= total;
    if (last)
        v[14] = ~v[14];
#pragma GCC unroll 12
    for (int round = 0; round < 12; round++) {
        const uint8_t *s = order[round];
        mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
        mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
        mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
        mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
        mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
        mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
        mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
        mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
    }
    for (int i = 0; i < 8; i++)
        hash->state[i] ^= v[i] ^ v[i + 8];
}

void blake2b_init(Blake2b *hash, size_t digest_length)
{
    *hash = (Blake2b){.digest_length = digest_length};
    memcpy(hash->state, start, sizeof(start));
    hash->state[0] ^= 0x01010000 ^ digest_length;
}

void blake2b_update(Blake2b *hash, const void *data, size_t length)
{
    const uint8_t *at = data;
    while (length) {
        // The last block is compressed by blake2b_finish(), so a full one waits for more.
        if (hash->held_length == BLAKE2B_BLOCK) {
            hash->total += BLAKE2B_BLOCK;
            blake2b_compress(hash, hash->held, hash->total, false);
            hash->held_length = 0;
        }
        while (!hash->held_length && length > BLAKE2B_BLOCK) {
            hash->total += BLAKE2B_BLOCK;
            blake2b_compress(hash, at, hash->total, false);
            at += BLAKE2B_BLOCK;
            length -= BLAKE2B_BLOCK;
        }
        size_t part = BLAKE2B_BLOCK - hash->held_length;
        if (part > length)
            part = length;
        memcpy(hash->held + hash->held_length, at, part);
        hash->held_length += part;
        at += part;
        length -= part;
    }
}

void blake2b_finish(Blake2b *hash, uint8_t *digest)
{
    memset(hash->held + hash->held_length, 0, BLAKE2B_BLOCK - hash->held_length);
    blake2b_compress(hash, hash->held, hash->total + hash->held_length, true);
    for (size_t i = 0; i < hash->digest_length; i++)
        digest[i] = (uint8_t)(hash->state[i / 8] >> (i % 8 * 8));
}
