#include "base/base64.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

char *base64_encode(const void *data, size_t length)
{
    if (length > INT_MAX / 2)
        return NULL;
    char *text = memory_new(length / 3 * 4 + 8, 1);
    EVP_EncodeBlock((unsigned char *)text, data, (int)length);
    return text;
}

char *base64_decode(const char *text, size_t *ret_length)
{
    size_t length = strlen(text), used = 0, padding = 0;
    AUTO_FREE char *compact = memory_new(length + 1, 1);
    for (size_t i = 0; i < length; i++)
        if (!strchr(" \t\r\n", text[i]))
            compact[used++] = text[i];
    while (padding < 2 && padding < used && compact[used - 1 - padding] == '=')
        padding++;
    if (used % 4 || used > INT_MAX || strcspn(compact, "=") != used - padding)
        return NULL;
    char *data = memory_new(used + 1, 1);
    int size = EVP_DecodeBlock((unsigned char *)data, (const unsigned char *)compact, (int)used);
    if (size < 0) {
        free(data);
        return NULL;
    }
    *ret_length = (size_t)size - padding;
    data[*ret_length] = 0;
    return data;
}
