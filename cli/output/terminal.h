// The terminal in raw mode: each key goes through as it is. It is as before on every exit that a
// program can do anything about, by return, exit() or signal.
#pragma once

#include <stdbool.h>

// Does nothing (true) when standard input is no terminal; false when it can't be changed.
bool terminal_raw(void);
void terminal_restore(void);
