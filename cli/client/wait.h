// Waiting until what was asked for has happened.
//
// What is waited for is a word or a condition on a member of the object:
//     job                           the operation has ended well
//     gone                          the object does not exist any more
//     status=up|powering_up!down    the member has one of the values; a value behind ! means that it
//                                   went wrong, once it was something else or the operation is over;
//                                   behind a second !, at once;
//                                   "gone" among the values: the object may be gone too
// Several, separated by commas, are waited for one after the other.
#pragma once

#include "cli/cli.h"

typedef struct Wait {
    const char *what; // "vm web"
    const char *path; // of the object
    const char *until;
    const char *job;         // id; NULL: looked for by the correlation id
    const char *correlation; // of the request
    int64_t timeout_s;
} Wait;

// *ret_state is the value that the member had at last, or NULL; in the program's arena.
int wait_for(Cli *cli, const Wait *wait, const char **ret_state, Fail *why);

// One condition; public for tests.
typedef enum WaitVerdict { WAIT_ON, WAIT_GOOD, WAIT_BAD } WaitVerdict;
// `state` NULL: the object does not exist. `moved`: it was something else before, or nothing runs
// any more that could change it.
WaitVerdict wait_judge(const char *condition, const char *state, bool moved);
// The member of a condition ("status"), or NULL. The caller frees it.
char *wait_member(const char *condition);
