// Heads of requests. Where the head ends must not depend on how many bytes are there already.
#include "base/http_head.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const HttpHead *head)
{
    if (!*head->method || (*head->path != '/' && strcmp(head->path, "*")) || head->length < 0 ||
        (head->chunked && head->has_length) || head->count > HTTP_HEADERS_MAX)
        abort();
    for (int i = 0; i < head->count; i++)
        if (strpbrk(head->headers[i].value, "\r\n") || !*head->headers[i].name ||
            !http_head_get(head, head->headers[i].name))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HttpHead head;
    const char *error = NULL;
    AUTO_FREE char *text = memory_bytes(data, size);
    size_t end = http_head_end(text, size);
    if (end > size || (end && http_head_end(text, end) != end) ||
        (end && http_head_end(text, end - 1)))
        abort();
    AUTO_FREE char *exact = memory_resize(NULL, end ? end : size, 1);
    memcpy(exact, text, end ? end : size);
    int status = http_head_parse(exact, end ? end : size, &head, &error);
    if (status ? status < 400 || !error : !end)
        abort();
    if (!status)
        check(&head);
    http_decode(text, size & 1);
    return 0;
}
