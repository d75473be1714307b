// Compatibility levels of data centres and clusters: 4.2 to 4.8.
#pragma once

#include <stdbool.h>

#include "api_types.h"
#include "base/arena.h"

enum { CLUSTER_LEVEL_MAJOR = 4, CLUSTER_LEVEL_FIRST = 2, CLUSTER_LEVEL_LAST = 8 };
// What new data centres get when the client names none.
enum { CLUSTER_LEVEL_DEFAULT = 7 };

// The minor number of "4.2" to "4.8"; 0 for any other text.
int cluster_level_minor(const char *text);
bool cluster_level_is_known(const ApiVersion *version);
// Negative, 0 or positive; a missing version is the lowest.
int cluster_level_compare(const ApiVersion *one, const ApiVersion *other);
// The levels from `from` on (NULL: from the lowest), into a list of versions.
void cluster_level_list(Arena *arena, const ApiVersion *from, void *ret_list);
