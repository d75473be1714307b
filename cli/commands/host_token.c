// A token with which one host can join, and what to say on that host.
#include <string.h>

#include "cli/client/json_path.h"
#include "cli/client/resolve.h"
#include "cli/output/column.h"
#include "cli/output/size.h"
#include "cli/verbs/runs.h"

static void token_print(const Cli *cli, const Json *answer)
{
    char time[TIME_TEXT];
    const char *token = json_get_string(answer, "token");
    if (cli->quiet) {
        puts(token ? token : "");
        return;
    }
    printf("Token:        %s\nFingerprint:  %s\nValid for:    %s\n\n"
           "On the host, as root:\n"
           "  vireo-agent enrol --manager %s --token %s --fingerprint %s\n",
           token, json_get_string(answer, "fingerprint"),
           duration_format(json_get_integer(answer, "expires_in", 0), time), cli->session.url,
           token, json_get_string(answer, "fingerprint"));
}

int run_host_token(Cli *cli, Fail *why)
{
    AUTO_STRBUF body = {0};
    JsonWriter writer = {.out = &body};
    HttpAnswer answer = {0};
    int result = resolve_command(cli, why);
    if (result)
        return result;
    const Value *cluster = command_value(&cli->command, "cluster");
    json_open(&writer, '{');
    json_add_string(&writer, "cluster", cluster->id);
    if (command_text(&cli->command, "name"))
        json_add_string(&writer, "name", command_text(&cli->command, "name"));
    json_close(&writer, '}');
    RestRequest request = {.method = "POST",
                           .path = "/vireo/enrolment-token",
                           .body = body.data,
                           .length = body.length,
                           .outside = true};
    result = rest_send(cli, &request, &answer, why);
    if (!result)
        result = rest_fault(&cli->arena, &request, &answer, why);
    if (!result) {
        const Json *json =
            json_parse(&cli->arena, answer.body.data, answer.body.length, NULL, NULL);
        if (cli->json && json)
            json_print(json);
        else
            token_print(cli, json);
    }
    strbuf_done(&answer.body);
    return result;
}
