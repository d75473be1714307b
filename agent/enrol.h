// Joining a manager: the host makes a key, the manager signs, a one-time token is the ticket.
#pragma once

#include "agent/agent.h"

typedef struct EnrolOptions {
    const char *manager, *token, *fingerprint, *name, *address;
} EnrolOptions;

// Takes its own options out of the arguments and leaves the rest.
int enrol_parse(EnrolOptions *options, int *argc, char **argv, Fail *why);
int enrol_run(Agent *agent, const EnrolOptions *options, Fail *why);
