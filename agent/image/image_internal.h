// The image server from inside; only for the files beside this one.
#pragma once

#include "agent/agent.h"
#include "agent/image/image_operation.h"
#include "agent/image/nbd_server.h"

struct ImageServer {
    Agent *agent;
    uv_loop_t *loop;
    Listener *listener;
    HttpServer *http;
    ImageTickets *tickets;
    NbdServers *nbd;
    List operations;
    int operation_count;
    Piece *pieces; // free ones
    int piece_count;
    bool stopping, http_stopped;
};

// The last operation may be what a stop waits for.
void image_server_operation_gone(ImageServer *server);
