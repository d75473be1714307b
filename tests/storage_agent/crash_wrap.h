// Kills the process at a chosen change of the file system. The linker sends the calls here
// (--wrap), so the program under test has no crash points of its own and none can be forgotten.
#pragma once

void crash_wrap_init(void);
