#include "agent/vm/half_start.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/xml.h"

enum { STATUS_MAX = 4 * 1024 * 1024 };

// What can't be read is libvirt's to judge.
static bool status_is_half_start(const char *path)
{
    AUTO_FREE char *text = NULL;
    AUTO_ARENA arena = {0};
    size_t length = 0;
    if (file_read(path, STATUS_MAX, &text, &length))
        return false;
    const Xml *root = xml_parse(&arena, text, length, NULL, NULL);
    const char *process = root ? xml_attribute(root, "pid") : NULL;
    return process && !strcmp(root->name, "domstatus") && !strcmp(process, "0");
}

static int half_start_forget(const char *folder, const char *file, Fail *why)
{
    int name_length = (int)strlen(file) - (int)strlen(".xml");
    if (name_length <= 0 || strcmp(file + name_length, ".xml"))
        return 0;
    AUTO_FREE char *path = memory_format("%s/%s", folder, file);
    if (!status_is_half_start(path))
        return 0;
    AUTO_FREE char *process = memory_format("%s/%.*s.pid", folder, name_length, file);
    unlink(process);
    if (unlink(path))
        return fail_errno(why, FAIL_INTERNAL, -errno, "The half start %s can't be removed", path);
    log_notice("vm.half_start", LOG_NONE,
               "libvirtd ended while it was starting %.*s; the start is forgotten.", name_length,
               file);
    return 0;
}

int half_starts_forget(const char *folder, Fail *why)
{
    DIR *stream = opendir(folder);
    if (!stream)
        return errno == ENOENT ? 0
                               : fail_errno(why, FAIL_INTERNAL, -errno, "%s can't be read", folder);
    int result = 0;
    for (struct dirent *entry; !result && (entry = readdir(stream));)
        result = half_start_forget(folder, entry->d_name, why);
    closedir(stream);
    return result;
}
