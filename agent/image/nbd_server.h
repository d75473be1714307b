// NBD servers: one qemu-nbd for each volume that is transferred.
//
// A server has a record in the run directory from before its program starts until after that has
// ended. The programs outlive the agent: the next agent adopts those with a record, starts again
// what should run, and ends what nobody knows. All on the loop's thread; what blocks is done on
// the pool.
#pragma once

#include "agent/agent.h"
#include "base/json.h"
#include "proto/vdsm.h"

typedef struct NbdServers NbdServers;

// `error` is 0 or what to answer with; `url` is "nbd:unix:PATH".
typedef void (*NbdStarted)(VdsmError error, const Fail *why, const char *url, void *argument);
typedef void (*NbdStopped)(VdsmError error, const Fail *why, void *argument);

NbdServers *nbd_servers_new(Agent *agent, const char *directory, Fail *why);
// Stops watching; the programs go on. Frees itself when what was begun on the pool has come back.
void nbd_servers_free(NbdServers *servers);

// `config` as VDSM's NBD.start_server takes it. The same server again is answered with its URL.
void nbd_server_start(NbdServers *servers, const char *id, const Json *config, NbdStarted done,
                      void *argument);
// One that isn't there is fine.
void nbd_server_stop(NbdServers *servers, const char *id, NbdStopped done, void *argument);
