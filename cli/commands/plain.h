// What verbs do that are nothing but their row, for those that need a little more.
#pragma once

#include "cli/client/wait.h"
#include "cli/cli.h"

// The body and query that the command's values make of their targets.
int call_body(Cli *cli, Json **ret_body, Fail *why);
// Adds the query parameters of the command's values.
const char *call_query(Cli *cli, const char *path);

typedef struct Outcome {
    const char *name; // what the user called it
    const char *path; // of the object
    const char *id;
    const char *correlation, *job;
    const Json *answer;
    const char *state; // after waiting
} Outcome;

// Sends one request of the verb. `target` is the value that stands for its argument, may be NULL.
int call_send(Cli *cli, const Value *target, const Json *body, Outcome *ret, Fail *why);
// Waits for the verb's condition, unless --no-wait.
int call_wait(Cli *cli, Outcome *outcome, Fail *why);
// Says what has happened: a sentence, an id, or the object as JSON.
int call_tell(Cli *cli, const Outcome *outcome, Fail *why);
bool command_waits(const Command *command);
// Requests from here on belong together, and not to those before.
void call_new_correlation(Cli *cli);
