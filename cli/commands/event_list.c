// Events, and new ones as they come.
#include <errno.h>
#include <string.h>
#include <time.h>

#include "cli/client/json_path.h"
#include "cli/client/resolve.h"
#include "cli/commands/plain.h"
#include "cli/output/column.h"
#include "cli/verbs/runs.h"

enum { EVENTS_SHOWN = 50, FOLLOW_MS = 1000 };

static const char *const severities[] = {"normal", "warning", "error", "alert"};

static size_t severity_rank(const char *severity)
{
    for (size_t i = 0; severity && i < COUNT_OF(severities); i++)
        if (!strcmp(severities[i], severity))
            return i;
    return 0;
}

static int64_t event_id(const Json *event)
{
    int64_t id = 0;
    json_integer(json_get(event, "id"), &id);
    return id;
}

// Answers come newest first; people read the newest last.
static Json *events_turn(Arena *arena, const Json *list, const char *severity)
{
    Json *turned = ARENA_NEW(arena, Json);
    turned->kind = JSON_ARRAY;
    JSON_EACH(list, event) {
        if (severity_rank(json_get_string(event, "severity")) < severity_rank(severity))
            continue;
        Json **at = &turned->first;
        Json *copy = ARENA_NEW(arena, Json);
        *copy = *event;
        while (*at && event_id(*at) < event_id(copy))
            at = &(*at)->next;
        copy->next = *at;
        *at = copy;
        turned->count++;
    }
    return turned;
}

static void event_print_line(Cli *cli, Arena *arena, const Json *event)
{
    AUTO_STRBUF json = {0};
    if (cli->json) {
        json_put(&(JsonWriter){.out = &json}, event);
        puts(json.data);
        return;
    }
    if (cli->quiet) {
        puts(json_get_string(event, "id"));
        return;
    }
    const NounRow *noun = noun_find("event");
    bool first = true;
    COLUMN_EACH(noun, column)
    {
        Color color;
        if (!(column->place & IN_LIST))
            continue;
        const char *text = column_text(cli, arena, column, event, &color);
        AUTO_FREE char *clean = text_clean(text ? text : "");
        fputs(first ? "" : "  ", stdout);
        text_print(clean, color, cli->color, stdout);
        first = false;
    }
    putchar('\n');
}

static int events_get(Cli *cli, Arena *arena, int64_t from, Json **ret, Fail *why)
{
    const Json *answer = NULL;
    const char *path = call_query(cli, "events");
    if (from >= 0)
        path = arena_format(arena, "%s%cfrom=%lld", path, strchr(path, '?') ? '&' : '?',
                            (long long)from);
    else if (!command_value(&cli->command, "max"))
        path = arena_format(arena, "%s%cmax=%d", path, strchr(path, '?') ? '&' : '?', EVENTS_SHOWN);
    int result = rest_get(cli, arena, path, &answer, why);
    *ret = events_turn(arena, rest_list(answer, "event"), command_text(&cli->command, "severity"));
    return result;
}

static int events_follow(Cli *cli, int64_t last, Fail *why)
{
    while (!http_interrupted()) {
        AUTO_ARENA arena;
        AUTO_FAIL trouble = {0};
        Json *events;
        arena_init(&arena, 4096);
        int result = events_get(cli, &arena, last, &events, &trouble);
        if (result && trouble.code != FAIL_UNAVAILABLE) {
            fail_move(why, &trouble);
            return result;
        }
        JSON_EACH(events, event) {
            if (event_id(event) <= last)
                continue;
            event_print_line(cli, &arena, event);
            last = event_id(event);
        }
        fflush(stdout);
        struct timespec pause = {.tv_sec = FOLLOW_MS / 1000};
        nanosleep(&pause, NULL);
    }
    return 0;
}

int run_event_list(Cli *cli, Fail *why)
{
    Json *events;
    int64_t last = 0;
    int result = events_get(cli, &cli->arena, -1, &events, why);
    if (result)
        return result;
    bool follow = command_flag(&cli->command, "follow");
    JSON_EACH(events, event)
        last = event_id(event);
    if (follow || cli->quiet)
        JSON_EACH(events, event)
            event_print_line(cli, &cli->arena, event);
    else if (cli->json)
        json_print(events);
    else
        result = objects_print(cli, noun_find("event"), events,
                               command_text(&cli->command, "columns"), stdout, why);
    fflush(stdout);
    return result || !follow ? result : events_follow(cli, last, why);
}
