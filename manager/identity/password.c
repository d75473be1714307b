#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "manager/identity/identity.h"

enum { PASSWORD_MIN = 8, PASSWORD_MAX = 512 };

typedef struct HashWork {
    uv_work_t work;
    char *password, *hash;
    PasswordHashed done;
    void *argument;
} HashWork;

char *password_hash_now(const char *password)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *data = NEW(struct crypt_data);
    char *hash = NULL;
    // yescrypt at its default cost: 16 MiB and about 20 ms for each try.
    if (crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)) &&
        crypt_rn(password, setting, data, sizeof(*data)))
        hash = memory_string(data->output);
    OPENSSL_cleanse(data, sizeof(*data));
    free(data);
    return hash;
}

static void hash_run(uv_work_t *work)
{
    HashWork *hash = work->data;
    hash->hash = password_hash_now(hash->password);
}

static void hash_done(uv_work_t *work, int status)
{
    HashWork *hash = work->data;
    (void)status;
    hash->done(hash->hash, hash->argument);
    OPENSSL_cleanse(hash->password, strlen(hash->password));
    free(hash->password);
    free(hash->hash);
    free(hash);
}

void password_hash(uv_loop_t *loop, const char *password, PasswordHashed done, void *argument)
{
    HashWork *hash = NEW(HashWork);
    hash->password = memory_string(password);
    hash->done = done;
    hash->argument = argument;
    hash->work.data = hash;
    uv_queue_work(loop, &hash->work, hash_run, hash_done);
}

bool password_acceptable(const char *password, Fail *why)
{
    size_t length = strlen(password);
    if (length >= PASSWORD_MIN && length <= PASSWORD_MAX)
        return true;
    fail_set(why, FAIL_INVALID, "A password has from %d to %d characters.", PASSWORD_MIN,
             PASSWORD_MAX);
    return false;
}

char *token_new(void)
{
    unsigned char bytes[32], encoded[48];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        abort();
    EVP_EncodeBlock(encoded, bytes, sizeof(bytes));
    for (unsigned char *at = encoded; *at; at++)
        *at = *at == '+' ? '-' : *at == '/' ? '_' : *at == '=' ? 0 : *at;
    return memory_string((char *)encoded);
}

// 144 bits of the SHA-256 as 36 hexadecimal digits: fits where ids fit.
void token_digest(const char *token, char digest[UUID_SIZE])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    EVP_Digest(token, strlen(token), bytes, NULL, EVP_sha256(), NULL);
    for (int i = 0; i < 18; i++) {
        digest[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        digest[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    digest[36] = 0;
}
