// One raw request.
#include <string.h>

#include "base/file.h"
#include "cli/client/json_path.h"
#include "cli/client/rest.h"
#include "cli/verbs/runs.h"

enum { API_BODY_MAX = 64 * 1024 * 1024 };

static int api_body(Cli *cli, char **ret, size_t *ret_length, Fail *why)
{
    const char *text = command_text(&cli->command, "BODY");
    if (!text)
        return 0;
    const char *path = !strcmp(text, "-") ? "/dev/stdin" : *text == '@' ? text + 1 : NULL;
    if (!path) {
        *ret = memory_string(text);
        *ret_length = strlen(text);
        return 0;
    }
    int result = file_read(path, API_BODY_MAX, ret, ret_length);
    return result ? fail_errno(why, FAIL_INVALID, result, "%s can't be read", path) : 0;
}

static const char *api_path(const char *path)
{
    static const char prefix[] = "/ovirt-engine/api";
    return strncmp(path, prefix, sizeof(prefix) - 1) ? path : path + sizeof(prefix) - 1;
}

// JSON is indented, anything else written as it is.
static void api_print(Arena *arena, const HttpAnswer *answer)
{
    AUTO_STRBUF text = {0};
    const Json *json = json_parse(arena, answer->body.data, answer->body.length, NULL, NULL);
    if (json)
        json_pretty(&text, json);
    else
        strbuf_add(&text, answer->body.data, answer->body.length);
    fwrite(text.data, 1, text.length, stdout);
    fflush(stdout);
}

int run_api(Cli *cli, Fail *why)
{
    AUTO_FREE char *body = NULL;
    HttpAnswer answer = {0};
    RestRequest request = {.method = command_text(&cli->command, "METHOD"),
                           .path = api_path(command_text(&cli->command, "PATH"))};
    int result = api_body(cli, &body, &request.length, why);
    request.body = body;
    if (!body && !strcmp(request.method, "POST")) {
        request.body = "{}"; // actions without parameters
        request.length = 2;
    }
    if (!result)
        result = rest_send(cli, &request, &answer, why);
    if (!result) {
        api_print(&cli->arena, &answer);
        result = rest_fault(&cli->arena, &request, &answer, why);
    }
    strbuf_done(&answer.body);
    return result;
}
