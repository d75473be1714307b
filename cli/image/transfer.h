// An image transfer of the API: opening it, keeping it alive, ending it.
#pragma once

#include "cli/cli.h"
#include "cli/image/image_client.h"

typedef struct Transfer {
    Cli *cli;
    const char *what; // "web.qcow2"
    const char *id, *disk;
    const char *url;  // of the data
    HttpClient *http; // of the main thread
    ImageAbilities abilities;
    int64_t timeout_s;
} Transfer;

// `transfer` has cli, what, disk and timeout_s. Returns when data can flow; a transfer that has
// begun but failed is cancelled.
int transfer_begin(Transfer *transfer, const char *direction, const char *format, Fail *why);
// After trouble: resumes it when the manager has paused it. Fails when it is over.
int transfer_rescue(void *transfer, Fail *why);
// Ends it well and waits until the disk can be used.
int transfer_finish(Transfer *transfer, Fail *why);
void transfer_cancel(Transfer *transfer);
void transfer_done(Transfer *transfer);
int transfer_connections(const Transfer *transfer, int most);
