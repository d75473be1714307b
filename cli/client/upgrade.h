// Connections to the manager that become something else than HTTP.
#pragma once

#include "cli/cli.h"

// Asks for `path` of the manager, with the session's token, to go on as `protocol`. Afterwards the
// client's connection (client/http_client.h) is that protocol's; what came of it already is added
// to `early`. The caller frees the client.
int upgrade_open(Cli *cli, const char *path, const char *protocol, HttpClient **ret, StrBuf *early,
                 Fail *why);
// Waits until the connection can be read (and written, with `write`) or the time is over.
void upgrade_poll(HttpClient *client, bool write, int timeout_ms);
