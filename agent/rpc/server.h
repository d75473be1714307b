// The management port: STOMP sessions over mutual TLS, and HTTP on the same port for OVF uploads.
#pragma once

#include "agent/rpc/call.h"

RpcServer *rpc_server_new(Agent *agent, Fail *why);
void rpc_server_stop(RpcServer *server);
// After that, when the loop has ended.
void rpc_server_free(RpcServer *server);
// Until then every verb answers RECOVERY_IN_PROGRESS.
void rpc_server_set_ready(RpcServer *server);
// A Unix socket with the same protocol and without TLS, for tests and the host's administrator.
int rpc_server_listen_path(RpcServer *server, const char *path, Fail *why);
