// GET checksum: reads what is data, hashes it on the pool, folds the blocks' digests in their order.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/image/image_hash.h"
#include "agent/image/image_internal.h"

enum {
    BLOCK_DEFAULT = 4 * 1024 * 1024,
    BLOCK_MIN = 1024 * 1024,
    BLOCK_MAX = 16 * 1024 * 1024,
    BLOCKS = 2, // read or hashed at the same time
};

// Extents are asked for so much at a time; the loop turns between.
static const int64_t window_max = 1024 * 1024 * 1024;

typedef struct Checksum Checksum;

typedef struct Block {
    Checksum *checksum;
    BackendRequest request;
    uv_work_t work;
    char *data;
    size_t length;
    unsigned char digest[HASH_DIGEST_MAX];
    size_t digest_length;
    bool done; // the loop's; the rest is a pool thread's until then
} Block;

struct Checksum {
    ImageOperation operation;
    const HashAlgorithm *algorithm;
    int64_t block_size;
    Hash *outer;
    unsigned char zero[HASH_DIGEST_MAX]; // of a whole block of zeroes
    size_t zero_length;
    Block blocks[BLOCKS]; // a ring in the order of the image
    int first, count;
    BackendRequest request; // for extents
    ExtentList extents;     // of the window
    size_t extent;          // the one `next` lies in, and how much of it is behind
    int64_t extent_used;
    int64_t next, window; // next block's offset; end of what the extents are known of
};

static void checksum_go_on(Checksum *checksum);

// ---- blocks of data

static void block_hash(uv_work_t *work)
{
    Block *block = work->data;
    Checksum *checksum = block->checksum;
    bool zero = (int64_t)block->length == checksum->block_size &&
                bytes_are_zero(block->data, block->length);
    if (zero)
        memcpy(block->digest, checksum->zero, checksum->zero_length);
    block->digest_length =
        zero ? checksum->zero_length
             : hash_digest(checksum->algorithm, block->data, block->length, block->digest);
}

static void block_hashed(uv_work_t *work, int status)
{
    Block *block = work->data;
    ImageOperation *operation = &block->checksum->operation;
    block->done = true;
    if (!operation_completed(operation, status, "Hashing the image"))
        return;
    checksum_go_on(block->checksum);
    operation_over(operation);
}

static void block_read(BackendRequest *request, int error)
{
    Block *block = request->owner;
    ImageOperation *operation = &block->checksum->operation;
    if (!operation_completed(operation, error, "Reading the image"))
        return;
    operation->in_flight++;
    uv_queue_work(operation->server->loop, &block->work, block_hash, block_hashed);
}

static void checksum_read(Checksum *checksum, int64_t length)
{
    Block *block = &checksum->blocks[(checksum->first + checksum->count++) % BLOCKS];
    block->checksum = checksum;
    block->work.data = block;
    block->length = (size_t)length;
    block->done = false;
    if (!block->data)
        block->data = aligned_alloc(BACKEND_ALIGNMENT, (size_t)checksum->block_size);
    if (!block->data)
        abort();
    block->request = (BackendRequest){.kind = REQUEST_READ,
                                      .offset = checksum->next,
                                      .length = length,
                                      .data = block->data,
                                      .done = block_read,
                                      .owner = block};
    operation_submit(&checksum->operation, &block->request);
}

// ---- folding

static void checksum_fold(Checksum *checksum)
{
    while (checksum->count && checksum->blocks[checksum->first].done) {
        Block *block = &checksum->blocks[checksum->first];
        hash_update(checksum->outer, block->digest, block->digest_length);
        operation_progress(&checksum->operation, (int64_t)block->length);
        checksum->first = (checksum->first + 1) % BLOCKS;
        checksum->count--;
    }
}

static void checksum_answer(Checksum *checksum)
{
    unsigned char digest[HASH_DIGEST_MAX];
    char hex[2 * HASH_DIGEST_MAX + 1];
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    size_t length = hash_finish(TAKE(checksum->outer), digest);
    for (size_t i = 0; i < length; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    json_open(&writer, '{');
    json_add_string(&writer, "algorithm", checksum->algorithm->name);
    json_add_integer(&writer, "block_size", checksum->block_size);
    json_add_string(&writer, "checksum", hex);
    json_close(&writer, '}');
    strbuf_addc(&text, '\n');
    operation_answer(&checksum->operation, 200, "application/json", text.data, text.length);
}

// ---- where the zeroes are

static void checksum_extents(BackendRequest *request, int error)
{
    Checksum *checksum = request->owner;
    if (!operation_completed(&checksum->operation, error, "Asking for the image's extents"))
        return;
    checksum->window = checksum->next - checksum->extent_used;
    for (size_t i = checksum->extent; i < checksum->extents.count; i++)
        checksum->window += checksum->extents.items[i].length;
    checksum_go_on(checksum);
    operation_over(&checksum->operation);
}

// Asks on from the end of the window; what lies before the next block is forgotten.
static void checksum_ask(Checksum *checksum)
{
    int64_t left = checksum->operation.length - checksum->window;
    ExtentList *list = &checksum->extents;
    memmove(list->items, list->items + checksum->extent,
            (list->count - checksum->extent) * sizeof(ImageExtent));
    list->count -= checksum->extent;
    checksum->extent = 0;
    checksum->request = (BackendRequest){.kind = REQUEST_EXTENTS,
                                         .offset = checksum->window,
                                         .length = left < window_max ? left : window_max,
                                         .extents = list,
                                         .done = checksum_extents,
                                         .owner = checksum};
    operation_submit(&checksum->operation, &checksum->request);
}

// Steps over `length` bytes of the window; true when all of them read as zeroes.
static bool checksum_step(Checksum *checksum, int64_t length)
{
    bool zero = true;
    while (length > 0) {
        const ImageExtent *extent = &checksum->extents.items[checksum->extent];
        int64_t part = extent->length - checksum->extent_used;
        if (part > length)
            part = length;
        zero &= extent->zero;
        length -= part;
        checksum->extent_used += part;
        if (checksum->extent_used == extent->length) {
            checksum->extent++;
            checksum->extent_used = 0;
        }
    }
    return zero;
}

static void checksum_go_on(Checksum *checksum)
{
    int64_t size = checksum->operation.length;
    checksum_fold(checksum);
    while (checksum->next < size && checksum->count < BLOCKS) {
        int64_t length = checksum->block_size;
        if (length > size - checksum->next)
            length = size - checksum->next;
        if (checksum->window < checksum->next + length) {
            if (!checksum->count) // or whoever reads the last block will come here again
                checksum_ask(checksum);
            return;
        }
        bool zero = checksum_step(checksum, length) && length == checksum->block_size;
        if (!zero)
            checksum_read(checksum, length);
        else if (checksum->count) { // keeps its place in the order
            Block *block = &checksum->blocks[(checksum->first + checksum->count++) % BLOCKS];
            memcpy(block->digest, checksum->zero, checksum->zero_length);
            block->digest_length = checksum->zero_length;
            block->length = (size_t)length;
            block->done = true;
        } else {
            hash_update(checksum->outer, checksum->zero, checksum->zero_length);
            operation_progress(&checksum->operation, length);
        }
        checksum->next += length;
    }
    if (checksum->next >= size && !checksum->count)
        checksum_answer(checksum);
}

// ---- life

static void zero_hash(uv_work_t *work)
{
    Block *block = work->data;
    Checksum *checksum = block->checksum;
    AUTO_FREE char *zeroes = memory_new(1, (size_t)checksum->block_size);
    checksum->zero_length =
        hash_digest(checksum->algorithm, zeroes, (size_t)checksum->block_size, checksum->zero);
}

static void checksum_start(ImageOperation *operation)
{
    Checksum *checksum = CONTAINER(operation, Checksum, operation);
    Block *block = &checksum->blocks[0];
    operation->length = operation->backend->size;
    if (operation->length > operation->use.ticket->size)
        operation->length = operation->use.ticket->size;
    checksum->outer = hash_new(checksum->algorithm);
    block->checksum = checksum;
    block->work.data = block;
    operation->in_flight++;
    uv_queue_work(operation->server->loop, &block->work, zero_hash, block_hashed);
}

static void checksum_done(ImageOperation *operation)
{
    Checksum *checksum = CONTAINER(operation, Checksum, operation);
    unsigned char digest[HASH_DIGEST_MAX];
    for (int i = 0; i < BLOCKS; i++)
        free(checksum->blocks[i].data);
    extent_list_done(&checksum->extents);
    if (checksum->outer)
        hash_finish(checksum->outer, digest);
}

static const OperationKind checksum_kind = {
    .name = "Checksumming",
    .size = sizeof(Checksum),
    .start = checksum_start,
    .done = checksum_done,
};

static int checksum_parse(const char *query, const HashAlgorithm **ret_algorithm,
                          int64_t *ret_block_size, Fail *why)
{
    AUTO_FREE char *name = image_query_get(query, "algorithm");
    AUTO_FREE char *text = image_query_get(query, "block_size");
    char *end = NULL;
    long long size = text ? strtoll(text, &end, 10) : BLOCK_DEFAULT;
    *ret_algorithm = hash_algorithm(name ? name : "blake2b");
    *ret_block_size = size;
    if (!*ret_algorithm)
        return fail_set(why, FAIL_INVALID, "The checksum's algorithm \"%.20s\" is unknown.", name);
    if ((end && *end) || size < BLOCK_MIN || size > BLOCK_MAX || size % 4096)
        return fail_set(why, FAIL_INVALID, "block_size must be a multiple of 4096, %d to %d.",
                        BLOCK_MIN, BLOCK_MAX);
    return 0;
}

void image_checksum(ImageServer *server, ImageTicket *ticket, Http *http)
{
    AUTO_FAIL why = {0};
    const HashAlgorithm *algorithm;
    int64_t block_size;
    if (checksum_parse(http_head(http)->query, &algorithm, &block_size, &why)) {
        image_reply_fail(http, &why);
        return;
    }
    ImageOperation *operation = operation_new(server, &checksum_kind, ticket, http);
    Checksum *checksum = CONTAINER(operation, Checksum, operation);
    checksum->algorithm = algorithm;
    checksum->block_size = block_size;
    operation_begin(operation);
}

void image_algorithms(Http *http)
{
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    json_open(&writer, '{');
    json_key(&writer, "algorithms");
    json_open(&writer, '[');
    for (size_t i = 0; i < hash_algorithm_count; i++)
        json_put_string(&writer, hash_algorithms[i].name);
    json_close(&writer, ']');
    json_close(&writer, '}');
    strbuf_addc(&text, '\n');
    http_reply(http, 200, "application/json", text.data, text.length);
}
