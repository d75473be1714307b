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

bool proc_cpu(ProcCpu *ret)
{
    unsigned long long user, nice, system, idle, wait, irq, soft, steal = 0;
    AUTO_FREE char *text = proc_read("/proc/stat");
    if (sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
               &wait, &irq, &soft, &steal) < 7)
        return false;
    ret->user = user + nice;
    ret->system = system + irq + soft;
    ret->idle = idle + wait;
    ret->total = ret->user + ret->system + ret->idle + steal;
    return true;
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
