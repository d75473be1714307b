#include "cli/commands/plain.h"

#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"
#include "cli/client/json_path.h"
#include "cli/client/resolve.h"
#include "cli/output/column.h"
#include "cli/verbs/runs.h"

// ---- bodies and queries

static void body_set_cpus(Arena *arena, Json *body, const char *target, const char *text)
{
    static const char *const parts[] = {"sockets", "cores", "threads"};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        const char *path = arena_format(arena, "%s.%s", target, parts[i]);
        json_set_integer(arena, body, path, text ? strtoll(text, NULL, 10) : 1);
        const char *colon = text ? strchr(text, ':') : NULL;
        text = colon ? colon + 1 : NULL;
    }
}

static void body_set_value(Arena *arena, Json *body, const Value *value)
{
    const char *target = value->row->target;
    switch (value->row->type) {
    case VALUE_FLAG:
    case VALUE_BOOLEAN: json_set_bool(arena, body, target, value->number); break;
    case VALUE_SIZE:
    case VALUE_COUNT:
    case VALUE_SECONDS: json_set_integer(arena, body, target, value->number); break;
    case VALUE_CPUS: body_set_cpus(arena, body, target, value->text); break;
    case VALUE_REFERENCE: json_set_string(arena, body, target, value->id); break;
    default: json_set_string(arena, body, target, value->text);
    }
}

int call_body(Cli *cli, Json **ret_body, Fail *why)
{
    const Command *command = &cli->command;
    Arena *arena = &cli->arena;
    Json *body = json_new_object(arena);
    (void)why;
    for (size_t i = 0; i < command->values.count; i++) {
        const Value *value = command->values.items[i];
        if (value->row->target && *value->row->target != '?')
            body_set_value(arena, body, value);
    }
    *ret_body = body;
    return 0;
}

const char *call_query(Cli *cli, const char *path)
{
    const Command *command = &cli->command;
    Arena *arena = &cli->arena;
    for (size_t i = 0; i < command->values.count; i++) {
        const Value *value = command->values.items[i];
        const char *target = value->row->target;
        bool flag = value->row->type == VALUE_FLAG || value->row->type == VALUE_BOOLEAN;
        if (!target || *target != '?')
            continue;
        path = path_add(arena, path, target + 1,
                        flag        ? (value->number ? "true" : "false")
                        : value->id ? value->id
                                    : value->text);
    }
    VERB_EACH(command->verb, ROW_CONSTANT, constant)
    if (*constant->target == '?')
        path = path_add(arena, path, constant->target + 1, constant->value);
    return path;
}

// ---- lists and single objects

static int list_run(Cli *cli, const NounRow *noun, const char *path, Fail *why)
{
    const Json *answer = NULL, *list;
    path = call_query(cli, path);
    if (noun->follow)
        path = path_add(&cli->arena, path, "follow", noun->follow);
    int result = rest_get(cli, &cli->arena, path, &answer, why);
    if (result)
        return result;
    list = rest_list(answer, noun->list);
    if (cli->json)
        json_print(list ? list : &(Json){.kind = JSON_ARRAY});
    else if (cli->quiet)
        JSON_EACH(list, object)
            puts(json_get_string(object, "id") ? json_get_string(object, "id") : "");
    else
        return objects_print(cli, noun, list, command_text(&cli->command, "columns"), stdout, why);
    return 0;
}

int run_list(Cli *cli, Fail *why)
{
    const VerbRow *verb = cli->command.verb;
    const NounRow *noun = noun_find(verb->call ? verb->call : verb->noun);
    const char *path = NULL;
    int result = resolve_command(cli, why);
    if (!result)
        result = resolve_path(cli, noun->path, NULL, &path, why);
    return result ? result : list_run(cli, noun, path, why);
}

static int show_one(Cli *cli, const NounRow *noun, const Value *value, const Json **ret, Fail *why)
{
    const char *path = NULL;
    int result = resolve_path(cli, noun->path, NULL, &path, why);
    if (result)
        return result;
    path = arena_format(&cli->arena, "%s/%s", path, value->id);
    if (noun->show)
        path = path_add(&cli->arena, path, "follow", noun->show);
    return rest_get(cli, &cli->arena, path, ret, why);
}

int run_show(Cli *cli, Fail *why)
{
    const VerbRow *verb = cli->command.verb;
    const NounRow *noun = noun_find(verb->noun);
    const VerbRow *argument = verb_next_row(verb, NULL, ROW_ARGUMENT);
    AUTO_ARRAY objects = {0};
    int result = resolve_command(cli, why);
    VALUE_EACH(&cli->command, argument->name, value)
    {
        const Json *object = NULL;
        if (!result)
            result = show_one(cli, noun, value, &object, why);
        if (!result)
            array_add(&objects, (void *)object);
    }
    Json *list = json_new_object(&cli->arena);
    for (size_t i = 0; !result && i < objects.count; i++) {
        json_set(&cli->arena, list, "all[]", *(Json *)objects.items[i]);
        if (cli->json)
            continue;
        if (cli->quiet)
            puts(json_get_string(objects.items[i], "id"));
        else
            object_print(cli, noun, objects.items[i], stdout);
        if (i + 1 < objects.count && !cli->quiet)
            puts("");
    }
    if (!result && cli->json)
        json_print(objects.count == 1 ? objects.items[0] : json_get(list, "all"));
    return result;
}

// ---- requests that change something

bool command_waits(const Command *command)
{
    return command->verb->until && !command_flag(command, "no-wait");
}

void call_new_correlation(Cli *cli)
{
    char id[UUID_SIZE];
    snprintf(cli->correlation, sizeof(cli->correlation), "cli-%.8s", uuid_new(id));
}

// A request that makes an object goes to a collection; others are actions.
static bool call_creates(const VerbRow *verb)
{
    const char *slash = strrchr(verb->call, '/');
    return !strncmp(verb->call, "POST ", 5) &&
           noun_is_collection(slash ? slash : strchr(verb->call, ' '));
}

// The object that a request is about: a new one, that of an action, or the path itself.
static const char *object_path(Cli *cli, const char *path, const Outcome *outcome)
{
    const VerbRow *verb = cli->command.verb;
    const char *plain = arena_bytes(&cli->arena, path, strcspn(path, "?"));
    const char *last = strrchr(plain, '/'), *id = json_get_string(outcome->answer, "id");
    if (strncmp(verb->call, "POST ", 5))
        return plain;
    if (call_creates(verb))
        return id ? arena_format(&cli->arena, "%s/%s", plain, id) : plain;
    return arena_bytes(&cli->arena, plain, (size_t)(last - plain));
}

// What the user has called the object: the innermost one, "nic1" of "vm nic plug web nic1".
static const char *target_name(const Command *command)
{
    const char *name = NULL;
    VERB_EACH(command->verb, ROW_ARGUMENT, row)
    if (row->type == VALUE_REFERENCE && command_text(command, row->name))
        name = command_text(command, row->name);
    return name;
}

static void outcome_fill(Cli *cli, const Value *target, const char *path, Outcome *outcome)
{
    const Json *answer = outcome->answer;
    bool created = call_creates(cli->command.verb);
    const char *name = created  ? json_text_at(&cli->arena, answer, "name|description")
                       : target ? target->text
                                : target_name(&cli->command);
    outcome->path = object_path(cli, path, outcome);
    const char *slash = strrchr(outcome->path, '/');
    outcome->id = slash ? slash + 1 : outcome->path;
    outcome->name = name && *name ? name : outcome->id;
    outcome->job = json_text_at(&cli->arena, answer, "job.id");
    outcome->correlation = arena_string(&cli->arena, cli->correlation);
}

int call_send(Cli *cli, const Value *target, const Json *body, Outcome *ret, Fail *why)
{
    const char *call = cli->command.verb->call, *blank = strchr(call, ' '), *path = NULL;
    const char *method = arena_bytes(&cli->arena, call, (size_t)(blank - call));
    *ret = (Outcome){0};
    call_new_correlation(cli);
    int result = resolve_path(cli, blank + 1, target, &path, why);
    if (result)
        return result;
    path = call_query(cli, path);
    result = rest_call(cli, &cli->arena, method, path, strcmp(method, "DELETE") ? body : NULL,
                       &ret->answer, why);
    if (result && http_interrupted()) {
        fail_done(why);
        fail_set(why, FAIL_UNAVAILABLE, "Interrupted before the manager had answered.");
        fail_hint(why, "It may have begun: see vireo job list");
    }
    if (!result)
        outcome_fill(cli, target, path, ret);
    return result;
}

int call_wait(Cli *cli, Outcome *outcome, Fail *why)
{
    const VerbRow *verb = cli->command.verb;
    AUTO_FREE char *what = memory_format("%s %s", verb->noun, outcome->name);
    if (!command_waits(&cli->command))
        return 0;
    Wait wait = {.what = what,
                 .path = outcome->path,
                 .until = verb->until,
                 .job = outcome->job,
                 .correlation = outcome->correlation,
                 .timeout_s = command_number(&cli->command, "timeout", 600)};
    return wait_for(cli, &wait, &outcome->state, why);
}

static void tell_sentence(const Command *command, const Outcome *outcome)
{
    const VerbRow *verb = command->verb;
    printf("%s %s", verb->noun, outcome->name);
    if (verb->until && !command_waits(command))
        fputs(": the manager has accepted it", stdout);
    else
        printf(" %s", verb->done);
    if (call_creates(verb) && strcmp(outcome->id, outcome->name))
        printf(", id %s", outcome->id);
    putchar('\n');
}

int call_tell(Cli *cli, const Outcome *outcome, Fail *why)
{
    bool removed = !strncmp(cli->command.verb->call, "DELETE", 6);
    const Json *object = outcome->answer;
    if (cli->json && !removed && rest_get(cli, &cli->arena, outcome->path, &object, why))
        return fail_to_errno(why->code);
    if (cli->json)
        json_print(object ? object : &(Json){.kind = JSON_OBJECT});
    else if (cli->quiet)
        puts(outcome->id);
    else
        tell_sentence(&cli->command, outcome);
    fflush(stdout);
    return 0;
}

// Several objects: all are asked for first, then waited for, so that they happen at the same time.
// What fails does not stop the others; its failure is told at once, and the first one is returned.
typedef struct Batch {
    Cli *cli;
    Outcome *outcomes;
    bool *open; // still to be waited for
    size_t count;
    Fail first;
} Batch;

static void batch_fail(Batch *batch, const char *name, Fail *failure)
{
    if (!fail_is_set(failure))
        fail_set(failure, FAIL_UNAVAILABLE, "Interrupted.");
    AUTO_FREE char *text = fail_text(failure);
    fprintf(stderr, "vireo: %s: %s\n", name, text);
    if (!fail_is_set(&batch->first))
        fail_move(&batch->first, failure);
    fail_done(failure);
}

static void batch_send(Batch *batch, const Json *body, const char *argument)
{
    size_t i = 0;
    VALUE_EACH(&batch->cli->command, argument, value)
    {
        AUTO_FAIL failure = {0};
        if (!http_interrupted() &&
            !call_send(batch->cli, value, body, &batch->outcomes[i], &failure))
            batch->open[i] = true;
        else
            batch_fail(batch, value->text, &failure);
        i++;
    }
}

static void batch_wait(Batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        AUTO_FAIL failure = {0};
        Outcome *outcome = &batch->outcomes[i];
        if (!batch->open[i])
            continue;
        if (call_wait(batch->cli, outcome, &failure) || call_tell(batch->cli, outcome, &failure))
            batch_fail(batch, outcome->name, &failure);
    }
}

static int batch_run(Cli *cli, const Json *body, const char *argument, size_t count, Fail *why)
{
    Batch batch = {.cli = cli, .count = count};
    batch.outcomes = arena_array(&cli->arena, count, sizeof(Outcome));
    batch.open = arena_array(&cli->arena, count, sizeof(bool));
    batch_send(&batch, body, argument);
    batch_wait(&batch);
    if (!fail_is_set(&batch.first))
        return 0;
    FailCode code = batch.first.code;
    fail_done(&batch.first);
    fail_set(why, code, "Not everything succeeded.");
    return fail_to_errno(code);
}

int run_call(Cli *cli, Fail *why)
{
    Outcome outcome;
    Json *body;
    const VerbRow *many = NULL;
    size_t count = 0;
    int result = resolve_command(cli, why);
    if (!result)
        result = call_body(cli, &body, why);
    if (result)
        return result;
    VERB_EACH(cli->command.verb, ROW_ARGUMENT, argument)
    many = argument->flags & ROW_MANY ? argument : NULL;
    if (many)
        VALUE_EACH(&cli->command, many->name, value)
    count += value != NULL;
    if (count > 1)
        return batch_run(cli, body, many->name, count, why);
    result = call_send(cli, NULL, body, &outcome, why);
    if (!result)
        result = call_wait(cli, &outcome, why);
    return result ? result : call_tell(cli, &outcome, why);
}
