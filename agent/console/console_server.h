// Serial consoles for the manager, on the management port: HTTP that becomes the line's bytes
// (proto/console.h). A line has one viewer; a new one takes the place of the old. All on the loop's
// thread.
#pragma once

#include "agent/agent.h"

ConsoleServer *console_server_new(Agent *agent);
// A stream of the management port whose first bytes are those of an HTTP request.
void console_server_adopt(Stream *stream, void *server);
void console_server_stop(ConsoleServer *server);
