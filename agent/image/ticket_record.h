// A ticket as JSON: what the manager says of it, what it is told, and its file.
#pragma once

#include "agent/image/image_ticket.h"

enum { TICKET_SECONDS_MAX = 366 * 24 * 3600 };

struct ImageTickets {
    uv_loop_t *loop;
    char *directory, *boot; // boot: monotonic times of another one mean nothing
    Map by_id;
    uv_timer_t sweep;
};

// A ticket that nobody knows yet; NULL when the description is wrong.
ImageTicket *ticket_read(ImageTickets *tickets, const Json *description, Fail *why);
void ticket_free(ImageTicket *ticket);
void ticket_write_description(const ImageTicket *ticket, JsonWriter *writer);

char *ticket_path(const ImageTicket *ticket);
int ticket_save(ImageTicket *ticket);
// NULL when the file is of no use any more.
ImageTicket *ticket_restore(ImageTickets *tickets, const char *path);
// Of this run of the machine.
char *boot_id(void);
