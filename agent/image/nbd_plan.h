// What an NBD server needs before its program can be started: the volume's path, its format, how
// it can be opened, and for bitmaps that are spread over a chain an overlay that joins them.
// Pool threads only; it blocks.
#pragma once

#include <sys/types.h>

#include "agent/storage/storage.h"
#include "base/array.h"
#include "proto/vdsm.h"

typedef struct NbdConfig {
    char *domain, *image, *volume, *bitmap; // bitmap NULL: none
    bool readonly, discard, detect_zeroes, backing_chain;
} NbdConfig;

int nbd_config_read(NbdConfig *config, const Json *json, Fail *why);
void nbd_config_write(const NbdConfig *config, JsonWriter *writer);
void nbd_config_copy(NbdConfig *to, const NbdConfig *from);
bool nbd_config_equal(const NbdConfig *a, const NbdConfig *b);
void nbd_config_done(NbdConfig *config);

typedef struct NbdUser {
    bool other; // than the one we run as
    uid_t user;
    gid_t group;
} NbdUser;

typedef struct NbdPlan {
    // In
    Storage *storage;
    NbdConfig config;
    NbdUser user; // who owns the volumes; `other` may become false when he can't open this one
    const char *socket, *overlay; // paths; the overlay is made when it is needed
    // Out
    VdsmError error;
    Fail why;
    Array argv; // NULL at its end
} NbdPlan;

void nbd_plan_make(NbdPlan *plan);
void nbd_plan_done(NbdPlan *plan);
// Owner of volumes by the agent's options.
NbdUser nbd_user(const Config *config);
