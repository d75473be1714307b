#include "cli/client/wait.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/client/json_path.h"
#include "cli/client/resolve.h"
#include "cli/output/progress.h"
#include "cli/output/size.h"

enum {
    FIRST_DELAY_MS = 50,
    DELAY_MAX_MS = 1000,
};

typedef enum JobState { JOB_UNKNOWN, JOB_RUNNING, JOB_FINISHED, JOB_FAILED } JobState;

typedef struct Waiting {
    Cli *cli;
    const Wait *wait;
    Progress progress;
    const char *job; // id
    bool no_jobs;    // the manager tells none
    JobState job_state;
    char job_text[160]; // what it is doing
    const char *state;  // in the program's arena
    bool seen, moved;
    int64_t deadline_ms;
} Waiting;

// ---- conditions

static bool words_have(const char *words, size_t length, const char *word)
{
    size_t wanted = strlen(word);
    for (const char *at = words; at < words + length;) {
        size_t step = strcspn(at, "|!");
        if (step > (size_t)(words + length - at))
            step = (size_t)(words + length - at);
        if (step == wanted && !strncmp(at, word, step))
            return true;
        at += step + 1;
    }
    return false;
}

char *wait_member(const char *condition)
{
    const char *equals = strchr(condition, '=');
    return equals ? memory_bytes(condition, (size_t)(equals - condition)) : NULL;
}

WaitVerdict wait_judge(const char *condition, const char *state, bool moved)
{
    if (!strcmp(condition, "gone"))
        return state ? WAIT_ON : WAIT_GOOD;
    const char *equals = strchr(condition, '=');
    if (!equals)
        return WAIT_ON;
    const char *good = equals + 1, *end = good + strlen(good);
    const char *bad = strchr(good, '!'), *hopeless = bad ? strchr(bad + 1, '!') : NULL;
    size_t length = (size_t)((bad ? bad : end) - good);
    if (!state)
        return words_have(good, length, "gone") ? WAIT_GOOD : WAIT_BAD;
    if (words_have(good, length, state))
        return WAIT_GOOD;
    if (bad && moved && words_have(bad + 1, (size_t)((hopeless ? hopeless : end) - bad - 1), state))
        return WAIT_BAD;
    if (hopeless && words_have(hopeless + 1, (size_t)(end - hopeless - 1), state))
        return WAIT_BAD;
    return WAIT_ON;
}

// ---- the operation behind it

static JobState job_state_of(const char *status)
{
    static const struct {
        const char *status;
        JobState state;
    } rows[] = {{"started", JOB_RUNNING},
                {"finished", JOB_FINISHED},
                {"failed", JOB_FAILED},
                {"aborted", JOB_FAILED}};
    for (size_t i = 0; status && i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].status, status))
            return rows[i].state;
    return JOB_UNKNOWN;
}

static void job_read(Waiting *waiting, const Json *job)
{
    const char *text = json_get_string(job, "description");
    int64_t percent = -1;
    waiting->job_state = job_state_of(json_get_string(job, "status"));
    JSON_EACH(json_list_at(job, "steps.step"), step) {
        const char *status = json_get_string(step, "status");
        if (!status || strcmp(status, "started"))
            continue;
        text = json_get_string(step, "description");
        percent = json_get_integer(step, "progress", -1);
    }
    if (percent >= 0)
        snprintf(waiting->job_text, sizeof(waiting->job_text), "%s, %lld%%", text ? text : "",
                 (long long)percent);
    else
        snprintf(waiting->job_text, sizeof(waiting->job_text), "%s", text ? text : "");
}

static void job_find(Waiting *waiting, Arena *arena)
{
    AUTO_FREE char *query = memory_format("correlation_id=%s", waiting->wait->correlation);
    const Json *answer = NULL;
    const char *path = path_add(arena, "jobs", "search", query);
    waiting->no_jobs = rest_get(waiting->cli, arena, path, &answer, NULL) != 0;
    const Json *job = json_first(rest_list(answer, "job"));
    if (job)
        waiting->job = arena_string(&waiting->cli->arena, json_get_string(job, "id"));
}

static void job_look(Waiting *waiting, Arena *arena)
{
    const Json *job = NULL;
    if (waiting->no_jobs || waiting->job_state >= JOB_FINISHED)
        return;
    if (!waiting->job)
        job_find(waiting, arena);
    const char *path =
        waiting->job ? arena_format(arena, "jobs/%s?follow=steps", waiting->job) : NULL;
    if (path && !rest_get(waiting->cli, arena, path, &job, NULL))
        job_read(waiting, job);
}

// What the manager has told about the failure: the gravest event of this operation.
static const char *failure_text(Waiting *waiting, Arena *arena)
{
    static const char *const severities[] = {"alert", "error", "warning"};
    AUTO_FREE char *query = memory_format("correlation_id=%s", waiting->wait->correlation);
    const char *path = path_add(arena, "events?max=50", "search", query);
    const Json *answer = NULL;
    rest_get(waiting->cli, arena, path, &answer, NULL);
    for (size_t i = 0; i < COUNT_OF(severities); i++)
        JSON_EACH(rest_list(answer, "event"), event) {
            const char *severity = json_get_string(event, "severity");
            if (severity && !strcmp(severity, severities[i]))
                return json_get_string(event, "description");
        }
    return NULL;
}

static int wait_failed(Waiting *waiting, Arena *arena, Fail *why)
{
    const char *text = failure_text(waiting, arena);
    if (text)
        fail_set(why, FAIL_INTERNAL, "%s", text);
    else if (waiting->job_state == JOB_FAILED)
        fail_set(why, FAIL_INTERNAL, "%s: %s has failed.", waiting->wait->what,
                 *waiting->job_text ? waiting->job_text : "the operation");
    else
        fail_set(why, FAIL_INTERNAL, "%s is %s.", waiting->wait->what,
                 waiting->state ? waiting->state : "gone");
    fail_hint(why, "vireo event list tells more");
    return -EIO;
}

// ---- the object

// 0: looked, also when the object is gone. A manager that is away for a moment is no failure.
static int object_look(Waiting *waiting, Arena *arena, const char *condition, bool *ret_known,
                       Fail *why)
{
    AUTO_FAIL trouble = {0};
    AUTO_FREE char *member = wait_member(condition);
    const Json *object = NULL;
    const char *path = waiting->wait->path;
    if (member && strchr(member, '.'))
        path = arena_format(arena, "%s?follow=%.*s", path, (int)strcspn(member, "."), member);
    int result = rest_get(waiting->cli, arena, path, &object, &trouble);
    *ret_known = !result || trouble.code == FAIL_NOT_FOUND;
    if (result && trouble.code != FAIL_NOT_FOUND && trouble.code != FAIL_UNAVAILABLE) {
        fail_move(why, &trouble);
        return result;
    }
    if (!*ret_known)
        return 0;
    const char *state = result ? NULL : member ? json_text_at(arena, object, member) : "there";
    if (!result && !state)
        state = "";
    if (waiting->seen && waiting->state && state && strcmp(state, waiting->state))
        waiting->moved = true;
    if (!waiting->seen || !state || !waiting->state || strcmp(state, waiting->state))
        waiting->state = arena_string(&waiting->cli->arena, state);
    waiting->seen = true;
    return 0;
}

static int wait_pause(int64_t ms)
{
    for (; ms > 0 && !http_interrupted(); ms -= 50) {
        struct timespec step = {.tv_nsec = (ms < 50 ? ms : 50) * 1000000};
        nanosleep(&step, NULL);
    }
    return http_interrupted() ? -EINTR : 0;
}

static void wait_show(Waiting *waiting, const char *condition, bool known)
{
    const char *state = !known                   ? "the manager does not answer"
                        : strchr(condition, '=') ? waiting->state
                                                 : NULL;
    bool job = waiting->job_state == JOB_RUNNING && *waiting->job_text;
    if (!state && !job)
        state = "waiting";
    AUTO_FREE char *text = memory_format("%s%s%s", state ? state : "", state && job ? ", " : "",
                                         job ? waiting->job_text : "");
    progress_state(&waiting->progress, text);
}

static int wait_late(const Waiting *waiting, Fail *why)
{
    char time[TIME_TEXT];
    fail_set(why, FAIL_TIMED_OUT, "%s is still %s after %s.", waiting->wait->what,
             waiting->state && *waiting->state ? waiting->state : "not ready",
             duration_format(waiting->wait->timeout_s, time));
    fail_hint(why, "It goes on in the manager: see vireo job list. --timeout waits longer");
    return -ETIMEDOUT;
}

// One look. True when the condition is decided.
static bool wait_look(Waiting *waiting, Arena *arena, const char *condition, int *ret, Fail *why)
{
    bool known, only_job = !strcmp(condition, "job");
    *ret = object_look(waiting, arena, only_job ? "gone" : condition, &known, why);
    if (*ret)
        return true;
    bool over = waiting->job_state == JOB_FINISHED;
    WaitVerdict verdict = known && !only_job
                              ? wait_judge(condition, waiting->state, waiting->moved || over)
                              : WAIT_ON;
    if (verdict == WAIT_GOOD)
        return true;
    job_look(waiting, arena);
    wait_show(waiting, condition, known);
    if (only_job && (waiting->job_state == JOB_FINISHED || (known && !waiting->job)))
        return true;
    if (verdict == WAIT_BAD || waiting->job_state == JOB_FAILED) {
        *ret = wait_failed(waiting, arena, why);
        return true;
    }
    return false;
}

static int wait_condition(Waiting *waiting, const char *condition, Fail *why)
{
    int64_t delay = FIRST_DELAY_MS;
    waiting->seen = waiting->moved = false;
    for (;;) {
        AUTO_ARENA arena;
        int result;
        arena_init(&arena, 4096);
        if (wait_look(waiting, &arena, condition, &result, why))
            return result;
        if (clock_monotonic_ms() >= waiting->deadline_ms)
            return wait_late(waiting, why);
        if (wait_pause(delay))
            return fail_set(why, FAIL_UNAVAILABLE, "Interrupted; %s goes on in the manager.",
                            waiting->wait->what);
        delay = delay * 2 < DELAY_MAX_MS ? delay * 2 : DELAY_MAX_MS;
    }
}

int wait_for(Cli *cli, const Wait *wait, const char **ret_state, Fail *why)
{
    Waiting waiting = {.cli = cli,
                       .wait = wait,
                       .job = wait->job,
                       .deadline_ms = clock_monotonic_ms() + wait->timeout_s * 1000};
    const char *rest = wait->until;
    int result = 0;
    progress_init(&waiting.progress, wait->what, cli->quiet || cli->json);
    while (!result && rest && *rest) {
        size_t length = strcspn(rest, ",");
        AUTO_FREE char *condition = memory_bytes(rest, length);
        result = wait_condition(&waiting, condition, why);
        rest += length + (rest[length] == ',');
    }
    progress_done(&waiting.progress);
    *ret_state = waiting.state;
    return result;
}
