#include "agent/storage/qemu_image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spawn.h"

enum {
    SHORT_MS = 60000, // qemu-img looks at an image; a server that is slower than that is gone
    STOP_POLL_MS = 200,
    UNTRUSTED_CPU_S = 30,
};

// ---- one run of the program

typedef struct QemuRun {
    Spawn *spawn;
    const QemuProgress *progress;
    uv_timer_t poll;
    char **ret_output;
    Fail *why;
    int accepted; // an exit code that is fine besides 0
    bool good, stopped;
} QemuRun;

static void run_done(const SpawnResult *result, void *argument)
{
    QemuRun *run = argument;
    run->good = (run->accepted && result->exit_code == run->accepted) ||
                spawn_succeeded(result, "qemu-img", run->why);
    if (run->good && run->ret_output)
        *run->ret_output = memory_bytes(result->output, result->output_length);
    run->spawn = NULL;
    uv_close((uv_handle_t *)&run->poll, NULL);
}

static void run_poll(uv_timer_t *timer)
{
    QemuRun *run = timer->data;
    if (run->stopped || !run->spawn || !atomic_load(run->progress->stop))
        return;
    run->stopped = true;
    spawn_kill(run->spawn, SIGTERM);
}

int qemu_progress_parse(const char *data, size_t length)
{
    int percent = -1;
    for (size_t i = 0; i + 1 < length; i++) {
        if (data[i] != '(' || data[i + 1] < '0' || data[i + 1] > '9')
            continue;
        int number = 0;
        size_t at = i + 1;
        for (; at < length && data[at] >= '0' && data[at] <= '9' && number <= 100; at++)
            number = number * 10 + (data[at] - '0');
        if (at < length && (data[at] == '.' || data[at] == '/') && number <= 100)
            percent = number;
    }
    return percent;
}

static void run_heard(const char *data, size_t length, void *argument)
{
    QemuRun *run = argument;
    int percent = qemu_progress_parse(data, length);
    if (percent >= 0 && run->progress->percent)
        atomic_store(run->progress->percent, percent);
}

// `words` is the program's own command line, without the owner's prefix.
static bool qemu_run(const StorageOwner *owner, Array *words, int timeout_ms, QemuRun *run)
{
    AUTO_ARRAY arguments = {0};
    OwnerWords owner_words;
    uv_loop_t loop;
    storage_owner_prefix(owner, &owner_words, &arguments);
    for (size_t i = 0; i < words->count; i++)
        array_add(&arguments, words->items[i]);
    array_add(&arguments, NULL);
    uv_loop_init(&loop);
    uv_timer_init(&loop, &run->poll);
    run->poll.data = run;
    run->spawn =
        spawn_start(&loop, (const char *const *)arguments.items, NULL, timeout_ms, run_done, run);
    if (run->progress) {
        spawn_on_output(run->spawn, run_heard, run);
        uv_timer_start(&run->poll, run_poll, STOP_POLL_MS, STOP_POLL_MS);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return run->good && !run->stopped;
}

static void words_add(Array *words, const char *const *more)
{
    for (; *more; more++)
        array_add(words, (void *)*more);
}
#define WORDS(words, ...) words_add((words), (const char *const[]){__VA_ARGS__, NULL})

static int run_json(const StorageOwner *owner, Array *words, int accepted, Arena *arena,
                    const Json **ret, Fail *why)
{
    AUTO_FREE char *output = NULL;
    const char *error = NULL;
    size_t offset = 0;
    QemuRun run = {.ret_output = &output, .why = why, .accepted = accepted};
    if (!qemu_run(owner, words, SHORT_MS, &run))
        return VDSM_STORAGE;
    const Json *json = json_parse(arena, output, strlen(output), &error, &offset);
    if (!json)
        return storage_fail(why, VDSM_STORAGE, "qemu-img answered something odd: %s at byte %zu",
                            error, offset);
    *ret = json;
    return 0;
}

// ---- what it is asked

int qemu_image_create(const StorageOwner *owner, const char *path, int64_t capacity,
                      bool compat_1_1, const char *backing, VolumeFormat backing_format, Fail *why)
{
    AUTO_ARRAY words = {0};
    AUTO_FREE char *size = memory_format("%lld", (long long)capacity);
    QemuRun run = {.why = why};
    WORDS(&words, "qemu-img", "create", "-q", "-f", "qcow2", "-o",
          compat_1_1 ? "compat=1.1" : "compat=0.10");
    // -u: the parent need not be there yet, and its size is known.
    if (backing)
        WORDS(&words, "-u", "-b", backing, "-F", volume_format_qemu(backing_format));
    WORDS(&words, path, size);
    return qemu_run(owner, &words, SHORT_MS, &run) ? 0 : VDSM_VOLUME_CREATION;
}

int qemu_image_info(const StorageOwner *owner, Arena *arena, const char *path, const char *format,
                    bool untrusted, const Json **ret, Fail *why)
{
    AUTO_ARRAY words = {0};
    char cpu[32];
    snprintf(cpu, sizeof(cpu), "--cpu=%d", UNTRUSTED_CPU_S);
    if (untrusted)
        WORDS(&words, "prlimit", cpu, "--as=1073741824", "--");
    WORDS(&words, "qemu-img", "info", "--output", "json", "-U");
    if (format)
        WORDS(&words, "-f", format);
    WORDS(&words, path);
    return run_json(owner, &words, 0, arena, ret, why);
}

static void measure_node(JsonWriter *writer, const char *path, VolumeFormat format)
{
    json_add_string(writer, "driver", volume_format_qemu(format));
    json_key(writer, "file");
    json_open(writer, '{');
    json_add_string(writer, "driver", "file");
    json_add_string(writer, "filename", path);
    json_close(writer, '}');
}

static void measure_no_backing(JsonWriter *writer)
{
    json_key(writer, "backing");
    json_put_null(writer);
}

int qemu_image_measure(const StorageOwner *owner, Arena *arena, const char *path,
                       VolumeFormat format, VolumeFormat target, bool backing, const char *base,
                       VolumeFormat base_format, const Json **ret, Fail *why)
{
    AUTO_ARRAY words = {0};
    AUTO_STRBUF node = {0};
    JsonWriter writer = {.out = &node};
    strbuf_adds(&node, "json:");
    json_open(&writer, '{');
    measure_node(&writer, path, format);
    if (format == VOLUME_COW && !backing)
        measure_no_backing(&writer);
    else if (format == VOLUME_COW && base) {
        json_key(&writer, "backing");
        json_open(&writer, '{');
        measure_node(&writer, base, base_format);
        if (base_format == VOLUME_COW)
            measure_no_backing(&writer);
        json_close(&writer, '}');
    }
    json_close(&writer, '}');
    WORDS(&words, "qemu-img", "measure", "--output", "json", "--force-share", "-O",
          volume_format_qemu(target), node.data);
    return run_json(owner, &words, 0, arena, ret, why);
}

int qemu_image_resize(const StorageOwner *owner, const char *path, int64_t capacity, Fail *why)
{
    AUTO_ARRAY words = {0};
    AUTO_FREE char *size = memory_format("%lld", (long long)capacity);
    QemuRun run = {.why = why};
    WORDS(&words, "qemu-img", "resize", "-q", "-f", "qcow2", path, size);
    return qemu_run(owner, &words, SHORT_MS, &run) ? 0 : VDSM_VOLUME_EXTENDING;
}

int qemu_image_end(const StorageOwner *owner, const char *path, int64_t *ret, Fail *why)
{
    enum { LEAKS_ONLY = 3 };
    AUTO_ARRAY words = {0};
    AUTO_ARENA arena = {0};
    const Json *json = NULL;
    arena_init(&arena, 4096);
    WORDS(&words, "qemu-img", "check", "--output", "json", "-f", "qcow2", path);
    int error = run_json(owner, &words, LEAKS_ONLY, &arena, &json, why);
    if (error)
        return error;
    *ret = json_get_integer(json, "image-end-offset", -1);
    if (*ret < 0)
        return storage_fail(why, VDSM_STORAGE, "qemu-img does not say where %s ends", path);
    return 0;
}

int qemu_image_add_bitmap(const StorageOwner *owner, const char *path, const char *name, Fail *why)
{
    AUTO_ARRAY words = {0};
    QemuRun run = {.why = why};
    WORDS(&words, "qemu-img", "bitmap", "--add", "-f", "qcow2", path, name);
    return qemu_run(owner, &words, SHORT_MS, &run) ? 0 : VDSM_VOLUME_CREATION;
}

int qemu_image_copy(const StorageOwner *owner, const QemuCopy *copy, const QemuProgress *progress,
                    Fail *why)
{
    AUTO_ARRAY words = {0};
    QemuRun run = {.why = why, .progress = progress};
    WORDS(&words, "qemu-img", "convert", "-p", "-t", "none", "-T", "none", "-f",
          volume_format_qemu(copy->source_format), "-O", volume_format_qemu(copy->target_format));
    if (copy->create && copy->target_format == VOLUME_COW)
        WORDS(&words, "-o", "compat=1.1");
    if (!copy->create)
        WORDS(&words, "-n");
    if (!copy->create && !copy->backing && copy->target_is_zero)
        WORDS(&words, "--target-is-zero");
    if (copy->backing)
        WORDS(&words, "-B", copy->backing, "-F", volume_format_qemu(copy->backing_format));
    if (copy->bitmaps)
        WORDS(&words, "--bitmaps", "--skip-broken-bitmaps");
    WORDS(&words, copy->source, copy->target);
    if (qemu_run(owner, &words, 0, &run))
        return 0;
    if (!run.stopped)
        return VDSM_VOLUME_COPY;
    if (why)
        fail_done(why); // its words on the signal are not what happened
    return storage_fail(why, VDSM_TASK_ABORTED, "The copy to %s was stopped", copy->target);
}
