// A disk made of an image file. Only data is sent; what fails or is interrupted leaves no disk.
#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <unistd.h>

#include "cli/client/json_path.h"
#include "cli/client/resolve.h"
#include "cli/client/wait.h"
#include "cli/commands/plain.h"
#include "cli/image/image_file.h"
#include "cli/image/transfer.h"
#include "cli/output/column.h"
#include "cli/output/size.h"
#include "cli/verbs/runs.h"

enum { REMOVE_WAIT_S = 30, DISK_WAIT_S = 600 };

typedef struct Upload {
    Transfer transfer;
    ImageFile file;
    const char *path, *name;
    bool cow; // format of the disk
} Upload;

// ---- the disk

static int upload_choose_format(Upload *upload, Fail *why)
{
    const char *format = command_text(&upload->transfer.cli->command, "format");
    upload->cow = format ? strcmp(format, "raw") != 0 : upload->file.qcow2;
    if (upload->cow == upload->file.qcow2 || !upload->file.qcow2)
        return 0;
    fail_set(why, FAIL_INVALID, "%s is qcow2; a raw disk can't be made of it here.", upload->path);
    fail_hint(why, "Convert it with qemu-img convert -O raw");
    return -EINVAL;
}

// Raw disks on block storage take all their room at once.
static int upload_is_sparse(Upload *upload, const char *storage, bool *ret, Fail *why)
{
    Cli *cli = upload->transfer.cli;
    const Value *wanted = command_value(&cli->command, "sparse");
    const Json *domain = NULL;
    *ret = wanted ? wanted->number : true;
    if (wanted || upload->cow)
        return 0;
    int result = rest_get(cli, &cli->arena, arena_format(&cli->arena, "storagedomains/%s", storage),
                          &domain, why);
    const char *type = json_text_at(&cli->arena, domain, "storage.type");
    *ret = !type || (strcmp(type, "iscsi") && strcmp(type, "fcp"));
    return result;
}

static int upload_disk_body(Upload *upload, Json **ret, Fail *why)
{
    Cli *cli = upload->transfer.cli;
    Arena *arena = &cli->arena;
    const char *storage = command_value(&cli->command, "storage")->id;
    const char *description = command_text(&cli->command, "description");
    bool sparse;
    Json *body = json_new_object(arena);
    json_set_string(arena, body, "name", upload->name);
    json_set_string(arena, body, "format", upload->cow ? "cow" : "raw");
    json_set_integer(arena, body, "provisioned_size", upload->file.virtual_size);
    if (upload->file.qcow2)
        json_set_integer(arena, body, "initial_size", upload->file.length);
    if (upload->file.iso)
        json_set_string(arena, body, "content_type", "iso");
    if (description)
        json_set_string(arena, body, "description", description);
    json_set_string(arena, body, "storage_domains.storage_domain[].id", storage);
    int result = upload_is_sparse(upload, storage, &sparse, why);
    json_set_bool(arena, body, "sparse", sparse);
    *ret = body;
    return result;
}

static int disk_wait(Upload *upload, const char *until, int64_t timeout_s, Fail *why)
{
    Cli *cli = upload->transfer.cli;
    const char *state;
    Wait wait = {.what = upload->name,
                 .path = arena_format(&cli->arena, "disks/%s", upload->transfer.disk),
                 .until = until,
                 .correlation = cli->correlation,
                 .timeout_s = timeout_s};
    return wait_for(cli, &wait, &state, why);
}

static int upload_make_disk(Upload *upload, Fail *why)
{
    Cli *cli = upload->transfer.cli;
    const Json *answer = NULL;
    Json *body;
    int result = upload_disk_body(upload, &body, why);
    call_new_correlation(cli);
    if (!result)
        result = rest_call(cli, &cli->arena, "POST", "disks", body, &answer, why);
    if (result)
        return result;
    upload->transfer.disk = json_get_string(answer, "id");
    if (!upload->transfer.disk)
        return fail_set(why, FAIL_INTERNAL, "The manager did not tell the new disk's id.");
    return disk_wait(upload, "status=ok!illegal", DISK_WAIT_S, why);
}

// ---- the data

static int upload_piece(Worker *worker, const Piece *piece, Fail *why)
{
    Upload *upload = worker->owner;
    const Transfer *transfer = &upload->transfer;
    if (piece->zero && transfer->abilities.zero)
        return image_zero(worker, transfer->url, piece, why);
    return image_put(worker, transfer->url, upload->file.fd, piece, why);
}

static int upload_rescue(void *argument, Fail *why)
{
    return transfer_rescue(&((Upload *)argument)->transfer, why);
}

static int upload_pieces(const Upload *upload, Pieces *ret, Fail *why)
{
    const ImageFile *file = &upload->file;
    int result = pieces_of_file(file->fd, file->length, ret);
    if (result)
        return fail_errno(why, FAIL_INVALID, result, "%s can't be read", upload->path);
    if (!file->qcow2) // the last sector is filled up
        pieces_add(ret, file->length, file->virtual_size - file->length, true);
    return 0;
}

static int upload_send(Upload *upload, Fail *why)
{
    Transfer *transfer = &upload->transfer;
    AUTO_PIECES pieces = {0};
    AUTO_PROGRESS progress;
    int result = upload_pieces(upload, &pieces, why);
    if (result)
        return result;
    PieceJob job = {.pieces = &pieces,
                    .work = upload_piece,
                    .owner = upload,
                    .authority = transfer->cli->session.ca_file,
                    .connections = transfer_connections(transfer, transfer->abilities.writers),
                    .timeout_s = transfer->timeout_s,
                    .rescue = upload_rescue};
    progress_init(&progress, upload->path, transfer->cli->quiet || transfer->cli->json);
    result = workers_run(&job, &progress, why);
    if (!result && transfer->abilities.flush)
        result = image_flush(transfer->http, transfer->url, why);
    return result;
}

// ---- the whole

// The manager removes the disk of an upload that was cancelled; this is for when it does not.
static void upload_undo(Upload *upload)
{
    Transfer *transfer = &upload->transfer;
    Cli *cli = transfer->cli;
    AUTO_FAIL trouble = {0};
    const Json *answer = NULL;
    http_forgive();
    cli->quiet = true;
    if (!transfer->disk)
        return;
    transfer_cancel(transfer);
    if (!disk_wait(upload, "status=ok|illegal|gone", REMOVE_WAIT_S, &trouble) &&
        rest_call(cli, &cli->arena, "DELETE", arena_format(&cli->arena, "disks/%s", transfer->disk),
                  NULL, &answer, &trouble) &&
        trouble.code != FAIL_NOT_FOUND)
        fprintf(stderr, "vireo: the unfinished disk %s can't be removed: %s\n", transfer->disk,
                trouble.message);
}

static int upload_run(Upload *upload, Fail *why)
{
    Transfer *transfer = &upload->transfer;
    int result = upload_make_disk(upload, why);
    if (!result)
        result = transfer_begin(transfer, "upload", upload->file.qcow2 ? "cow" : "raw", why);
    if (!result)
        result = upload_send(upload, why);
    if (!result)
        result = transfer_finish(transfer, why);
    if (result)
        upload_undo(upload);
    transfer_done(transfer);
    return result;
}

static int upload_tell(const Upload *upload, Fail *why)
{
    Cli *cli = upload->transfer.cli;
    const Json *disk = NULL;
    char size[SIZE_TEXT];
    if (cli->json) {
        int result =
            rest_get(cli, &cli->arena, arena_format(&cli->arena, "disks/%s", upload->transfer.disk),
                     &disk, why);
        if (!result)
            json_print(disk);
        return result;
    }
    if (cli->quiet)
        puts(upload->transfer.disk);
    else
        printf("disk %s uploaded, %s, id %s\n", upload->name,
               size_format(upload->file.virtual_size, size), upload->transfer.disk);
    return 0;
}

int run_disk_upload(Cli *cli, Fail *why)
{
    Upload upload = {.transfer = {.cli = cli}, .file = {.fd = -1}};
    AUTO_FREE char *copy = NULL;
    upload.path = command_text(&cli->command, "FILE");
    copy = memory_string(upload.path);
    upload.transfer.what = basename(copy);
    upload.name = command_text(&cli->command, "name");
    upload.name = upload.name ? upload.name : upload.transfer.what;
    upload.transfer.timeout_s = command_number(&cli->command, "timeout", 60);
    int result = image_file_open(upload.path, &upload.file, why);
    if (!result)
        result = upload_choose_format(&upload, why);
    if (!result)
        result = resolve_command(cli, why);
    if (!result)
        result = upload_run(&upload, why);
    image_file_close(&upload.file);
    return result ? result : upload_tell(&upload, why);
}
