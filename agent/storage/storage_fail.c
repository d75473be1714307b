#include "agent/storage/storage_fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    int number;
    VdsmError error; // 0: the caller's
    const char *hint;
} errno_rows[] = {
    {EACCES, 0,
     "Files of a storage domain belong to user 36 and group 36; check owner, mode and the options "
     "of the export."},
    {EPERM, 0,
     "Files of a storage domain belong to user 36 and group 36; check owner, mode and the options "
     "of the export."},
    {EROFS, 0, "The file system is mounted read-only; look into the kernel's log."},
    {ENOSPC, VDSM_NO_SPACE, "Make room in the storage domain, or extend its file system."},
    {EDQUOT, VDSM_NO_SPACE, "Raise the quota of user 36 on the storage server."},
    {ESTALE, VDSM_STALE_HANDLE, "The server lost the export; disconnect and connect the storage."},
    {EIO, 0, "Look into the kernel's log; the disk or the storage server is failing."},
    {ETIMEDOUT, 0, "The storage server does not answer; check it and the network."},
};

static int storage_fail_text(Fail *why, VdsmError error, const char *format, va_list args)
{
    AUTO_STRBUF text = {0};
    strbuf_addv(&text, format, args);
    fail_set(why, FAIL_HOST, "%s", text.data ? text.data : "");
    return error;
}

int storage_fail(Fail *why, VdsmError error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    storage_fail_text(why, error, format, args);
    va_end(args);
    return error;
}

int storage_errno(Fail *why, VdsmError error, int number, const char *format, ...)
{
    bool first = !fail_is_set(why);
    va_list args;
    va_start(args, format);
    storage_fail_text(why, error, format, args);
    va_end(args);
    number = abs(number);
    if (first)
        fail_detail(why, "%s", strerror(number));
    for (size_t i = 0; i < COUNT_OF(errno_rows); i++) {
        if (errno_rows[i].number != number)
            continue;
        if (first)
            fail_hint(why, "%s", errno_rows[i].hint);
        return errno_rows[i].error ? (int)errno_rows[i].error : (int)error;
    }
    return error;
}
