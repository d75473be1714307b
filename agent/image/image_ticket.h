// Tickets: who holds the id of one may read or write one image until it expires.
//
// They live in memory and as one small file each in the run directory, so that a restarted agent
// goes on serving them. All on the loop's thread.
#pragma once

#include "agent/image/image_backend.h"
#include "agent/image/range_set.h"
#include "base/json.h"
#include "base/map.h"

enum {
    TICKETS_MAX = 1000,
    TICKET_INACTIVITY_S = 60,
    TICKET_REMOVE_MS = 60000, // to wait for requests that are under way
};

typedef struct ImageTickets ImageTickets;
typedef struct ImageTicket ImageTicket;

// Somebody who uses a ticket. Lies in its owner.
typedef struct TicketUse {
    ImageTicket *ticket;
    List node;
    int64_t offset, done; // bytes transferred from there on
    // The ticket is removed: end soon, and call ticket_leave().
    void (*cancel)(struct TicketUse *use);
} TicketUse;

// Somebody who waits for a connection to the image. `backend` is NULL when `why` is set.
typedef struct BackendWait {
    List node;
    ImageBackend *opening; // the one it waits for
    void (*ready)(struct BackendWait *wait, ImageBackend *backend, const Fail *why);
} BackendWait;

struct ImageTicket {
    ImageTickets *tickets;
    char *id, *url, *transfer_id, *filename;
    int64_t size;
    int timeout_s, inactivity_s;
    bool read, write, sparse, dirty, canceled;
    int64_t expires_ms, access_ms, saved_expires_ms; // monotonic
    RangeSet completed;
    bool unsaved;
    List uses, backends, waits;
    List removals; // who waits for the end
};

typedef struct TicketRemoval {
    List node;
    int64_t deadline_ms;
    void (*done)(struct TicketRemoval *removal, bool removed);
} TicketRemoval;

// Loads the tickets of an earlier life from `directory`, which is made.
ImageTickets *tickets_new(uv_loop_t *loop, const char *directory, Fail *why);
// Everybody must have left.
void tickets_free(ImageTickets *tickets);

// A ticket as the manager describes it. The same one again is extended.
int ticket_add(ImageTickets *tickets, const Json *description, Fail *why);
ImageTicket *ticket_find(ImageTickets *tickets, const char *id);
// The ticket if it allows that now; otherwise NULL and why.
ImageTicket *ticket_authorize(ImageTickets *tickets, const char *id, bool write, Fail *why);
void ticket_extend(ImageTicket *ticket, int64_t seconds);
void ticket_write_info(const ImageTicket *ticket, JsonWriter *writer);
// Ends its uses and connections, then forgets it. `removal` lies in the caller until its `done`,
// which may come from inside.
void ticket_remove(ImageTicket *ticket, TicketRemoval *removal);

// Counts as activity, and makes it live for another time-out.
void ticket_touch(ImageTicket *ticket);
void ticket_enter(ImageTicket *ticket, TicketUse *use);
void ticket_leave(TicketUse *use);

// A connection to the image, shared if there must be; `ready` may be called from inside.
void ticket_take_backend(ImageTicket *ticket, BackendWait *wait);
void ticket_stop_waiting(BackendWait *wait);
void ticket_give_backend(ImageTicket *ticket, ImageBackend *backend);
