// What every verb of vireo works with. One thread.
#pragma once

#include <stdio.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/map.h"
#include "cli/client/session.h"
#include "cli/verbs/command.h"

struct Cli {
    Arena arena; // lives as long as the program
    Command command;
    Session session;
    Map names;       // "noun id" -> name, of nouns in `names_known`
    Map names_known; // noun -> anything
    bool json, quiet, verbose;
    bool color; // of stdout
    char correlation[40];
};
