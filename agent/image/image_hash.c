#include "agent/image/image_hash.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "agent/image/blake2b.h"

enum { BLAKE2B_DIGEST = 32 };

const HashAlgorithm hash_algorithms[] = {
    {"blake2b", NULL},        {"md5", "MD5"},           {"sha1", "SHA1"},
    {"sha224", "SHA224"},     {"sha256", "SHA256"},     {"sha384", "SHA384"},
    {"sha3_224", "SHA3-224"}, {"sha3_256", "SHA3-256"}, {"sha3_384", "SHA3-384"},
    {"sha3_512", "SHA3-512"}, {"sha512", "SHA512"},
};

const size_t hash_algorithm_count = COUNT_OF(hash_algorithms);

struct Hash {
    Blake2b blake2b;
    EVP_MD_CTX *openssl;
};

const HashAlgorithm *hash_algorithm(const char *name)
{
    for (size_t i = 0; i < hash_algorithm_count; i++)
        if (!strcmp(hash_algorithms[i].name, name))
            return &hash_algorithms[i];
    return NULL;
}

Hash *hash_new(const HashAlgorithm *algorithm)
{
    Hash *hash = NEW(Hash);
    if (!algorithm->openssl) {
        blake2b_init(&hash->blake2b, BLAKE2B_DIGEST);
        return hash;
    }
    hash->openssl = EVP_MD_CTX_new();
    if (!hash->openssl ||
        EVP_DigestInit_ex(hash->openssl, EVP_get_digestbyname(algorithm->openssl), NULL) != 1)
        abort(); // the table names what OpenSSL doesn't have
    return hash;
}

void hash_update(Hash *hash, const void *data, size_t length)
{
    if (hash->openssl)
        EVP_DigestUpdate(hash->openssl, data, length);
    else
        blake2b_update(&hash->blake2b, data, length);
}

size_t hash_finish(Hash *hash, unsigned char digest[HASH_DIGEST_MAX])
{
    unsigned length = BLAKE2B_DIGEST;
    if (hash->openssl)
        EVP_DigestFinal_ex(hash->openssl, digest, &length);
    else
        blake2b_finish(&hash->blake2b, digest);
    EVP_MD_CTX_free(hash->openssl);
    free(hash);
    return length;
}

size_t hash_digest(const HashAlgorithm *algorithm, const void *data, size_t length,
                   unsigned char digest[HASH_DIGEST_MAX])
{
    Hash *hash = hash_new(algorithm);
    hash_update(hash, data, length);
    return hash_finish(hash, digest);
}

// Compares the memory with itself, one step further.
bool bytes_are_zero(const void *data, size_t length)
{
    const char *bytes = data;
    return !length || (!*bytes && !memcmp(bytes, bytes + 1, length - 1));
}
