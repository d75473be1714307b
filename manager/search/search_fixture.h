// For tests of searching: a small data centre in memory.
#pragma once

#include "manager/inventory/state.h"
#include "manager/manager.h"

typedef struct SearchFixture {
    Manager manager; // inventory, events and operations only
    uv_loop_t loop;  // never runs before the end
} SearchFixture;

void fixture_init(SearchFixture *fixture);
void fixture_done(SearchFixture *fixture);
// The id that rows refer to as "@vm:web1".
const char *fixture_id(const char *kind, const char *name, char id[UUID_SIZE]);
// `json` as the store has it, with "@kind:name" in the place of ids.
Entity *fixture_add(SearchFixture *fixture, Kind kind, const char *name, const char *json);
Entity *fixture_get(SearchFixture *fixture, Kind kind, const char *name);
