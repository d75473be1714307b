#include "cli/client/rest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/uuid.h"

#define API_PATH "/ovirt-engine/api"

int rest_open(Cli *cli, Fail *why)
{
    Session *session = &cli->session;
    if (session->url)
        return 0;
    char id[UUID_SIZE];
    snprintf(cli->correlation, sizeof(cli->correlation), "cli-%.8s", uuid_new(id));
    int result = session_open(command_text(&cli->command, "connection"), session, why);
    if (!result && !session->token && session->password)
        result = session_authenticate(session, session->password, why);
    return result;
}

static void rest_trace(const Cli *cli, const RestRequest *request, int status, int64_t begun_ms)
{
    if (cli->verbose)
        fprintf(stderr, "%s %s: %d, %lld ms\n", request->method, request->path, status,
                (long long)(clock_monotonic_ms() - begun_ms));
}

static int rest_send_once(Cli *cli, const RestRequest *request, HttpAnswer *ret, Fail *why)
{
    const Session *session = &cli->session;
    const char *type = request->type ? request->type : "application/json";
    AUTO_FREE char *authorization =
        memory_format("Authorization: Bearer %s", session->token ? session->token : "");
    AUTO_FREE char *accept = memory_format("Accept: %s", type);
    AUTO_FREE char *content = memory_format("Content-Type: %s", type);
    AUTO_FREE char *correlation = memory_format("Correlation-Id: %s", cli->correlation);
    const char *const headers[] = {authorization, accept, content, correlation, "Version: 4", NULL};
    AUTO_FREE char *url =
        memory_format("%s%s%s%s", session->url, request->outside ? "" : API_PATH,
                      *request->path == '/' || !*request->path ? "" : "/", request->path);
    HttpCall call = {.method = request->method,
                     .url = url,
                     .headers = headers,
                     .body = request->body,
                     .length = request->length};
    int64_t begun = clock_monotonic_ms();
    int result = http_call(session->http, &call, ret, why);
    rest_trace(cli, request, result ? 0 : ret->status, begun);
    explicit_bzero(authorization, strlen(authorization));
    return result;
}

int rest_send(Cli *cli, const RestRequest *request, HttpAnswer *ret, Fail *why)
{
    int result = rest_open(cli, why);
    if (!result)
        result = rest_send_once(cli, request, ret, why);
    if (result || ret->status != 401 || !cli->session.password)
        return result;
    strbuf_done(&ret->body); // the token that was kept is too old
    result = session_authenticate(&cli->session, cli->session.password, why);
    return result ? result : rest_send_once(cli, request, ret, why);
}

// ---- faults

static FailCode fault_code(int status)
{
    static const struct {
        int status;
        FailCode code;
    } rows[] = {
        {400, FAIL_REJECTED},    {401, FAIL_UNAUTHENTICATED},
        {403, FAIL_FORBIDDEN},   {404, FAIL_NOT_FOUND},
        {405, FAIL_NO_METHOD},   {408, FAIL_TIMED_OUT},
        {409, FAIL_CONFLICT},    {410, FAIL_GONE},
        {413, FAIL_TOO_LARGE},   {501, FAIL_NOT_IMPLEMENTED},
        {503, FAIL_UNAVAILABLE}, {507, FAIL_NO_SPACE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].status == status)
            return rows[i].code;
    return FAIL_INTERNAL;
}

// The detail of a rejected command is a list of sentences in brackets.
static char *fault_detail(const char *detail)
{
    size_t length = detail ? strlen(detail) : 0;
    if (length > 1 && detail[0] == '[' && detail[length - 1] == ']')
        return memory_bytes(detail + 1, length - 2);
    return memory_string(detail ? detail : "");
}

static void fault_fill(const RestRequest *request, int status, const Json *json, Fail *why)
{
    const Json *inner = json_get(json, "fault");
    const Json *fault = inner ? inner : json;
    const char *reason = json_get_string(fault, "reason");
    AUTO_FREE char *detail = fault_detail(json_get_string(fault, "detail"));
    FailCode code = fault_code(status);
    if (reason && *detail)
        fail_set(why, code, "%s: %s", reason, detail);
    else if (reason)
        fail_set(why, code, "%s", reason);
    else if (status == 404)
        fail_set(why, code, "Nothing lies at %s.", request->path);
    else if (status == 401)
        fail_set(why, code, "The login is not valid any more.");
    else
        fail_set(why, code, "The manager answered %s %s with status %d.", request->method,
                 request->path, status);
    if (status == 401)
        fail_hint(why, "Log in again with vireo login");
}

int rest_fault(Arena *arena, const RestRequest *request, const HttpAnswer *answer, Fail *why)
{
    const Json *json = json_parse(arena, answer->body.data, answer->body.length, NULL, NULL);
    // A failed action can be told with status 200.
    if (answer->status < 300 && !json_get(json, "fault"))
        return 0;
    fault_fill(request, answer->status < 300 ? 409 : answer->status, json, why);
    return fail_to_errno(fault_code(answer->status));
}

// ---- JSON in and out

int rest_call(Cli *cli, Arena *arena, const char *method, const char *path, const Json *body,
              const Json **ret, Fail *why)
{
    AUTO_STRBUF text = {0};
    HttpAnswer answer = {0};
    RestRequest request = {.method = method, .path = path};
    if (body) {
        json_put(&(JsonWriter){.out = &text}, body);
        request.body = text.data;
        request.length = text.length;
    }
    int result = rest_send(cli, &request, &answer, why);
    if (result)
        return result;
    const char *error = NULL;
    size_t offset = 0, length = answer.body.length;
    char *copy = arena_bytes(arena, answer.body.data, length);
    result = rest_fault(arena, &request, &answer, why);
    strbuf_done(&answer.body);
    if (result)
        return result;
    *ret = length ? json_parse(arena, copy, length, &error, &offset) : NULL;
    if (length && !*ret) {
        fail_set(why, FAIL_INTERNAL, "%s does not answer like a Vireo manager.", cli->session.url);
        fail_detail(why, "no JSON at byte %zu: %s", offset, error);
        return fail_to_errno(FAIL_INTERNAL);
    }
    return 0;
}

int rest_get(Cli *cli, Arena *arena, const char *path, const Json **ret, Fail *why)
{
    return rest_call(cli, arena, "GET", path, NULL, ret, why);
}

const Json *rest_list(const Json *answer, const char *member)
{
    const Json *list = json_get(answer, member);
    return list && list->kind == JSON_ARRAY ? list : NULL;
}
