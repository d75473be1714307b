// Named places at which tests kill the program, to prove that nothing is lost. VIREO_CRASH_AT
// holds "where/kind/step/when", or "@" and the path of a file that holds it and may change; without
// it these are one comparison of a pointer.
#pragma once

void crash_point_init(void);
void crash_point(const char *where, const char *kind, const char *step, const char *when);
