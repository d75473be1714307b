#include "base/uuid.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

static char *uuid_text(const unsigned char bytes[16], char text[UUID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    char *at = text;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[bytes[i] >> 4];
        *at++ = digits[bytes[i] & 15];
    }
    *at = 0;
    return text;
}

char *uuid_new(char text[UUID_SIZE])
{
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        abort();
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    return uuid_text(bytes, text);
}

char *uuid_from_name(const char *space, const char *name, char text[UUID_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    AUTO_FREE char *whole = memory_format("vireo:%s:%s", space, name);
    EVP_Digest(whole, strlen(whole), digest, NULL, EVP_sha1(), NULL);
    digest[6] = (unsigned char)((digest[6] & 0x0f) | 0x50);
    digest[8] = (unsigned char)((digest[8] & 0x3f) | 0x80);
    return uuid_text(digest, text);
}

bool uuid_valid(const char *text)
{
    if (!text || strlen(text) != UUID_SIZE - 1)
        return false;
    for (int i = 0; i < UUID_SIZE - 1; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return true;
}

void uuid_lower(char *text)
{
    for (; text && *text; text++)
        *text = (char)tolower((unsigned char)*text);
}

bool uuid_is_zero(const char *text)
{
    return !text || !*text || !strcmp(text, UUID_ZERO);
}
