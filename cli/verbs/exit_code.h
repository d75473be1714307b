// Exit codes by table; scripts rely on them.
#pragma once

#include "base/fail.h"

typedef enum ExitCode {
#define EXIT_CODE(name, code, text) EXIT_##name = (code),
#include "cli/verbs/exit_codes.def"
#undef EXIT_CODE
} ExitCode;

typedef struct ExitCodeRow {
    int code;
    const char *text;
} ExitCodeRow;

extern const ExitCodeRow exit_code_rows[];
extern const size_t exit_code_count;

ExitCode exit_code_of(FailCode code);
