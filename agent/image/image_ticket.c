#include "agent/image/image_ticket.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/uuid.h"

enum {
    TICKETS_SWEEP_MS = 1000,
    TICKET_SAVE_MS = 5000, // an expiry is at most so much older on disk, or a quarter
    TICKET_FILE_MAX = 1 << 20,
    TICKET_RANGES_SAVED = 256,
    TICKET_TEXT_MAX = 4096, // bytes of a URL or a file name
    TICKET_SECONDS_MAX = 366 * 24 * 3600,
    TICKET_FORGET_MS = 7 * 24 * 3600 * 1000, // after its expiry, when nobody removes it
};

struct ImageTickets {
    uv_loop_t *loop;
    char *directory, *boot; // boot: monotonic times of another one mean nothing
    Map by_id;
    uv_timer_t sweep;
};

// ---- the file of a ticket

static char *ticket_path(const ImageTicket *ticket)
{
    return memory_format("%s/%s.json", ticket->tickets->directory, ticket->id);
}

static void ticket_write_description(const ImageTicket *ticket, JsonWriter *writer)
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

static int ticket_save(ImageTicket *ticket)
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

// ---- life

static void ticket_free(ImageTicket *ticket)
{
    LIST_EACH(&ticket->backends, ImageBackend, node, backend) {
        list_remove(&backend->node);
        backend_close(backend);
    }
    free(ticket->id);
    free(ticket->url);
    free(ticket->transfer_id);
    free(ticket->filename);
    range_set_done(&ticket->completed);
    free(ticket);
}

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
    ticket->inactivity_s = inactivity > TICKET_SECONDS_MAX ? TICKET_SECONDS_MAX : (int)inactivity;
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

static ImageTicket *ticket_new(ImageTickets *tickets, const Json *description, Fail *why)
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

static bool ticket_same(const ImageTicket *a, const ImageTicket *b)
{
    return a->size == b->size && !strcmp(a->url, b->url) && a->read == b->read &&
           a->write == b->write && a->sparse == b->sparse && a->dirty == b->dirty && !a->canceled;
}

int ticket_add(ImageTickets *tickets, const Json *description, Fail *why)
{
    ImageTicket *ticket = ticket_new(tickets, description, why);
    if (!ticket)
        return fail_to_errno(FAIL_INVALID);
    ImageTicket *known = map_get(&tickets->by_id, ticket->id);
    if (known && ticket_same(known, ticket)) {
        ticket_extend(known, ticket->timeout_s);
        ticket_free(ticket);
        return 0;
    }
    int result = 0;
    if (known)
        result = fail_set(why, FAIL_EXISTS, "There is another image ticket with this id.");
    else if (tickets->by_id.count >= TICKETS_MAX)
        result = fail_set(why, FAIL_TOO_MANY, "There are %d image tickets already.", TICKETS_MAX);
    else if ((result = ticket_save(ticket)))
        fail_errno(why, FAIL_INTERNAL, result, "The image ticket could not be stored");
    if (result) {
        ticket_free(ticket);
        return result;
    }
    map_put(&tickets->by_id, ticket->id, ticket);
    return 0;
}

ImageTicket *ticket_find(ImageTickets *tickets, const char *id)
{
    AUTO_FREE char *lower = memory_string(id);
    if (!uuid_valid(id))
        return NULL;
    uuid_lower(lower);
    return map_get(&tickets->by_id, lower);
}

ImageTicket *ticket_authorize(ImageTickets *tickets, const char *id, bool write, Fail *why)
{
    ImageTicket *ticket = ticket_find(tickets, id);
    if (!ticket)
        fail_set(why, FAIL_FORBIDDEN, "There is no such ticket.");
    else if (ticket->canceled)
        fail_set(why, FAIL_FORBIDDEN, "Transfer %s was canceled.", ticket->transfer_id);
    else if (ticket->expires_ms <= clock_monotonic_ms())
        fail_set(why, FAIL_FORBIDDEN, "The ticket of transfer %s has expired.",
                 ticket->transfer_id);
    else if (write && !ticket->write)
        fail_set(why, FAIL_FORBIDDEN, "Transfer %s does not allow writing.", ticket->transfer_id);
    else
        return ticket;
    return NULL;
}

void ticket_extend(ImageTicket *ticket, int64_t seconds)
{
    if (seconds > TICKET_SECONDS_MAX)
        seconds = TICKET_SECONDS_MAX;
    ticket->expires_ms = clock_monotonic_ms() + seconds * 1000;
    ticket_save(ticket);
}

// What is on disk may lag behind: writing it for every request would cost more than some of them.
static bool ticket_needs_saving(const ImageTicket *ticket)
{
    int64_t lag = ticket->timeout_s * 1000LL / 4;
    return ticket->unsaved && ticket->expires_ms - ticket->saved_expires_ms >
                                  (lag < TICKET_SAVE_MS ? lag : TICKET_SAVE_MS);
}

void ticket_touch(ImageTicket *ticket)
{
    ticket->access_ms = clock_monotonic_ms();
    ticket->expires_ms = ticket->access_ms + ticket->timeout_s * 1000LL;
    ticket->unsaved = true;
    if (ticket_needs_saving(ticket))
        ticket_save(ticket);
}

// ---- uses and the end

static void ticket_answer_removals(ImageTicket *ticket, int64_t until_ms, bool removed)
{
    LIST_EACH(&ticket->removals, TicketRemoval, node, removal) {
        if (removal->deadline_ms > until_ms)
            continue;
        list_remove(&removal->node);
        removal->done(removal, removed);
    }
}

static void ticket_maybe_gone(ImageTicket *ticket)
{
    if (!ticket->canceled || !list_empty(&ticket->uses))
        return;
    AUTO_FREE char *path = ticket_path(ticket);
    unlink(path);
    map_remove(&ticket->tickets->by_id, ticket->id);
    ticket_answer_removals(ticket, INT64_MAX, true);
    ticket_free(ticket);
}

void ticket_enter(ImageTicket *ticket, TicketUse *use)
{
    use->ticket = ticket;
    list_append(&ticket->uses, &use->node);
}

void ticket_leave(TicketUse *use)
{
    ImageTicket *ticket = TAKE(use->ticket);
    list_remove(&use->node);
    // Of a ticket for both directions the sum would mean nothing.
    if (ticket->read != ticket->write)
        range_set_add(&ticket->completed, use->offset, use->done);
    if (!ticket->canceled)
        ticket_touch(ticket);
    ticket_maybe_gone(ticket);
}

void ticket_remove(ImageTicket *ticket, TicketRemoval *removal)
{
    removal->deadline_ms = clock_monotonic_ms() + TICKET_REMOVE_MS;
    list_append(&ticket->removals, &removal->node);
    if (!ticket->canceled) {
        ticket->canceled = true;
        ticket_save(ticket);
    }
    // An artificial use keeps the ticket until all were told.
    TicketUse keep = {0};
    ticket_enter(ticket, &keep);
    for (List *at = ticket->uses.next; at != &keep.node;) {
        TicketUse *use = CONTAINER(at, TicketUse, node);
        at = at->next;
        use->cancel(use);
    }
    list_remove(&keep.node);
    ticket_maybe_gone(ticket);
}

void ticket_write_info(const ImageTicket *ticket, JsonWriter *writer)
{
    int64_t now = clock_monotonic_ms();
    bool active = !list_empty(&ticket->uses);
    int connections = 0;
    LIST_EACH(&ticket->backends, ImageBackend, node, backend)
        connections++;
    json_open(writer, '{');
    ticket_write_description(ticket, writer);
    json_add_bool(writer, "active", active);
    json_add_bool(writer, "canceled", ticket->canceled);
    json_add_integer(writer, "connections", connections);
    json_add_integer(writer, "expires", ticket->expires_ms / 1000);
    json_add_integer(writer, "idle_time", active ? 0 : (now - ticket->access_ms) / 1000);
    if (ticket->read != ticket->write) {
        RangeSet all = {0};
        range_set_copy(&all, &ticket->completed);
        LIST_EACH(&ticket->uses, TicketUse, node, use)
            range_set_add(&all, use->offset, use->done);
        json_add_integer(writer, "transferred", range_set_total(&all));
        range_set_done(&all);
    }
    json_close(writer, '}');
}

// ---- connections to the image

static void backend_give(BackendWait *wait, ImageBackend *backend)
{
    backend->users++;
    wait->opening = NULL;
    wait->ready(wait, backend, NULL);
}

// Everybody who waits for this one. They may leave, and new ones may come, from inside.
static void ticket_backend_opened(ImageBackend *backend, Fail *why, void *argument)
{
    ImageTicket *ticket = argument;
    TicketUse keep = {0};
    ticket_enter(ticket, &keep);
    bool found = true;
    while (found) {
        found = false;
        LIST_EACH(&ticket->waits, BackendWait, node, wait) {
            if (wait->opening != backend)
                continue;
            found = true;
            list_remove(&wait->node);
            if (!why)
                backend_give(wait, backend);
            else {
                wait->opening = NULL;
                wait->ready(wait, NULL, why);
            }
            break;
        }
    }
    if (why) {
        list_remove(&backend->node);
        backend_close(backend);
    }
    list_remove(&keep.node);
    ticket_maybe_gone(ticket);
}

typedef struct BackendChoice {
    ImageBackend *idle, *opening, *least; // least: used, but least of all
    int count;
    bool several; // more connections may be opened
} BackendChoice;

// Writers may have several connections only where one's flush covers the others' writes.
static BackendChoice ticket_choose_backend(ImageTicket *ticket)
{
    BackendChoice choice = {.several = true};
    LIST_EACH(&ticket->backends, ImageBackend, node, backend) {
        if (backend->broken)
            continue;
        choice.count++;
        if (!backend->ready)
            choice.opening = backend;
        else if (!backend->users)
            choice.idle = backend;
        else if (!choice.least || backend->users < choice.least->users)
            choice.least = backend;
        if (ticket->write && !(backend->ready && backend->coherent))
            choice.several = false;
        if (choice.count >= backend->driver->connections)
            choice.several = false;
    }
    return choice;
}

static ImageBackend *ticket_open_backend(ImageTicket *ticket)
{
    BackendOptions options = {.url = ticket->url,
                              .writable = ticket->write,
                              .sparse = ticket->sparse,
                              .dirty = ticket->dirty};
    ImageBackend *backend =
        backend_open(ticket->tickets->loop, &options, ticket_backend_opened, ticket);
    list_append(&ticket->backends, &backend->node);
    return backend;
}

void ticket_take_backend(ImageTicket *ticket, BackendWait *wait)
{
    BackendChoice choice = ticket_choose_backend(ticket);
    ImageBackend *ready = choice.idle ? choice.idle : choice.several ? NULL : choice.least;
    if (ready) {
        backend_give(wait, ready);
        return;
    }
    wait->opening = choice.count && !choice.several ? choice.opening : ticket_open_backend(ticket);
    list_append(&ticket->waits, &wait->node);
}

void ticket_stop_waiting(BackendWait *wait)
{
    list_remove(&wait->node);
    wait->opening = NULL;
}

void ticket_give_backend(ImageTicket *ticket, ImageBackend *backend)
{
    (void)ticket;
    backend->users--;
    backend->used_ms = clock_monotonic_ms();
    if (backend->users || !backend->broken)
        return;
    list_remove(&backend->node);
    backend_close(backend);
}

// ---- all tickets

static void ticket_sweep(ImageTicket *ticket, int64_t now)
{
    if (ticket_needs_saving(ticket))
        ticket_save(ticket);
    LIST_EACH(&ticket->backends, ImageBackend, node, backend)
        if (backend->ready && !backend->users &&
            now - backend->used_ms > ticket->inactivity_s * 1000LL) {
            list_remove(&backend->node);
            backend_close(backend);
        }
    ticket_answer_removals(ticket, now, false);
    if (now - ticket->expires_ms > TICKET_FORGET_MS && list_empty(&ticket->uses)) {
        ticket->canceled = true;
        ticket_maybe_gone(ticket);
    }
}

static void tickets_sweep(uv_timer_t *timer)
{
    ImageTickets *tickets = timer->data;
    int64_t now = clock_monotonic_ms();
    MAP_EACH(&tickets->by_id, slot)
        ticket_sweep(slot->value, now);
}

static void ticket_restore_ranges(ImageTicket *ticket, const Json *list)
{
    for (const Json *from = json_first(list); from && from->next; from = from->next->next) {
        int64_t first, last;
        if (json_integer(from, &first) && json_integer(from->next, &last) && first >= 0)
            range_set_add(&ticket->completed, first, last - first);
    }
}

// Returns false when the file is of no use any more.
static bool ticket_restore(ImageTickets *tickets, const char *path)
{
    AUTO_ARENA arena;
    AUTO_FREE char *text = NULL;
    size_t length = 0, offset;
    const char *error;
    arena_init(&arena, 4096);
    if (file_read(path, TICKET_FILE_MAX, &text, &length))
        return false;
    const Json *record = json_parse(&arena, text, length, &error, &offset);
    const char *boot = json_get_string(record, "boot");
    if (!boot || strcmp(boot, tickets->boot) || json_get_bool(record, "canceled", false))
        return false;
    ImageTicket *ticket = ticket_new(tickets, record, NULL);
    if (!ticket)
        return false;
    ticket->expires_ms = json_get_integer(record, "expires_ms", 0);
    ticket->saved_expires_ms = ticket->expires_ms;
    ticket_restore_ranges(ticket, json_get(record, "completed"));
    map_put(&tickets->by_id, ticket->id, ticket);
    return true;
}

static void tickets_load(ImageTickets *tickets)
{
    DIR *directory = opendir(tickets->directory);
    int count = 0;
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        AUTO_FREE char *path = memory_format("%s/%s", tickets->directory, entry->d_name);
        size_t length = strlen(entry->d_name);
        if (*entry->d_name == '.')
            continue;
        if (length == UUID_SIZE - 1 + 5 && ticket_restore(tickets, path))
            count++;
        else
            unlink(path);
    }
    if (directory)
        closedir(directory);
    if (count)
        log_notice("image.tickets", LOG_NONE, "%d image tickets are still valid.", count);
}

static char *boot_id(void)
{
    char *text = NULL;
    if (file_read("/proc/sys/kernel/random/boot_id", 4096, &text, NULL))
        return memory_string("unknown");
    text[strcspn(text, "\n")] = 0;
    return text;
}

ImageTickets *tickets_new(uv_loop_t *loop, const char *directory, Fail *why)
{
    int result = directory_make(directory, 0700);
    if (result) {
        fail_errno(why, FAIL_INTERNAL, result, "The directory %s can't be made", directory);
        return NULL;
    }
    ImageTickets *tickets = NEW(ImageTickets);
    tickets->loop = loop;
    tickets->directory = memory_string(directory);
    tickets->boot = boot_id();
    tickets_load(tickets);
    uv_timer_init(loop, &tickets->sweep);
    tickets->sweep.data = tickets;
    uv_timer_start(&tickets->sweep, tickets_sweep, TICKETS_SWEEP_MS, TICKETS_SWEEP_MS);
    uv_unref((uv_handle_t *)&tickets->sweep);
    return tickets;
}

static void tickets_closed(uv_handle_t *handle)
{
    ImageTickets *tickets = handle->data;
    map_done(&tickets->by_id);
    free(tickets->directory);
    free(tickets->boot);
    free(tickets);
}

void tickets_free(ImageTickets *tickets)
{
    if (!tickets)
        return;
    MAP_EACH(&tickets->by_id, slot) {
        ImageTicket *ticket = slot->value;
        ticket_save(ticket);
        slot->value = NULL;
        ticket_answer_removals(ticket, INT64_MAX, false);
        ticket_free(ticket);
    }
    uv_close((uv_handle_t *)&tickets->sweep, tickets_closed);
}
