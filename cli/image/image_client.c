#include "cli/image/image_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHECK_TIMEOUT_S = 20, SERVER_ERROR_TEXT = 300 };

static const char json_type[] = "Content-Type: application/json";

static FailCode status_code(int status)
{
    static const struct {
        int status;
        FailCode code;
    } rows[] = {
        {400, FAIL_INVALID},   {403, FAIL_FORBIDDEN}, {404, FAIL_NOT_FOUND},
        {405, FAIL_NO_METHOD}, {408, FAIL_TIMED_OUT}, {410, FAIL_GONE},
        {416, FAIL_RANGE},     {429, FAIL_TOO_MANY},  {503, FAIL_UNAVAILABLE},
        {507, FAIL_NO_SPACE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].status == status)
            return rows[i].code;
    return FAIL_INTERNAL;
}

// Without the line's end and full stop, which whoever shows the failure adds.
static int sentence_length(const char *text)
{
    size_t length = strnlen(text, SERVER_ERROR_TEXT);
    while (length > 0 && strchr(".\r\n ", text[length - 1]))
        length--;
    return (int)length;
}

// Calls and judges the status: 200, 204 and 206 are good.
static int image_call(HttpClient *http, const HttpCall *call, HttpAnswer *ret, Fail *why)
{
    int result = http_call(http, call, ret, why);
    if (result || ret->status == 200 || ret->status == 204 || ret->status == 206)
        return result;
    AUTO_ARENA arena;
    arena_init(&arena, 1024);
    const Json *json = json_parse(&arena, ret->body.data, ret->body.length, NULL, NULL);
    const char *detail = json_get_string(json, "detail");
    FailCode code = status_code(ret->status);
    fail_set(why, code, "The image server refused %s (status %d).", call->method, ret->status);
    const char *text = detail                 ? detail
                       : ret->body.length > 0 ? ret->body.data
                                              : "It told no reason";
    fail_detail(why, "%.*s", sentence_length(text), text);
    return fail_to_errno(code);
}

// The same for calls whose answer does not matter.
static int image_command(HttpClient *http, const HttpCall *call, Fail *why)
{
    HttpAnswer answer = {0};
    int result = image_call(http, call, &answer, why);
    strbuf_done(&answer.body);
    return result;
}

static bool features_have(const Json *features, const char *name)
{
    JSON_EACH(features, feature)
        if (json_string(feature) && !strcmp(json_string(feature), name))
            return true;
    return false;
}

int image_options(HttpClient *http, const char *url, ImageAbilities *ret, Fail *why)
{
    HttpAnswer answer = {0};
    AUTO_ARENA arena;
    arena_init(&arena, 1024);
    int result =
        image_call(http, &(HttpCall){.method = "OPTIONS", .url = url, .timeout_s = CHECK_TIMEOUT_S},
                   &answer, why);
    if (!result) {
        const Json *json = json_parse(&arena, answer.body.data, answer.body.length, NULL, NULL);
        const Json *features = json_get(json, "features");
        *ret = (ImageAbilities){
            .extents = features_have(features, "extents"),
            .zero = features_have(features, "zero"),
            .flush = features_have(features, "flush"),
            .readers = (int)json_get_integer(json, "max_readers", 1),
            .writers = (int)json_get_integer(json, "max_writers", 1),
        };
    }
    strbuf_done(&answer.body);
    return result;
}

int image_extents(HttpClient *http, const char *url, Arena *arena, const Json **ret, Fail *why)
{
    HttpAnswer answer = {0};
    AUTO_FREE char *whole = memory_format("%s/extents", url);
    int result = image_call(http, &(HttpCall){.method = "GET", .url = whole}, &answer, why);
    if (!result) {
        char *text = arena_bytes(arena, answer.body.data, answer.body.length);
        *ret = json_parse(arena, text, answer.body.length, NULL, NULL);
    }
    strbuf_done(&answer.body);
    return result;
}

int image_length(HttpClient *http, const char *url, int64_t *ret, Fail *why)
{
    HttpAnswer answer = {0};
    int result =
        image_call(http, &(HttpCall){.method = "HEAD", .url = url, .timeout_s = CHECK_TIMEOUT_S},
                   &answer, why);
    *ret = answer.length;
    strbuf_done(&answer.body);
    if (!result && *ret < 0)
        result = fail_set(why, FAIL_INTERNAL, "The image server does not tell the image's size.");
    return result;
}

static int image_patch(HttpClient *http, const char *url, const char *body, Fail *why)
{
    const char *const headers[] = {json_type, NULL};
    return image_command(http,
                         &(HttpCall){.method = "PATCH",
                                     .url = url,
                                     .headers = headers,
                                     .body = body,
                                     .length = strlen(body)},
                         why);
}

int image_flush(HttpClient *http, const char *url, Fail *why)
{
    return image_patch(http, url, "{\"op\": \"flush\"}", why);
}

int image_zero(Worker *worker, const char *url, const Piece *piece, Fail *why)
{
    AUTO_FREE char *body =
        memory_format("{\"op\": \"zero\", \"offset\": %lld, \"size\": %lld, \"flush\": false}",
                      (long long)piece->offset, (long long)piece->length);
    int result = image_patch(worker->http, url, body, why);
    if (!result)
        worker->moved(worker, piece->length);
    return result;
}

// ---- ranges

typedef struct Range {
    Worker *worker;
    int fd;
    bool zero;
    int64_t at;
    int error; // of the file
} Range;

static size_t range_pull(void *owner, char *to, size_t size)
{
    Range *range = owner;
    ssize_t got = range->zero ? 0 : pread(range->fd, to, size, range->at);
    if (got < 0) {
        range->error = errno;
        return 0;
    }
    if (!got) { // zeroes, or behind the end of the file: its last sector is filled up
        memset(to, 0, size);
        got = (ssize_t)size;
    }
    range->at += got;
    range->worker->moved(range->worker, got);
    return (size_t)got;
}

static bool range_push(void *owner, const char *data, size_t length)
{
    Range *range = owner;
    while (length) {
        ssize_t put = pwrite(range->fd, data, length, range->at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            range->error = put < 0 ? errno : EIO;
            return false;
        }
        range->at += put;
        data += put;
        length -= (size_t)put;
        range->worker->moved(range->worker, put);
    }
    return true;
}

int image_put(Worker *worker, const char *url, int fd, const Piece *piece, Fail *why)
{
    Range range = {.worker = worker, .fd = fd, .zero = piece->zero, .at = piece->offset};
    AUTO_FREE char *header =
        memory_format("Content-Range: bytes %lld-%lld/*", (long long)piece->offset,
                      (long long)(piece->offset + piece->length - 1));
    AUTO_FREE char *whole = memory_format("%s?flush=n", url);
    const char *const headers[] = {header, "Content-Type: application/octet-stream", NULL};
    AUTO_FAIL trouble = {0};
    int result = image_command(worker->http,
                               &(HttpCall){.method = "PUT",
                                           .url = whole,
                                           .headers = headers,
                                           .pull = range_pull,
                                           .owner = &range,
                                           .length = (size_t)piece->length},
                               &trouble);
    if (range.error)
        return fail_errno(why, FAIL_INVALID, range.error, "The file can't be read");
    fail_move(why, &trouble);
    return result;
}

int image_get(Worker *worker, const char *url, int fd, const Piece *piece, Fail *why)
{
    Range range = {.worker = worker, .fd = fd, .at = piece->offset};
    AUTO_FREE char *header = memory_format("Range: bytes=%lld-%lld", (long long)piece->offset,
                                           (long long)(piece->offset + piece->length - 1));
    const char *const headers[] = {header, NULL};
    AUTO_FAIL trouble = {0};
    int result = image_command(
        worker->http,
        &(HttpCall){
            .method = "GET", .url = url, .headers = headers, .push = range_push, .owner = &range},
        &trouble);
    if (range.error)
        return fail_errno(why, range.error == ENOSPC ? FAIL_NO_SPACE : FAIL_INVALID, range.error,
                          "The file can't be written");
    fail_move(why, &trouble);
    if (!result && range.at != piece->offset + piece->length)
        result =
            fail_set(why, FAIL_UNAVAILABLE, "The image server sent %lld bytes instead of %lld.",
                     (long long)(range.at - piece->offset), (long long)piece->length);
    return result;
}

int image_read(HttpClient *http, const char *url, int64_t offset, size_t length, StrBuf *ret,
               Fail *why)
{
    HttpAnswer answer = {0};
    AUTO_FREE char *header = memory_format("Range: bytes=%lld-%lld", (long long)offset,
                                           (long long)(offset + (int64_t)length - 1));
    const char *const headers[] = {header, NULL};
    int result = image_call(http, &(HttpCall){.method = "GET", .url = url, .headers = headers},
                            &answer, why);
    if (result)
        strbuf_done(&answer.body);
    else
        *ret = answer.body;
    return result;
}
