#include "agent/image/nbd_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/spawn.h"
#include "base/uuid.h"

enum {
    QEMU_IMG_MS = 120000,
    STORAGE_ID = 36, // user and group of volumes in RHV, whatever their names
};

// ---- configuration

int nbd_config_read(NbdConfig *config, const Json *json, Fail *why)
{
    const char *domain = json_get_string(json, "sd_id");
    const char *image = json_get_string(json, "img_id");
    const char *volume = json_get_string(json, "vol_id");
    const char *bitmap = json_get_string(json, "bitmap");
    const Json *chain = json_get(json, "backing_chain");
    if (!domain || !image || !volume || !uuid_valid(domain) || !uuid_valid(image) ||
        !uuid_valid(volume) || (bitmap && !uuid_valid(bitmap)))
        return fail_set(why, FAIL_INVALID, "sd_id, img_id, vol_id and bitmap must be UUIDs.");
    NbdConfig fresh = {.readonly = json_get_bool(json, "readonly", false),
                       .discard = json_get_bool(json, "discard", false),
                       .detect_zeroes = json_get_bool(json, "detect_zeroes", false),
                       .backing_chain = true};
    if (chain)
        json_bool(chain, &fresh.backing_chain);
    if (bitmap && (!fresh.readonly || !fresh.backing_chain))
        return fail_set(why, FAIL_INVALID,
                        "A bitmap can be exported only for reading and with the whole chain.");
    fresh.domain = memory_string(domain);
    fresh.image = memory_string(image);
    fresh.volume = memory_string(volume);
    fresh.bitmap = memory_string(bitmap);
    *config = fresh;
    return 0;
}

void nbd_config_write(const NbdConfig *config, JsonWriter *writer)
{
    json_open(writer, '{');
    json_add_string(writer, "sd_id", config->domain);
    json_add_string(writer, "img_id", config->image);
    json_add_string(writer, "vol_id", config->volume);
    json_add_bool(writer, "readonly", config->readonly);
    json_add_bool(writer, "discard", config->discard);
    json_add_bool(writer, "detect_zeroes", config->detect_zeroes);
    json_add_bool(writer, "backing_chain", config->backing_chain);
    if (config->bitmap)
        json_add_string(writer, "bitmap", config->bitmap);
    json_close(writer, '}');
}

void nbd_config_copy(NbdConfig *to, const NbdConfig *from)
{
    *to = *from;
    to->domain = memory_string(from->domain);
    to->image = memory_string(from->image);
    to->volume = memory_string(from->volume);
    to->bitmap = memory_string(from->bitmap);
}

static bool text_equal(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

bool nbd_config_equal(const NbdConfig *a, const NbdConfig *b)
{
    return text_equal(a->domain, b->domain) && text_equal(a->image, b->image) &&
           text_equal(a->volume, b->volume) && text_equal(a->bitmap, b->bitmap) &&
           a->readonly == b->readonly && a->discard == b->discard &&
           a->detect_zeroes == b->detect_zeroes && a->backing_chain == b->backing_chain;
}

void nbd_config_done(NbdConfig *config)
{
    free(config->domain);
    free(config->image);
    free(config->volume);
    free(config->bitmap);
    *config = (NbdConfig){0};
}

NbdUser nbd_user(const Config *config)
{
    NbdUser user = {
        .other = geteuid() == 0 && *config->storage_user, .user = STORAGE_ID, .group = STORAGE_ID};
    struct passwd *passwd = user.other ? getpwnam(config->storage_user) : NULL;
    struct group *group = user.other ? getgrnam(config->storage_group) : NULL;
    if (passwd)
        user.user = passwd->pw_uid;
    if (group)
        user.group = group->gr_gid;
    return user;
}

// ---- opening

static int path_open(const char *path, const NbdUser *user, int flags)
{
    if (user->other) { // these two count for this thread only
        setfsgid(user->group);
        setfsuid(user->user);
    }
    int fd = open(path, flags | O_CLOEXEC);
    int error = fd < 0 ? -errno : 0;
    if (user->other) {
        setfsuid(geteuid());
        setfsgid(getegid());
    }
    if (fd >= 0)
        close(fd);
    return error;
}

// Chooses the user and says whether the page cache can be passed by.
static int plan_probe(NbdPlan *plan, const char *path, bool *ret_direct)
{
    int flags = plan->config.readonly ? O_RDONLY : O_RDWR;
    int error = path_open(path, &plan->user, flags);
    if (error && plan->user.other) {
        NbdUser self = {0};
        if (path_open(path, &self, flags) == 0) {
            plan->user = self;
            error = 0;
        }
    }
    *ret_direct = !error && path_open(path, &plan->user, flags | O_DIRECT) == 0;
    return error;
}

// ---- the chain of bitmaps

static const Json *bitmap_find(const Json *node, const char *name)
{
    const Json *specific = json_get(json_get(node, "format-specific"), "data");
    JSON_EACH(json_get(specific, "bitmaps"), bitmap) {
        const char *found = json_get_string(bitmap, "name");
        if (found && !strcmp(found, name))
            return bitmap;
    }
    return NULL;
}

static bool bitmap_has_flag(const Json *bitmap, const char *name)
{
    JSON_EACH(json_get(bitmap, "flags"), flag)
        if (json_string(flag) && !strcmp(json_string(flag), name))
            return true;
    return false;
}

static void plan_fail(NbdPlan *plan, VdsmError error, const char *text)
{
    plan->error = error;
    fail_set(&plan->why, FAIL_STATE, "Bitmap %s of volume %s %s.", plan->config.bitmap,
             plan->config.volume, text);
}

// Files from the top down that have the bitmap, without a gap; only then it tells all changes.
static void plan_collect_bitmaps(NbdPlan *plan, const Json *chain, Array *files)
{
    bool missing = false;
    JSON_EACH(chain, node) {
        const char *format = json_get_string(node, "format");
        const Json *bitmap = bitmap_find(node, plan->config.bitmap);
        if (!format || strcmp(format, "qcow2"))
            break;
        if (!bitmap) {
            missing = true;
            continue;
        }
        if (bitmap_has_flag(bitmap, "in-use"))
            plan_fail(plan, VDSM_BITMAP_CHAIN, "was not closed properly and can't be trusted");
        else if (!bitmap_has_flag(bitmap, "auto"))
            plan_fail(plan, VDSM_BITMAP_CHAIN, "is disabled");
        else if (missing)
            plan_fail(plan, VDSM_BITMAP_CHAIN, "is missing in a file above one that has it");
        if (plan->error)
            return;
        array_add(files, (void *)json_get_string(node, "filename"));
    }
    if (!files->count)
        plan_fail(plan, VDSM_BITMAP_MISSING, "does not exist");
}

static bool plan_run(NbdPlan *plan, const char *const argv[], char **ret_output)
{
    if (spawn_run(argv, NULL, QEMU_IMG_MS, ret_output, &plan->why) == 0)
        return true;
    plan->error = VDSM_STORAGE;
    return false;
}

static void plan_join_bitmaps(NbdPlan *plan, const char *path, const Array *files)
{
    const char *overlay = plan->overlay, *bitmap = plan->config.bitmap;
    const char *const create[] = {"qemu-img", "create", "-q", "-f",    "qcow2", "-F",
                                  "qcow2",    "-b",     path, overlay, NULL};
    const char *const add[] = {"qemu-img", "bitmap", "--add", overlay, bitmap, NULL};
    unlink(overlay);
    bool good = plan_run(plan, create, NULL) && plan_run(plan, add, NULL);
    for (size_t i = 0; good && i < files->count; i++) {
        const char *const merge[] = {"qemu-img", "bitmap", "--merge", bitmap, "-b", files->items[i],
                                     "-F",       "qcow2",  overlay,   bitmap, NULL};
        good = plan_run(plan, merge, NULL);
    }
    if (good && plan->user.other && chown(overlay, plan->user.user, plan->user.group) < 0) {
        plan->error = VDSM_STORAGE;
        fail_errno(&plan->why, FAIL_INTERNAL, -errno, "The owner of %s can't be set", overlay);
    }
}

// Returns the path to export: the volume itself or an overlay over it.
static const char *plan_bitmap(NbdPlan *plan, const VolumePath *volume)
{
    const char *const info[] = {
        "qemu-img",   "info", "--force-share", "--backing-chain", "--output=json",
        volume->path, NULL};
    AUTO_FREE char *text = NULL;
    AUTO_ARENA arena;
    AUTO_ARRAY files = {0};
    const char *error = NULL;
    size_t offset = 0;
    arena_init(&arena, 16384);
    if (!volume->qcow2) {
        plan->error = VDSM_UNSUPPORTED_STORAGE_OPERATION;
        fail_set(&plan->why, FAIL_INVALID, "Volume %s is raw and has no bitmaps.",
                 plan->config.volume);
        return NULL;
    }
    if (!plan_run(plan, info, &text))
        return NULL;
    const Json *chain = json_parse(&arena, text, strlen(text), &error, &offset);
    plan_collect_bitmaps(plan, chain, &files);
    if (plan->error || files.count < 2)
        return volume->path;
    plan_join_bitmaps(plan, volume->path, &files);
    return plan->overlay;
}

// ---- the program

static void plan_add(NbdPlan *plan, const char *option, const char *value)
{
    array_add(&plan->argv, memory_format("%s%s", option, value));
}

static char *plan_image(const NbdPlan *plan, const char *path, bool qcow2)
{
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    struct stat info;
    bool device = stat(path, &info) == 0 && S_ISBLK(info.st_mode);
    json_open(&writer, '{');
    json_add_string(&writer, "driver", qcow2 ? "qcow2" : "raw");
    json_key(&writer, "file");
    json_open(&writer, '{');
    json_add_string(&writer, "driver", device ? "host_device" : "file");
    json_add_string(&writer, "filename", path);
    json_close(&writer, '}');
    if (qcow2 && !plan->config.backing_chain) {
        json_key(&writer, "backing");
        json_put_null(&writer);
    }
    json_close(&writer, '}');
    return strbuf_take(&text);
}

static void plan_arguments(NbdPlan *plan, const char *path, bool qcow2, bool direct)
{
    const NbdConfig *config = &plan->config;
    AUTO_FREE char *image = plan_image(plan, path, qcow2);
    plan_add(plan, "qemu-nbd", "");
    plan_add(plan, "--socket=", plan->socket);
    plan_add(plan, "--persistent", "");
    plan_add(plan, "--shared=8", "");
    plan_add(plan, "--export-name=", "");
    // Linux's own asynchronous I/O is the fastest here, and works only past the page cache.
    plan_add(plan, "--cache=", direct ? "none" : "writeback");
    plan_add(plan, "--aio=", direct ? "native" : "threads");
    if (qcow2)
        plan_add(plan, "--allocation-depth", "");
    if (config->readonly)
        plan_add(plan, "--read-only", "");
    else {
        if (config->discard)
            plan_add(plan, "--discard=", "unmap");
        if (config->detect_zeroes)
            plan_add(plan, "--detect-zeroes=", config->discard ? "unmap" : "on");
    }
    if (config->bitmap)
        plan_add(plan, "--bitmap=", config->bitmap);
    plan_add(plan, "json:", image);
    array_add(&plan->argv, NULL);
}

void nbd_plan_make(NbdPlan *plan)
{
    const NbdConfig *config = &plan->config;
    VolumePath volume = {0};
    bool direct = false;
    // An image that is being uploaded is illegal until it is complete.
    plan->error = storage_prepare(plan->storage, config->domain, config->image, config->volume,
                                  true, &volume, &plan->why);
    if (plan->error)
        return;
    const char *path = volume.path;
    int error = plan_probe(plan, path, &direct);
    if (volume.shared && !config->readonly) {
        plan->error = VDSM_SHARED_NOT_WRITABLE;
        fail_set(&plan->why, FAIL_STATE, "Volume %s belongs to a template.", config->volume);
    } else if (error) {
        plan->error = VDSM_VOLUME_ACCESS;
        fail_errno(&plan->why, FAIL_INTERNAL, error, "Volume %s can't be opened", config->volume);
    } else if (config->bitmap) {
        path = plan_bitmap(plan, &volume);
        if (!plan->error && path == plan->overlay)
            plan_probe(plan, path, &direct);
    }
    if (!plan->error)
        plan_arguments(plan, path, volume.qcow2, direct);
    volume_path_done(&volume);
}

void nbd_plan_done(NbdPlan *plan)
{
    for (size_t i = 0; i < plan->argv.count; i++)
        free(plan->argv.items[i]);
    array_done(&plan->argv);
    nbd_config_done(&plan->config);
    fail_done(&plan->why);
}
