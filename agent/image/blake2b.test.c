#include "agent/image/blake2b.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/test.h"

static void digest_is(const void *data, size_t length, size_t step, size_t size, const char *hex)
{
    Blake2b hash;
    uint8_t digest[BLAKE2B_MAX];
    char text[2 * BLAKE2B_MAX + 1] = "";
    blake2b_init(&hash, size);
    for (size_t at = 0; at < length; at += step)
        blake2b_update(&hash, (const char *)data + at, step < length - at ? step : length - at);
    blake2b_finish(&hash, digest);
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(text, hex);
}

TEST(known_digests)
{
    // RFC 7693, appendix A.
    digest_is("abc", 3, 1, 64,
              "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
              "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
    // Python's hashlib.blake2b(b"", digest_size=32) and of b"abc".
    digest_is("", 0, 1, 32, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    digest_is("abc", 3, 3, 32, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

TEST(pieces_do_not_matter)
{
    enum { SIZE = 1000 };
    static const char hex[] = "b372d0608f720c8c3dd41e9c8eecb10143b41abe520b616607e754bf79c08331";
    AUTO_FREE char *data = memory_new(1, SIZE);
    for (int i = 0; i < SIZE; i++)
        data[i] = (char)(i % 251);
    for (size_t step = 1; step <= SIZE; step += 63)
        digest_is(data, SIZE, step, 32, hex);
    digest_is(data, SIZE, BLAKE2B_BLOCK, 32, hex);
    digest_is(data, SIZE, SIZE, 32, hex);
}

TEST(whole_blocks)
{
    AUTO_FREE char *data = memory_new(1, 256);
    digest_is(data, 128, 128, 32,
              "378d0caaaa3855f1b38693c1d6ef004fd118691c95c959d4efa950d6d6fcf7c1");
    digest_is(data, 256, 64, 32,
              "2b69702a889248a4d6620475a105dccd5e0d4230aca8a492aaf6510e55d55b02");
}
