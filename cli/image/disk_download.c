// A disk's content into an image file. Zeroes become holes; what fails leaves no file.
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <unistd.h>

#include "cli/client/json_path.h"
#include "cli/client/resolve.h"
#include "cli/image/image_file.h"
#include "cli/image/transfer.h"
#include "cli/output/size.h"
#include "cli/verbs/runs.h"

typedef struct Download {
    Transfer transfer;
    const char *path; // of the file
    const char *part; // its name until it is whole
    int fd;
    bool cow;
    int64_t size;
} Download;

// ---- what can be checked first

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length > tail && !strcmp(text + length - tail, end);
}

static int download_choose_format(Download *download, Fail *why)
{
    Cli *cli = download->transfer.cli;
    const char *format = command_text(&cli->command, "format");
    const Json *disk = NULL;
    download->cow = format ? strcmp(format, "raw") != 0 : ends_with(download->path, ".qcow2");
    int result =
        rest_get(cli, &cli->arena, arena_format(&cli->arena, "disks/%s", download->transfer.disk),
                 &disk, why);
    if (result)
        return result;
    const char *own = json_get_string(disk, "format");
    if (!download->cow || (own && !strcmp(own, "cow")))
        return 0;
    fail_set(why, FAIL_INVALID, "The disk is raw; it can't be downloaded as qcow2.");
    fail_hint(why, "Use --format raw, and qemu-img convert afterwards");
    return -EINVAL;
}

static int download_create_file(Download *download, Fail *why)
{
    bool force = command_flag(&download->transfer.cli->command, "force");
    if (!force && access(download->path, F_OK) == 0) {
        fail_set(why, FAIL_EXISTS, "%s exists.", download->path);
        fail_hint(why, "--force replaces it");
        return -EEXIST;
    }
    download->part = arena_format(&download->transfer.cli->arena, "%s.part", download->path);
    download->fd = open(download->part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (download->fd < 0)
        return fail_errno(why, FAIL_INVALID, errno, "%s can't be written", download->part);
    return 0;
}

// ---- the data

static int download_piece(Worker *worker, const Piece *piece, Fail *why)
{
    Download *download = worker->owner;
    return image_get(worker, download->transfer.url, download->fd, piece, why);
}

static int download_rescue(void *argument, Fail *why)
{
    return transfer_rescue(&((Download *)argument)->transfer, why);
}

static int download_plan(Download *download, Pieces *ret, Fail *why)
{
    Transfer *transfer = &download->transfer;
    AUTO_PIECES all = {0};
    const Json *list = NULL;
    int result;
    if (!transfer->abilities.extents) {
        result = image_length(transfer->http, transfer->url, &download->size, why);
        pieces_add(ret, 0, result ? 0 : download->size, false);
        return result;
    }
    result = image_extents(transfer->http, transfer->url, &transfer->cli->arena, &list, why);
    if (!result && !pieces_of_extents(list, &all, &download->size))
        result = fail_set(why, FAIL_INTERNAL, "The image server's list of extents is malformed.");
    for (size_t i = 0; !result && i < all.count; i++)
        if (!all.items[i].zero)
            pieces_add(ret, all.items[i].offset, all.items[i].length, false);
    return result;
}

// A qcow2 that stands on a snapshot below it is worth nothing alone.
static int download_check_header(const Download *download, Fail *why)
{
    const Transfer *transfer = &download->transfer;
    AUTO_STRBUF header = {0};
    int64_t size;
    if (!download->cow)
        return 0;
    int result = image_read(transfer->http, transfer->url, 0, QCOW2_HEADER_SIZE, &header, why);
    if (!result)
        result = qcow2_header_parse((const unsigned char *)header.data, header.length,
                                    "The disk's image", &size, why);
    if (result)
        fail_hint(why, "Use --format raw: it has everything the guest sees");
    return result;
}

static int download_fetch(Download *download, Fail *why)
{
    Transfer *transfer = &download->transfer;
    AUTO_PIECES pieces = {0};
    AUTO_PROGRESS progress;
    int result = download_check_header(download, why);
    if (!result)
        result = download_plan(download, &pieces, why);
    if (result)
        return result;
    PieceJob job = {.pieces = &pieces,
                    .work = download_piece,
                    .owner = download,
                    .authority = transfer->cli->session.ca_file,
                    .connections = transfer_connections(transfer, transfer->abilities.readers),
                    .timeout_s = transfer->timeout_s,
                    .rescue = download_rescue};
    progress_init(&progress, transfer->what, transfer->cli->quiet || transfer->cli->json);
    result = workers_run(&job, &progress, why);
    if (!result && (ftruncate(download->fd, download->size) < 0 || fsync(download->fd) < 0))
        result = fail_errno(why, FAIL_INVALID, errno, "%s can't be written", download->part);
    return result;
}

// ---- the whole

static int download_run(Download *download, Fail *why)
{
    Transfer *transfer = &download->transfer;
    int result = transfer_begin(transfer, "download", download->cow ? "cow" : "raw", why);
    if (result)
        return result;
    result = download_fetch(download, why);
    if (!result)
        result = transfer_finish(transfer, why);
    else {
        http_forgive();
        transfer->cli->quiet = true;
        transfer_cancel(transfer);
    }
    transfer_done(transfer);
    return result;
}

static int download_keep(Download *download, int result, Fail *why)
{
    if (!result && rename(download->part, download->path) < 0)
        result = fail_errno(why, FAIL_INVALID, errno, "%s can't be written", download->path);
    if (result && download->part)
        unlink(download->part);
    if (download->fd >= 0)
        close(download->fd);
    return result;
}

int run_disk_download(Cli *cli, Fail *why)
{
    Download download = {.transfer = {.cli = cli}, .fd = -1};
    char size[SIZE_TEXT];
    download.path = command_text(&cli->command, "FILE");
    AUTO_FREE char *copy = memory_string(download.path);
    download.transfer.what = basename(copy);
    download.transfer.timeout_s = command_number(&cli->command, "timeout", 60);
    int result = resolve_command(cli, why);
    if (!result) {
        download.transfer.disk = command_argument(&cli->command, 1)->id;
        result = download_choose_format(&download, why);
    }
    if (!result)
        result = download_create_file(&download, why);
    if (!result)
        result = download_keep(&download, download_run(&download, why), why);
    if (!result && !cli->quiet)
        printf("%s downloaded, %s\n", download.path, size_format(download.size, size));
    return result;
}
