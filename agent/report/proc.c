#include "agent/report/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { PROC_MAX = 4 * 1024 * 1024 };

static char *proc_read(const char *path)
{
    char *text = NULL;
    return file_read(path, PROC_MAX, &text, NULL) ? memory_string("") : text;
}

char *proc_line(const char *path)
{
    char *text = proc_read(path);
    text[strcspn(text, "\r\n")] = 0;
    return text;
}

// A line "cpu 1 2 3 ..." or "cpu7 1 2 3 ...".
static bool cpu_parse(const char *line, ProcCpu *ret)
{
    unsigned long long user, nice, system, idle, wait, irq, soft, steal = 0;
    char *rest;
    long number = line[3] == ' ' ? -1 : strtol(line + 3, &rest, 10);
    if (number < 0)
        rest = (char *)line + 3;
    if (sscanf(rest, "%llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait,
               &irq, &soft, &steal) < 7)
        return false;
    *ret = (ProcCpu){.number = (int)number,
                     .user = user + nice,
                     .system = system + irq + soft,
                     .idle = idle + wait};
    ret->total = ret->user + ret->system + ret->idle + steal;
    return true;
}

int proc_cpus(ProcCpu list[PROC_CPUS_MAX])
{
    int count = 0;
    AUTO_FREE char *text = proc_read("/proc/stat");
    for (const char *line = text; line && !strncmp(line, "cpu", 3) && count < PROC_CPUS_MAX;) {
        count += cpu_parse(line, &list[count]);
        line = strchr(line, '\n');
        line += line != NULL;
    }
    return count;
}

double proc_load(void)
{
    double load[1] = {0};
    return getloadavg(load, 1) == 1 ? load[0] : 0;
}

int64_t proc_memory(const char *name)
{
    AUTO_FREE char *text = proc_read("/proc/meminfo");
    size_t length = strlen(name);
    for (char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, name, length) && line[length] == ':')
            return strtoll(line + length + 1, NULL, 10);
    }
    return 0;
}

int64_t proc_ksm(const char *name)
{
    AUTO_FREE char *path = memory_format("/sys/kernel/mm/ksm/%s", name);
    AUTO_FREE char *text = proc_line(path);
    return strtoll(text, NULL, 10);
}

int64_t proc_boot_time(void)
{
    AUTO_FREE char *text = proc_read("/proc/stat");
    const char *found = strstr(text, "\nbtime ");
    return found ? strtoll(found + 7, NULL, 10) : 0;
}

char *proc_boot_id(void)
{
    return proc_line("/proc/sys/kernel/random/boot_id");
}
