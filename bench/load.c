// Sends many requests over a few kept connections and says how long it took:
//     load URL METHOD COUNT CONCURRENCY CA-FILE TOKEN [BODY-TEMPLATE [CONTENT-TYPE]]
// %d in URL and body becomes the request's number. Prints seconds and the failures as JSON.
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

typedef struct Load {
    const char *url, *method, *authority, *body;
    struct curl_slist *headers;
    long next, count, finished, failed;
    CURLM *multi;
} Load;

typedef struct Slot {
    char *url, *body;
} Slot;

static size_t discard(char *data, size_t size, size_t count, void *argument)
{
    (void)data;
    (void)argument;
    return size * count;
}

// The template with each %d replaced.
static char *fill(const char *template, long number)
{
    char text[32];
    size_t length = 0;
    char *filled = memory_new(strlen(template) * 8 + 64, 1);
    snprintf(text, sizeof(text), "%ld", number);
    for (const char *at = template; *at; at++) {
        if (at[0] != '%' || at[1] != 'd') {
            filled[length++] = *at;
            continue;
        }
        memcpy(filled + length, text, strlen(text));
        length += strlen(text);
        at++;
    }
    return filled;
}

static void begin(Load *load, CURL *curl)
{
    Slot *slot;
    curl_easy_getinfo(curl, CURLINFO_PRIVATE, (char **)&slot);
    free(slot->url);
    free(slot->body);
    slot->url = fill(load->url, load->next);
    slot->body = load->body ? fill(load->body, load->next) : NULL;
    load->next++;
    curl_easy_setopt(curl, CURLOPT_URL, slot->url);
    if (slot->body)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, slot->body);
    curl_multi_add_handle(load->multi, curl);
}

static CURL *connection_new(Load *load)
{
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_PRIVATE, (char *)NEW(Slot));
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, load->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, load->headers);
    curl_easy_setopt(curl, CURLOPT_CAINFO, load->authority);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 120L);
    return curl;
}

static void take_finished(Load *load)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(load->multi, &left));) {
        CURL *curl = message->easy_handle;
        long status = 0;
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        load->finished++;
        if (message->data.result != CURLE_OK || status >= 400)
            load->failed++;
        curl_multi_remove_handle(load->multi, curl);
        if (load->next < load->count)
            begin(load, curl);
    }
}

int main(int argc, char **argv)
{
    if (argc < 7) {
        fprintf(stderr, "load URL METHOD COUNT CONCURRENCY CA-FILE TOKEN [BODY [TYPE]]\n");
        return 2;
    }
    AUTO_FREE char *token = memory_format("Authorization: Bearer %s", argv[6]);
    AUTO_FREE char *type =
        memory_format("Content-Type: %s", argc > 8 ? argv[8] : "application/json");
    Load load = {.url = argv[1],
                 .method = argv[2],
                 .count = atol(argv[3]),
                 .authority = argv[5],
                 .body = argc > 7 ? argv[7] : NULL};
    load.headers = curl_slist_append(load.headers, token);
    load.headers = curl_slist_append(load.headers, type);
    load.headers = curl_slist_append(load.headers, "Expect:");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    load.multi = curl_multi_init();
    int64_t begun = clock_monotonic_ms();
    for (long i = 0; i < atol(argv[4]) && load.next < load.count; i++)
        begin(&load, connection_new(&load));
    for (int running = 1; load.finished < load.count;) {
        curl_multi_perform(load.multi, &running);
        take_finished(&load);
        if (load.finished < load.count)
            curl_multi_poll(load.multi, NULL, 0, 1000, NULL);
    }
    printf("{\"seconds\": %.3f, \"failed\": %ld}\n", (double)(clock_monotonic_ms() - begun) / 1000,
           load.failed);
    return load.failed != 0;
}
