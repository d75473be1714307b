#include "cli/output/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/output/size.h"
#include "cli/output/table.h"

enum {
    TERMINAL_MS = 200, // between two drawings
    PLAIN_MS = 10000,
    PLAIN_PERCENT = 10,
};

void progress_init(Progress *progress, const char *what, bool quiet)
{
    int64_t now = clock_monotonic_ms();
    *progress = (Progress){
        .what = what,
        .quiet = quiet,
        .terminal = isatty(STDERR_FILENO),
        .begun_ms = now,
        .shown_ms = now,
        .first = -1,
    };
}

static void line_print(Progress *progress, const char *text)
{
    AUTO_FREE char *what = text_clean(progress->what), *clean = text_clean(text);
    if (progress->terminal)
        fprintf(stderr, "\r\033[K%s: %s", what, clean);
    else
        fprintf(stderr, "%s: %s\n", what, clean);
    fflush(stderr);
    progress->shown = progress->terminal;
    progress->shown_ms = clock_monotonic_ms();
}

void progress_state(Progress *progress, const char *state)
{
    char elapsed[TIME_TEXT];
    int64_t now = clock_monotonic_ms();
    if (progress->quiet)
        return;
    bool changed = strncmp(progress->last, state, sizeof(progress->last) - 1) != 0;
    snprintf(progress->last, sizeof(progress->last), "%s", state);
    if (!progress->terminal && changed)
        line_print(progress, state);
    if (!progress->terminal || (!changed && now - progress->shown_ms < TERMINAL_MS))
        return;
    AUTO_FREE char *text = memory_format(
        "%s (%s)", state, duration_format((now - progress->begun_ms) / 1000, elapsed));
    line_print(progress, text);
}

void progress_format(StrBuf *out, int64_t done, int64_t total, int64_t moved, int64_t elapsed_ms)
{
    char a[SIZE_TEXT], b[SIZE_TEXT], c[SIZE_TEXT], left[TIME_TEXT];
    int64_t percent = total ? (int64_t)((double)done * 100 / (double)total) : 100;
    double rate = elapsed_ms > 0 ? (double)moved * 1000 / (double)elapsed_ms : 0;
    strbuf_addf(out, "%3lld%%  %s of %s", (long long)percent, size_format(done, a),
                size_format(total, b));
    if (rate < 1)
        return;
    strbuf_addf(out, "  %s/s", size_format((int64_t)rate, c));
    if (done < total)
        strbuf_addf(out, "  %s left",
                    duration_format((int64_t)((double)(total - done) / rate) + 1, left));
}

void progress_bytes(Progress *progress, int64_t done, int64_t total)
{
    int64_t now = clock_monotonic_ms(), since = now - progress->shown_ms;
    int percent = total ? (int)((double)done * 100 / (double)total) : 100;
    AUTO_STRBUF text = {0};
    if (progress->first < 0) {
        progress->first = done;
        progress->begun_ms = now;
    }
    bool due = progress->terminal ? since >= TERMINAL_MS || done == total
                                  : since >= PLAIN_MS || done == total ||
                                        percent >= progress->shown_percent + PLAIN_PERCENT;
    bool again = done == total && progress->shown_percent == 100;
    if (progress->quiet || !due || again)
        return;
    progress->shown_percent = percent;
    progress_format(&text, done, total, done - progress->first, now - progress->begun_ms);
    line_print(progress, text.data);
}

void progress_done(Progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}
