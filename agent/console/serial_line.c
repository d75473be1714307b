#include "agent/console/serial_line.h"

#include <stdlib.h>

enum {
    LINE_PIECE = 8192,
    LINE_READS = 8, // per event, so that one chatty guest doesn't starve the others
    LINE_OUTPUT_MAX = 256 * 1024,
    LINE_INPUT_MAX = 16 * 1024,
    // libvirt queues without end for a guest that doesn't read: so much may go to it unanswered.
    LINE_UNANSWERED_MAX = 4 * 1024 * 1024,
};

struct SerialLine {
    uv_mutex_t lock; // guards everything below
    Hypervisor *hypervisor;
    virDomainPtr domain; // keeps the connection for this line alone
    virStreamPtr stream;
    int references; // owner and libvirt's callback
    StrBuf input, output;
    size_t skipped, unanswered;
    bool ended, closed;
    void (*woken)(void *argument);
    void *argument;
};

static void line_unref(void *argument)
{
    SerialLine *line = argument;
    uv_mutex_lock(&line->lock);
    int left = --line->references;
    uv_mutex_unlock(&line->lock);
    if (left)
        return;
    strbuf_done(&line->input);
    strbuf_done(&line->output);
    uv_mutex_destroy(&line->lock);
    free(line);
}

// ---- in libvirt's thread, with the lock

static void line_read(SerialLine *line)
{
    char piece[LINE_PIECE];
    for (int round = 0; round < LINE_READS && !line->ended; round++) {
        int got = virStreamRecv(line->stream, piece, sizeof(piece));
        if (got == -2)
            return; // nothing there for now
        if (got <= 0) {
            line->ended = true;
            return;
        }
        line->unanswered = 0;
        // What libvirt has read it keeps in memory without bounds: it must be taken in any case.
        if (!line->skipped && line->output.length + (size_t)got <= LINE_OUTPUT_MAX)
            strbuf_add(&line->output, piece, (size_t)got);
        else
            line->skipped += (size_t)got;
    }
}

static void line_write(SerialLine *line)
{
    while (line->input.length && !line->ended && line->unanswered < LINE_UNANSWERED_MAX) {
        size_t step = line->input.length < LINE_PIECE ? line->input.length : LINE_PIECE;
        int sent = virStreamSend(line->stream, line->input.data, step);
        if (sent == -2)
            return;
        if (sent < 0) {
            line->ended = true;
            return;
        }
        line->unanswered += (size_t)sent;
        strbuf_consume(&line->input, (size_t)sent);
    }
}

static void line_listen(SerialLine *line)
{
    bool writes = line->input.length && line->unanswered < LINE_UNANSWERED_MAX;
    int events = VIR_STREAM_EVENT_READABLE | (writes ? VIR_STREAM_EVENT_WRITABLE : 0);
    virStreamEventUpdateCallback(line->stream, line->ended ? 0 : events);
}

static void line_event(virStreamPtr stream, int events, void *argument)
{
    SerialLine *line = argument;
    (void)stream;
    uv_mutex_lock(&line->lock);
    if (!line->closed && !line->ended) {
        if (events & (VIR_STREAM_EVENT_READABLE | VIR_STREAM_EVENT_HANGUP))
            line_read(line);
        if (events & VIR_STREAM_EVENT_WRITABLE)
            line_write(line);
        if (events & (VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP))
            line->ended = true;
        line_listen(line);
        line->woken(line->argument);
    }
    uv_mutex_unlock(&line->lock);
}

// ---- for the owner

size_t serial_line_send(SerialLine *line, const char *data, size_t length)
{
    uv_mutex_lock(&line->lock);
    size_t room = LINE_INPUT_MAX - line->input.length;
    size_t taken = line->ended ? length : length < room ? length : room;
    strbuf_add(&line->input, data, taken);
    if (!line->ended)
        line_listen(line);
    uv_mutex_unlock(&line->lock);
    return taken;
}

bool serial_line_take(SerialLine *line, StrBuf *out, size_t *skipped)
{
    uv_mutex_lock(&line->lock);
    strbuf_add(out, line->output.data, line->output.length);
    strbuf_clear(&line->output);
    *skipped += line->skipped;
    line->skipped = 0;
    bool ended = line->ended;
    uv_mutex_unlock(&line->lock);
    return !ended;
}

// ---- life

static virStreamPtr stream_open(virDomainPtr domain, const char *vm, Fail *why)
{
    virStreamPtr stream = virStreamNew(virDomainGetConnect(domain), VIR_STREAM_NONBLOCK);
    if (!stream || virDomainOpenConsole(domain, NULL, stream, VIR_DOMAIN_CONSOLE_FORCE) < 0) {
        libvirt_fail(why, FAIL_HOST, "The serial console of VM %s can't be opened.", vm);
        if (stream)
            virStreamFree(stream);
        stream = NULL;
    }
    return stream;
}

// With nobody in libvirt's callback any more.
static void line_end(SerialLine *line)
{
    hypervisor_domain_keep(line->hypervisor, line->domain, false);
    virStreamAbort(line->stream);
    virStreamFree(line->stream);
    hypervisor_domain_done(line->hypervisor, line->domain);
    line_unref(line);
}

SerialLine *serial_line_open(Hypervisor *hypervisor, const char *vm, void (*woken)(void *argument),
                             void *argument, Fail *why)
{
    virDomainPtr domain = hypervisor_domain(hypervisor, vm, why);
    virStreamPtr stream = domain ? stream_open(domain, vm, why) : NULL;
    if (!stream) {
        hypervisor_domain_done(hypervisor, domain);
        return NULL;
    }
    SerialLine *line = NEW(SerialLine);
    *line = (SerialLine){.hypervisor = hypervisor,
                         .domain = domain,
                         .stream = stream,
                         .references = 2,
                         .woken = woken,
                         .argument = argument};
    uv_mutex_init(&line->lock);
    hypervisor_domain_keep(hypervisor, domain, true);
    if (!virStreamEventAddCallback(stream, VIR_STREAM_EVENT_READABLE, line_event, line, line_unref))
        return line;
    libvirt_fail(why, FAIL_HOST, "The serial console of VM %s can't be listened to.", vm);
    line->references = 1;
    line->closed = true;
    line_end(line);
    return NULL;
}

void serial_line_close(SerialLine *line)
{
    if (!line)
        return;
    uv_mutex_lock(&line->lock);
    line->closed = true;
    uv_mutex_unlock(&line->lock);
    virStreamEventRemoveCallback(line->stream);
    line_end(line);
}
