// The serial line of one VM, as libvirt's stream. It is opened and closed on the pool; its bytes
// move in libvirt's thread, through two bounded buffers.
#pragma once

#include "agent/vm/hypervisor.h"
#include "base/strbuf.h"

typedef struct SerialLine SerialLine;

// Blocks. Whoever had the line open loses it, also "virsh console". `woken` is called in libvirt's
// thread when there is output, room for input, or the end; it must not call back.
SerialLine *serial_line_open(Hypervisor *hypervisor, const char *vm, void (*woken)(void *argument),
                             void *argument, Fail *why);
// Blocks. `woken` is not called any more. NULL is fine.
void serial_line_close(SerialLine *line);

// Input; returns how much there was room for.
size_t serial_line_send(SerialLine *line, const char *data, size_t length);
// Adds all output to `out`, and to *skipped how many bytes were thrown away behind it because
// nobody took them in time: a guest never waits for its viewer. False at the line's end.
bool serial_line_take(SerialLine *line, StrBuf *out, size_t *skipped);
