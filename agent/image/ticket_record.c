#include "agent/image/ticket_record.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/uuid.h"

enum {
    TICKET_FILE_MAX = 1 << 20,
    TICKET_RANGES_SAVED = 256,
    TICKET_TEXT_MAX = 4096, // bytes of a URL or a file name
    TICKET_PATIENCE_MAX_S = 24 * 3600,
};

// ---- out

char *ticket_path(const ImageTicket *ticket)
{
    return memory_format("%s/%s.json", ticket->tickets->directory, ticket->id);
}

void ticket_write_description(const ImageTicket *ticket, JsonWriter *writer)
{
    json_add_string(writer, "uuid", ticket->id);
    json_add_string(writer, "url", ticket->url);
    json_add_string(writer, "transfer_id", ticket->transfer_id);
    if (ticket->filename)
        json_add_string(writer, "filename", ticket->filename);
    json_add_integer(writer, "size", ticket->size);
    json_add_integer(writer, "timeout", ticket->timeout_s);
    json_add_integer(writer, "inactivity_timeout", ticket->inactivity_s);
    json_add_bool(writer, "sparse", ticket->sparse);
    json_add_bool(writer, "dirty", ticket->dirty);
    json_key(writer, "ops");
    json_open(writer, '[');
    if (ticket->read)
        json_put_string(writer, "read");
    if (ticket->write)
        json_put_string(writer, "write");
    json_close(writer, ']');
}

static void ticket_write_record(const ImageTicket *ticket, JsonWriter *writer)
{
    json_open(writer, '{');
    ticket_write_description(ticket, writer);
    json_add_string(writer, "boot", ticket->tickets->boot);
    json_add_integer(writer, "expires_ms", ticket->expires_ms);
    json_add_bool(writer, "canceled", ticket->canceled);
    json_key(writer, "completed");
    json_open(writer, '[');
    for (size_t i = 0; i < ticket->completed.count && i < TICKET_RANGES_SAVED; i++) {
        json_put_integer(writer, ticket->completed.items[i].from);
        json_put_integer(writer, ticket->completed.items[i].to);
    }
    json_close(writer, ']');
    json_close(writer, '}');
}

int ticket_save(ImageTicket *ticket)
{
    AUTO_STRBUF text = {0};
    AUTO_FREE char *path = ticket_path(ticket);
    JsonWriter writer = {.out = &text};
    ticket_write_record(ticket, &writer);
    int result = file_replace(path, text.data, text.length, 0600);
    if (!result) {
        ticket->saved_expires_ms = ticket->expires_ms;
        ticket->unsaved = false;
    } else
        log_warn("image.ticket_save", LOG_ID("transfer", ticket->transfer_id),
                 "The ticket could not be written to %s: %s.", path, strerror(-result));
    return result;
}

// ---- in

static int ticket_refuse(Fail *why, const char *what)
{
    return fail_set(why, FAIL_INVALID, "The image ticket's %s", what);
}

static int ticket_read_operations(ImageTicket *ticket, const Json *description, Fail *why)
{
    JSON_EACH(json_get(description, "ops"), item) {
        const char *name = json_string(item);
        if (name && !strcmp(name, "read"))
            ticket->read = true;
        else if (name && !strcmp(name, "write"))
            ticket->write = true;
        else
            return ticket_refuse(why, "ops may have only read and write.");
    }
    return ticket->read || ticket->write ? 0 : ticket_refuse(why, "ops are missing.");
}

static int ticket_read_numbers(ImageTicket *ticket, const Json *description, Fail *why)
{
    int64_t timeout = json_get_integer(description, "timeout", -1);
    int64_t inactivity = json_get_integer(description, "inactivity_timeout", TICKET_INACTIVITY_S);
    ticket->size = json_get_integer(description, "size", -1);
    if (ticket->size < 0)
        return ticket_refuse(why, "size must be a number of bytes.");
    if (timeout < 0 || timeout > TICKET_SECONDS_MAX)
        return ticket_refuse(why, "timeout must be a number of seconds up to a year.");
    // 0 means "the default" to managers that let users leave it open.
    if (inactivity <= 0)
        inactivity = TICKET_INACTIVITY_S;
    ticket->timeout_s = (int)timeout;
    ticket->inactivity_s =
        inactivity > TICKET_PATIENCE_MAX_S ? TICKET_PATIENCE_MAX_S : (int)inactivity;
    return 0;
}

static int ticket_read_texts(ImageTicket *ticket, const Json *description, Fail *why)
{
    const char *id = json_get_string(description, "uuid");
    const char *url = json_get_string(description, "url");
    const char *transfer = json_get_string(description, "transfer_id");
    const char *filename = json_get_string(description, "filename");
    if (!id || !uuid_valid(id))
        return ticket_refuse(why, "uuid is missing or no UUID.");
    if (!url || strlen(url) > TICKET_TEXT_MAX || !backend_driver(url))
        return ticket_refuse(why, "url must be nbd:unix:PATH, with or without an export's name, or "
                                  "file:///PATH.");
    if (filename && (strlen(filename) > TICKET_TEXT_MAX || strpbrk(filename, "\r\n\"\\")))
        return ticket_refuse(why, "filename has characters that a header can't carry.");
    ticket->id = memory_string(id);
    uuid_lower(ticket->id);
    ticket->url = memory_string(url);
    ticket->filename = memory_string(filename);
    // Never the whole id where it may be logged: who knows it may use it.
    ticket->transfer_id = transfer && strlen(transfer) <= TICKET_TEXT_MAX
                              ? memory_string(transfer)
                              : memory_format("(ticket/%.18s)", ticket->id);
    return 0;
}

ImageTicket *ticket_read(ImageTickets *tickets, const Json *description, Fail *why)
{
    ImageTicket *ticket = NEW(ImageTicket);
    ticket->tickets = tickets;
    list_init(&ticket->uses);
    list_init(&ticket->backends);
    list_init(&ticket->waits);
    list_init(&ticket->removals);
    ticket->access_ms = clock_monotonic_ms();
    if (ticket_read_texts(ticket, description, why) ||
        ticket_read_numbers(ticket, description, why) ||
        ticket_read_operations(ticket, description, why)) {
        ticket_free(ticket);
        return NULL;
    }
    ticket->sparse = json_get_bool(description, "sparse", false);
    ticket->dirty = json_get_bool(description, "dirty", false);
    ticket->expires_ms = ticket->access_ms + ticket->timeout_s * 1000LL;
    return ticket;
}

static void ticket_restore_ranges(ImageTicket *ticket, const Json *list)
{
    for (const Json *from = json_first(list); from && from->next; from = from->next->next) {
        int64_t first, last;
        if (json_integer(from, &first) && json_integer(from->next, &last) && first >= 0)
            range_set_add(&ticket->completed, first, last - first);
    }
}

ImageTicket *ticket_restore(ImageTickets *tickets, const char *path)
{
    AUTO_ARENA arena;
    AUTO_FREE char *text = NULL;
    size_t length = 0, offset;
    const char *error;
    arena_init(&arena, 4096);
    if (file_read(path, TICKET_FILE_MAX, &text, &length))
        return NULL;
    const Json *record = json_parse(&arena, text, length, &error, &offset);
    const char *boot = json_get_string(record, "boot");
    if (!boot || strcmp(boot, tickets->boot) || json_get_bool(record, "canceled", false))
        return NULL;
    ImageTicket *ticket = ticket_read(tickets, record, NULL);
    if (!ticket)
        return NULL;
    ticket->expires_ms = json_get_integer(record, "expires_ms", 0);
    ticket->saved_expires_ms = ticket->expires_ms;
    ticket_restore_ranges(ticket, json_get(record, "completed"));
    return ticket;
}

char *boot_id(void)
{
    char *text = NULL;
    if (file_read("/proc/sys/kernel/random/boot_id", 4096, &text, NULL))
        return memory_string("unknown");
    text[strcspn(text, "\n")] = 0;
    return text;
}
