// Jobs and their steps: operations as the API shows them, and jobs that others do and report.
#include <string.h>

#include "base/clock.h"
#include "manager/operations/operation.h"
#include "manager/rest/check.h"
#include "manager/rest/reply.h"
#include "manager/rest/statistics.h"
#include "manager/search/search.h"
#include "rest_handlers.h"

enum { EXTERNAL_JOBS_MAX = 10000, EXTERNAL_STEPS_MAX = 1000 };

// Of the rows of external jobs; no such kind of operation is registered.
static const char *const external_kind = "external";

// ---- jobs

static void job_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    const ApiOperation *row = item->document->object;
    AUTO_FREE char *title = operation_title(request->manager, item->entity);
    ApiJob *view = target;
    view->id = row->id;
    view->description = arena_string(scratch, title);
    // One that is about to end still holds its locks.
    view->status = operation_find(request->manager, row->id) ? API_JOB_STATUS_STARTED : row->status;
    view->start_time = row->start_time;
    view->end_time = row->end_time;
    view->last_updated = row->last_progress;
    view->external = API_BOOL(row->external == API_TRUE);
    view->auto_cleared = API_BOOL(row->external != API_TRUE || row->auto_cleared == API_TRUE);
    if (row->user)
        view->owner = api_reference_new(scratch, &api_type_user, row->user);
}

static bool is_visible(const Request *request, const Entity *job)
{
    const char *user = ENTITY_OBJECT(job, Operation)->user;
    return request_is_admin(request) || (user && !strcmp(user, request->user.id));
}

static int job_filter(Request *request, SearchFilter **ret_filter, int64_t *ret_max)
{
    const char *search = request->http ? request_parameter(request, "search") : NULL;
    *ret_filter = NULL;
    *ret_max = -1;
    if (!request->http)
        return 0;
    bool exact = request_flag(request, "case_sensitive", false);
    if (fail_is_set(&request->why) || request_integer(request, "max", ret_max))
        return fail_to_errno(request->why.code);
    *ret_filter = search_filter_new(request->manager, &request->arena, "jobs", VIEW_TEXT(search),
                                    exact ? SEARCH_CASE_SENSITIVE : 0, &request->why);
    return *ret_filter ? 0 : fail_to_errno(request->why.code);
}

int job_list(Request *request, Items *items)
{
    AUTO_ARRAY found = {0};
    SearchFilter *filter;
    int64_t max;
    if (job_filter(request, &filter, &max))
        return fail_to_errno(request->why.code);
    INVENTORY_EACH(request->manager->inventory, KIND_OPERATION, job)
        if (is_visible(request, job) && (!filter || search_filter_match(filter, job)))
            array_add(&found, job);
    if (filter)
        search_filter_arrange(filter, &found, max);
    items->view = job_view;
    for (size_t i = 0; i < found.count; i++)
        items_add_entity(items, found.items[i]);
    return 0;
}

static Entity *job_of_path(Request *request)
{
    const char *id = request_id_of(request, "Job");
    Entity *job = inventory_get(request->manager->inventory, KIND_OPERATION, id);
    if (job && is_visible(request, job))
        return job;
    request_not_found(request, "job", id);
    return NULL;
}

int job_get(Request *request, Items *items)
{
    Entity *job = job_of_path(request);
    if (!job)
        return fail_to_errno(request->why.code);
    items->view = job_view;
    items_add_entity(items, job);
    return 0;
}

// ---- steps

// Steps of operations have no id of their own: it is made of the job's and their number.
static const char *step_id(Arena *arena, const ApiOperation *row, uint32_t number)
{
    char id[UUID_SIZE];
    if (row->steps.items[number]->id)
        return row->steps.items[number]->id;
    AUTO_FREE char *name = memory_format("%s %u", row->id, number);
    return arena_string(arena, uuid_from_name("step", name, id));
}

static uint32_t step_number(const ApiOperation *row, const ApiOperationStep *step)
{
    uint32_t number = 0;
    while (number < row->steps.count && row->steps.items[number] != step)
        number++;
    return number;
}

static ApiStepStatus step_status(const ApiOperation *row, uint32_t number)
{
    const ApiOperationStep *step = row->steps.items[number];
    bool current = row->external != API_TRUE && row->phase == API_OPERATION_PHASE_FORWARD &&
                   row->step.value == (int64_t)number;
    return current ? API_STEP_STATUS_STARTED : step->status;
}

static const char *step_title(const Manager *manager, const ApiOperation *row, uint32_t number)
{
    const ApiOperationStep *step = row->steps.items[number];
    const char *title = operation_step_title(manager, row, number);
    return step->description ? step->description : title ? title : step->name;
}

static void step_view(Request *request, const Item *item, Arena *scratch, void *target)
{
    const ApiOperation *row = item->document->object;
    const ApiOperationStep *step = item->part;
    uint32_t number = step_number(row, step);
    const Operation *running = operation_find(request->manager, row->id);
    ApiStep *view = target;
    view->id = step_id(scratch, row, number);
    view->description = step_title(request->manager, row, number);
    view->type = step->type ? step->type : API_STEP_ENUM_EXECUTING;
    view->number = API_INT(number);
    view->status = step_status(row, number);
    view->start_time = step->start_time;
    if (view->status != API_STEP_STATUS_STARTED)
        view->end_time = step->end_time;
    else if (running && running->progress_percent >= 0)
        view->progress = API_INT(running->progress_percent);
    view->external = API_BOOL(row->external == API_TRUE);
    view->job = api_reference_new(scratch, &api_type_job, row->id);
    if (!step->parent)
        return;
    view->parent_step = api_reference_new(scratch, &api_type_step, step->parent);
    view->parent_step->href = arena_format(scratch, "/jobs/%s/steps/%s", row->id, step->parent);
}

// Steps that have not begun are not shown.
static bool is_begun(const ApiOperation *row, uint32_t number)
{
    return row->steps.items[number]->start_time.set ||
           step_status(row, number) == API_STEP_STATUS_STARTED;
}

int step_list(Request *request, Items *items)
{
    Entity *job = job_of_path(request);
    if (!job)
        return fail_to_errno(request->why.code);
    const ApiOperation *row = ENTITY_OBJECT(job, Operation);
    items->view = step_view;
    for (uint32_t i = 0; i < row->steps.count; i++)
        if (is_begun(row, i))
            items_add_part(items, job, row->steps.items[i]);
    return 0;
}

static int step_find(Request *request, const Entity *job, const char *id, uint32_t *ret_number)
{
    const ApiOperation *row = ENTITY_OBJECT(job, Operation);
    for (uint32_t i = 0; i < row->steps.count; i++)
        if (is_begun(row, i) && !strcmp(step_id(&request->arena, row, i), id)) {
            *ret_number = i;
            return 0;
        }
    return request_not_found(request, "step", id);
}

int step_get(Request *request, Items *items)
{
    uint32_t number;
    Entity *job = job_of_path(request);
    if (!job || step_find(request, job, request_id_of(request, "Step"), &number))
        return fail_to_errno(request->why.code);
    items->view = step_view;
    items_add_part(items, job, ENTITY_OBJECT(job, Operation)->steps.items[number]);
    return 0;
}

// The step is there; only those that move Gluster's data ever had figures.
int step_statistics(Request *request, Items *items)
{
    uint32_t number;
    Entity *job = job_of_path(request);
    (void)items;
    return job ? step_find(request, job, request_id_of(request, "Step"), &number)
               : fail_to_errno(request->why.code);
}

// ---- jobs that others do

static size_t count_external(const Inventory *inventory)
{
    size_t count = 0;
    INVENTORY_EACH(inventory, KIND_OPERATION, job)
        count += ENTITY_OBJECT(job, Operation)->external == API_TRUE;
    return count;
}

static int check_description(Request *request, const char *member, const char *text)
{
    if (text && !text[strspn(text, " \t\r\n")])
        return fail_set(&request->why, FAIL_INVALID, "%s: it can't be empty.", member);
    return request_check_text(request, member, text, CHECK_TEXT_MAX);
}

void job_add(Request *request)
{
    const ApiJob *wanted = request->body;
    int result = check_description(request, "job.description", wanted->description);
    if (!result && count_external(request->manager->inventory) >= EXTERNAL_JOBS_MAX)
        result = fail_set(&request->why, FAIL_CONFLICT,
                          "Cannot add job. There are %d external jobs already.", EXTERNAL_JOBS_MAX);
    if (result) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_add(change, KIND_OPERATION, NULL);
    ApiOperation *row = draft->object;
    Arena *arena = &draft->arena;
    row->kind = external_kind;
    row->external = API_TRUE;
    row->auto_cleared = API_BOOL(wanted->auto_cleared == API_TRUE);
    row->description = arena_string(arena, wanted->description);
    row->phase = API_OPERATION_PHASE_FORWARD;
    row->status = API_JOB_STATUS_STARTED;
    row->start_time = row->last_progress = API_INT(clock_wall_ms());
    row->user = arena_string(arena, request->cause.user);
    row->user_name = arena_string(arena, request->cause.user_name);
    row->correlation_id = arena_string(arena, request->cause.correlation);
    row->context = ARENA_NEW(arena, ApiOperationContext);
    AUTO_FREE char *path = memory_format("/jobs/%s", row->id);
    event_add(change, request->method->event, &(EventFacts){.name = row->description});
    commit_and_show(request, change, 201, path);
}

static Entity *external_job(Request *request, bool running)
{
    Entity *job = job_of_path(request);
    const ApiOperation *row = job ? ENTITY_OBJECT(job, Operation) : NULL;
    if (job && row->external != API_TRUE)
        fail_set(&request->why, FAIL_REJECTED,
                 "Job %s is the system's own: only jobs that were "
                 "added over the API can be changed.",
                 job->id);
    else if (job && running && row->phase == API_OPERATION_PHASE_ENDED)
        fail_set(&request->why, FAIL_STATE, "Job %s has ended already.", job->id);
    return fail_is_set(&request->why) ? NULL : job;
}

void job_clear(Request *request)
{
    Entity *job = external_job(request, false);
    if (!job) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ((ApiOperation *)change_edit(change, job)->object)->auto_cleared = API_TRUE;
    commit_and_act(request, change, NULL);
}

static void end_steps(ApiOperation *row, ApiStepStatus status, int64_t now)
{
    for (uint32_t i = 0; i < row->steps.count; i++) {
        ApiOperationStep *step = row->steps.items[i];
        if (step->status != API_STEP_STATUS_STARTED)
            continue;
        step->status = status;
        step->end_time = API_INT(now);
    }
}

void job_end(Request *request)
{
    const ApiAction *action = request->body;
    Entity *job = external_job(request, true);
    if (!job) {
        reply_fail(request);
        return;
    }
    bool good = action->succeeded != API_FALSE, force = action->force == API_TRUE;
    int64_t now = clock_wall_ms();
    Change *change = change_new(request->manager, &request->cause);
    ApiOperation *row = change_edit(change, job)->object;
    row->phase = API_OPERATION_PHASE_ENDED;
    row->status = good ? API_JOB_STATUS_FINISHED : API_JOB_STATUS_FAILED;
    row->end_time = row->last_progress = API_INT(now);
    if (force) // forgets what its author left behind
        row->auto_cleared = API_TRUE;
    end_steps(row,
              force  ? API_STEP_STATUS_ABORTED
              : good ? API_STEP_STATUS_FINISHED
                     : API_STEP_STATUS_FAILED,
              now);
    commit_and_act(request, change, NULL);
}

static int step_check(Request *request, const Entity *job)
{
    uint32_t number;
    const ApiStep *wanted = request->body;
    int result = check_description(request, "step.description", wanted->description);
    if (!result && ENTITY_OBJECT(job, Operation)->steps.count >= EXTERNAL_STEPS_MAX)
        result = fail_set(&request->why, FAIL_CONFLICT, "Cannot add step. Job %s has %d already.",
                          job->id, EXTERNAL_STEPS_MAX);
    if (!result && wanted->parent_step && !wanted->parent_step->id)
        result = fail_set(&request->why, FAIL_INCOMPLETE, "Step [parent_step.id] required for add");
    if (!result && wanted->parent_step)
        result = step_find(request, job, wanted->parent_step->id, &number);
    return result;
}

void step_add(Request *request)
{
    char id[UUID_SIZE];
    const ApiStep *wanted = request->body;
    Entity *job = external_job(request, true);
    if (!job || step_check(request, job)) {
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiDocument *draft = change_edit(change, job);
    Arena *arena = &draft->arena;
    ApiOperation *row = draft->object;
    ApiOperationStep *step = api_reference_new(arena, &api_type_operation_step, uuid_new(id));
    step->description = arena_string(arena, wanted->description);
    step->type = wanted->type;
    step->parent = wanted->parent_step ? arena_string(arena, wanted->parent_step->id) : NULL;
    step->status = API_STEP_STATUS_STARTED;
    step->start_time = row->last_progress = API_INT(clock_wall_ms());
    api_list_add(arena, &row->steps, step);
    AUTO_FREE char *path = memory_format("%s/%s", request->route.path, id);
    commit_and_show(request, change, 201, path);
}

void step_end(Request *request)
{
    uint32_t number;
    const ApiAction *action = request->body;
    Entity *job = external_job(request, true);
    if (!job || step_find(request, job, request_id_of(request, "Step"), &number)) {
        reply_fail(request);
        return;
    }
    if (ENTITY_OBJECT(job, Operation)->steps.items[number]->status != API_STEP_STATUS_STARTED) {
        fail_set(&request->why, FAIL_STATE, "The step has ended already.");
        reply_fail(request);
        return;
    }
    Change *change = change_new(request->manager, &request->cause);
    ApiOperation *row = change_edit(change, job)->object;
    ApiOperationStep *step = row->steps.items[number];
    step->status =
        action->succeeded != API_FALSE ? API_STEP_STATUS_FINISHED : API_STEP_STATUS_FAILED;
    step->end_time = row->last_progress = API_INT(clock_wall_ms());
    commit_and_act(request, change, NULL);
}
