#include "manager/crash_point.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

static const char *crash_at;

void crash_point_init(void)
{
    crash_at = getenv("VIREO_CRASH_AT");
    if (crash_at && !*crash_at)
        crash_at = NULL;
}

static bool file_says(const char *path, const char *name)
{
    AUTO_FREE char *text = NULL;
    return !file_read(path, 4096, &text, NULL) && !strcmp(text, name);
}

void crash_point(const char *where, const char *kind, const char *step, const char *when)
{
    char name[256];
    if (!crash_at)
        return;
    snprintf(name, sizeof(name), "%s/%s/%s/%s", where, kind, step, when);
    if (*crash_at == '@' ? file_says(crash_at + 1, name) : !strcmp(name, crash_at))
        kill(getpid(), SIGKILL);
}
