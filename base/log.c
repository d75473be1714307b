#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <systemd/sd-journal.h>

#include "base/clock.h"
#include "base/strbuf.h"

static const char *log_program = "vireo";
static LogLevel log_threshold = LOG_LEVEL_INFO;
static bool log_to_journal;

static const char *const log_level_names[_LOG_LEVEL_MAX] = {
    [LOG_LEVEL_DEBUG] = "debug",     [LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_NOTICE] = "notice",
    [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_ERROR] = "error",
};

// syslog's numbers, which the journal uses.
static const int log_priorities[_LOG_LEVEL_MAX] = {7, 6, 5, 4, 3};

// systemd names the device and inode of the stream it connected to the journal.
static bool log_stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long device, inode;
    struct stat info;
    return stream && sscanf(stream, "%lu:%lu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &info) == 0 && info.st_dev == device && info.st_ino == inode;
}

void log_init(const char *program)
{
    log_program = program;
    log_to_journal = log_stderr_is_journal();
}

void log_set_level(LogLevel level)
{
    log_threshold = level;
}

bool log_enabled(LogLevel level)
{
    return level >= log_threshold;
}

LogLevel log_level_from_name(const char *name)
{
    for (LogLevel level = 0; level < _LOG_LEVEL_MAX; level++)
        if (!strcmp(name, log_level_names[level]))
            return level;
    return _LOG_LEVEL_INVALID;
}

static void log_journal(LogLevel level, const char *name, LogField field, const char *text)
{
    AUTO_FREE char *message = memory_format("MESSAGE=%s", text);
    AUTO_FREE char *priority = memory_format("PRIORITY=%d", log_priorities[level]);
    AUTO_FREE char *event = memory_format("VIREO_EVENT=%s", name);
    AUTO_FREE char *program = memory_format("SYSLOG_IDENTIFIER=%s", log_program);
    AUTO_FREE char *object =
        field.key ? memory_format("VIREO_%s=%s", field.key, field.value ? field.value : "") : NULL;
    for (char *at = object ? object + 6 : NULL; at && *at && *at != '='; at++)
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
    const char *all[] = {message, priority, event, program, object};
    struct iovec parts[COUNT_OF(all)];
    int count = 0;
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (all[i])
            parts[count++] = (struct iovec){(void *)all[i], strlen(all[i])};
    sd_journal_sendv(parts, count);
}

static bool log_is_plain(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || strchr("=\"\\", *text))
            return false;
    return true;
}

static void log_add_quoted(StrBuf *line, const char *text)
{
    strbuf_addc(line, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            strbuf_addc(line, '\\');
        if (*text == '\n')
            strbuf_adds(line, "\\n");
        else if ((unsigned char)*text >= 0x20)
            strbuf_addc(line, *text);
    }
    strbuf_addc(line, '"');
}

static void log_stderr(LogLevel level, const char *name, LogField field, const char *text)
{
    char now[CLOCK_ISO_SIZE];
    AUTO_STRBUF line = {0};
    strbuf_addf(&line, "time=%s level=%s program=%s event=%s", clock_iso(clock_wall_ms(), now),
                log_level_names[level], log_program, name);
    const char *value = field.value && *field.value ? field.value : "-";
    if (field.key && log_is_plain(value)) {
        strbuf_addf(&line, " %s=%s", field.key, value);
    } else if (field.key) {
        strbuf_addf(&line, " %s=", field.key);
        log_add_quoted(&line, value);
    }
    strbuf_adds(&line, " text=");
    log_add_quoted(&line, text);
    strbuf_addc(&line, '\n');
    (void)!write(STDERR_FILENO, line.data, line.length);
}

void log_write(LogLevel level, const char *name, LogField field, const char *format, ...)
{
    int saved = errno;
    AUTO_STRBUF text = {0};
    va_list args;
    va_start(args, format);
    strbuf_addv(&text, format, args);
    va_end(args);
    AUTO_FREE char *message = strbuf_take(&text);
    if (log_to_journal)
        log_journal(level, name, field, message);
    else
        log_stderr(level, name, field, message);
    errno = saved;
}
