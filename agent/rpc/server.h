// The management port: STOMP sessions over mutual TLS, and HTTP on the same port for consoles.
#pragma once

#include "agent/rpc/call.h"

RpcServer *rpc_server_new(Agent *agent, Fail *why);
void rpc_server_stop(RpcServer *server);
// After that, when the loop has ended.
void rpc_server_free(RpcServer *server);
// Connections that begin with HTTP's GET are given away; without it they are refused.
void rpc_server_on_http(RpcServer *server, void (*adopt)(Stream *stream, void *argument),
                        void *argument);
// With a reason every verb but ping answers RECOVERY_IN_PROGRESS and tells it; NULL opens them. The
// text stays the caller's.
void rpc_server_hold(RpcServer *server, const char *reason);
// A Unix socket with the same protocol and without TLS, for tests and the host's administrator.
int rpc_server_listen_path(RpcServer *server, const char *path, Fail *why);
