// Asking the person at the terminal.
#pragma once

#include "base/fail.h"

// A line that is not echoed, from the terminal. The caller frees it, after wiping it.
int prompt_secret(const char *question, char **ret, Fail *why);
// "yes" to the question. Without a terminal it is an error with the hint.
int prompt_confirm(const char *question, const char *hint, Fail *why);
// The first line of a file; "-" is standard input. Wiped and freed by the caller.
int secret_read(const char *path, char **ret, Fail *why);
void secret_free(char *secret);
void secret_freep(char **secret);
#define AUTO_SECRET __attribute__((cleanup(secret_freep)))
