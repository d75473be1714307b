// The catalogue of network filters.
#pragma once

#include "base/uuid.h"

typedef struct NetworkFilterRow {
    const char *name;
    int since; // cluster level 3.x
    const char *given_id;
} NetworkFilterRow;

const NetworkFilterRow *network_filter_at(int index); // NULL behind the last
// By id, or by name when `id` is NULL; NULL when there is none.
const NetworkFilterRow *network_filter_find(const char *id, const char *name);
char *network_filter_id(const NetworkFilterRow *row, char id[UUID_SIZE]);
