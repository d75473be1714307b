#include "agent/storage/storage_path.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

// Drops the last component, but never the root or a leading "..".
static void path_up(StrBuf *path, bool absolute)
{
    char *slash = path->length ? strrchr(path->data, '/') : NULL;
    const char *last = slash ? slash + 1 : path->data;
    if (!path->length || (!absolute && !strcmp(last, ".."))) {
        if (!absolute)
            strbuf_adds(path, path->length ? "/.." : "..");
        return;
    }
    path->length = slash ? (size_t)(slash - path->data) : 0;
    path->data[path->length] = 0;
}

static char *path_tidy(const char *path)
{
    AUTO_STRBUF tidy = {0};
    bool absolute = *path == '/';
    for (const char *at = path; *at;) {
        size_t length = strcspn(at, "/");
        if (length == 2 && !strncmp(at, "..", 2))
            path_up(&tidy, absolute);
        else if (length && !(length == 1 && *at == '.')) {
            if (absolute || tidy.length)
                strbuf_addc(&tidy, '/');
            strbuf_add(&tidy, at, length);
        }
        at += length + (at[length] == '/');
    }
    if (!tidy.length)
        strbuf_addc(&tidy, absolute ? '/' : '.');
    return strbuf_take(&tidy);
}

// Length of "host:" or "host:port:" in front of the path; 0 when there is no host.
static size_t path_host_length(const char *remote)
{
    const char *end = *remote == '[' ? strstr(remote, "]:") : NULL;
    if (*remote == '/')
        return 0;
    const char *colon = end ? end + 1 : strchr(remote, ':');
    if (!colon)
        return 0;
    const char *at = colon + 1;
    if (*at >= '1' && *at <= '9') {
        while (isdigit((unsigned char)*at))
            at++;
        if (*at == ':')
            colon = at;
    }
    return (size_t)(colon + 1 - remote);
}

char *path_normalize(const char *remote)
{
    size_t host = path_host_length(remote);
    AUTO_FREE char *tail = path_tidy(remote + host);
    return memory_format("%.*s%s", (int)host, remote, tail);
}

char *path_escape(const char *remote)
{
    AUTO_STRBUF name = {0};
    for (; *remote; remote++) {
        if (*remote == '_')
            strbuf_adds(&name, "__");
        else
            strbuf_addc(&name, *remote == '/' ? '_' : *remote);
    }
    return strbuf_take(&name);
}
