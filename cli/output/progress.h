// How far something is, on stderr: one line that changes on terminals, few plain lines elsewhere.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

typedef struct Progress {
    const char *what; // "web.qcow2"
    bool quiet, terminal;
    bool shown; // the terminal's line is in use
    int64_t begun_ms, shown_ms;
    int64_t first; // bytes that were there when it began
    int shown_percent;
    char last[256]; // text that was shown last
} Progress;

void progress_init(Progress *progress, const char *what, bool quiet);
// What it is at: "powering_up". Plain lines only when it changes.
void progress_state(Progress *progress, const char *state);
// Bytes; plain lines every tenth or ten seconds.
void progress_bytes(Progress *progress, int64_t done, int64_t total);
// Leaves an empty line on terminals.
void progress_done(Progress *progress);

#define AUTO_PROGRESS __attribute__((cleanup(progress_done))) Progress

// "45%  4.5G of 10G  120M/s  45s left"; for tests.
void progress_format(StrBuf *out, int64_t done, int64_t total, int64_t moved, int64_t elapsed_ms);
