// Serial consoles: GET /vireo/console/VMID/serial of somebody who may use them goes on as the bytes
// of the VM's serial line (proto/console.h), relayed to and from its host over mutual TLS. What one
// side doesn't take is not read from the other. All on the loop's thread.
#pragma once

#include "manager/manager.h"

SerialConsoles *serial_consoles_new(Manager *manager);
void serial_consoles_stop(SerialConsoles *consoles); // NULL is fine
// `rest` is the path behind CONSOLE_PATH without its last slash: "/VMID/serial".
void serial_console_handle(Manager *manager, Http *http, const char *rest);
