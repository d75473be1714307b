// Symbolic links in directories of the host's own.
#pragma once

// Makes the link point there; one that points elsewhere is replaced at once. 0 or negative errno.
int link_point(const char *link, const char *target);
