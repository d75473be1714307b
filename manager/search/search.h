// The search language of the API: parsing, checking against the searchable fields of each kind,
// and selecting entities.
#pragma once

#include "manager/rest/items.h"

// Adds to `items` what matches, ordered and cut (max < 0: no limit). SEARCH failures name the place
// in the text.
int search_collect(Request *request, Items *items, Kind kind, const char *text, int64_t max);
