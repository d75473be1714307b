#include "cli/verbs/exit_code.h"

const ExitCodeRow exit_code_rows[] = {
#define EXIT_CODE(name, code, text) {code, text},
#include "cli/verbs/exit_codes.def"
#undef EXIT_CODE
};

const size_t exit_code_count = COUNT_OF(exit_code_rows);

static const struct {
    int status;
    ExitCode code;
} status_rows[] = {
    {200, EXIT_OK},          {400, EXIT_INVALID},   {401, EXIT_UNAUTHENTICATED},
    {403, EXIT_FORBIDDEN},   {404, EXIT_NOT_FOUND}, {408, EXIT_TIMED_OUT},
    {409, EXIT_CONFLICT},    {410, EXIT_NOT_FOUND}, {413, EXIT_INVALID},
    {503, EXIT_UNREACHABLE},
};

ExitCode exit_code_of(FailCode code)
{
    for (size_t i = 0; i < COUNT_OF(status_rows); i++)
        if (status_rows[i].status == fail_http_status(code))
            return status_rows[i].code;
    return EXIT_FAILED;
}
