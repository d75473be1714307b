#include "agent/storage/storage_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/rpc/call.h"
#include "agent/storage/storage_state.h"
#include "base/clock.h"
#include "base/log.h"

#define JOB_TYPE "storage"

typedef enum JobStatus { JOB_PENDING, JOB_RUNNING, JOB_DONE, JOB_ABORTED, JOB_FAILED } JobStatus;

static const char *const status_names[] = {
    [JOB_PENDING] = "pending", [JOB_RUNNING] = "running", [JOB_DONE] = "done",
    [JOB_ABORTED] = "aborted", [JOB_FAILED] = "failed",
};

typedef struct StorageJob {
    char id[UUID_SIZE];
    Storage *storage;
    const JobKind *kind;
    Arena arena;
    const Json *parameters;
    JobStatus status;
    atomic_int percent;
    int code;
    char *message;
    int64_t ended_ms; // 0: not yet
    Work work;
} StorageJob;

void storage_jobs_init(Storage *storage)
{
    uv_mutex_init(&storage->jobs.mutex);
}

static void job_free(StorageJob *job)
{
    arena_done(&job->arena);
    free(job->message);
    free(job);
}

void storage_jobs_done(Storage *storage)
{
    MAP_EACH(&storage->jobs.jobs, slot)
        job_free(slot->value);
    map_done(&storage->jobs.jobs);
    uv_mutex_destroy(&storage->jobs.mutex);
}

// ---- telling

// With the mutex held.
static void job_view(StorageJob *job, JsonWriter *writer)
{
    json_add_string(writer, "id", job->id);
    json_add_string(writer, "status", status_names[job->status]);
    json_add_string(writer, "description", job->kind->name);
    json_add_string(writer, "job_type", JOB_TYPE);
    if (job->kind->progress && job->status != JOB_PENDING)
        json_add_integer(writer, "progress", atomic_load(&job->percent));
    if (!job->code)
        return;
    json_key(writer, "error");
    json_open(writer, '{');
    json_add_integer(writer, "code", job->code);
    json_add_string(writer, "message", job->message);
    json_close(writer, '}');
}

static void job_tell(StorageJob *job)
{
    StrBuf event = {0};
    JsonWriter writer = {.out = &event};
    AUTO_FREE char *method = memory_format("|jobs|status|%s", job->id);
    uv_mutex_lock(&job->storage->jobs.mutex);
    json_open(&writer, '{');
    job_view(job, &writer);
    json_add_integer(&writer, "notify_time", clock_monotonic_ms());
    json_close(&writer, '}');
    uv_mutex_unlock(&job->storage->jobs.mutex);
    if (job->storage->agent->rpc)
        rpc_event(job->storage->agent->rpc, method, &event);
    strbuf_done(&event);
}

static void jobs_prune(StorageJobs *jobs)
{
    int64_t limit = clock_monotonic_ms() - JOB_KEEP_MS;
    MAP_EACH(&jobs->jobs, slot) {
        StorageJob *job = slot->value;
        if (job->ended_ms && job->ended_ms < limit) {
            map_remove(&jobs->jobs, job->id);
            job_free(job);
        }
    }
}

static bool id_listed(const Json *ids, const char *id)
{
    if (!ids || !ids->count)
        return true;
    JSON_EACH(ids, entry)
        if (json_string(entry) && !strcmp(json_string(entry), id))
            return true;
    return false;
}

void storage_jobs_write(Storage *storage, const char *type, const Json *ids, StrBuf *out)
{
    StorageJobs *jobs = &storage->jobs;
    JsonWriter writer = {.out = out};
    uv_mutex_lock(&jobs->mutex);
    jobs_prune(jobs);
    json_open(&writer, '{');
    MAP_EACH(&jobs->jobs, slot) {
        if ((type && *type && strcmp(type, JOB_TYPE)) || !id_listed(ids, slot->key))
            continue;
        json_key(&writer, slot->key);
        json_open(&writer, '{');
        job_view(slot->value, &writer);
        json_close(&writer, '}');
    }
    json_close(&writer, '}');
    uv_mutex_unlock(&jobs->mutex);
}

// ---- life

static void job_enter(StorageJob *job, JobStatus status, int code, const Fail *why)
{
    AUTO_FREE char *text = code ? fail_text(why) : NULL;
    uv_mutex_lock(&job->storage->jobs.mutex);
    job->status = status;
    job->code = code;
    if (code)
        job->message = memory_format("%s: %s", vdsm_error_text(code), text);
    if (status == JOB_DONE)
        atomic_store(&job->percent, 100);
    uv_mutex_unlock(&job->storage->jobs.mutex);
    if (code)
        log_warn("storage.job", LOG_ID("job", job->id), "%s: %s", job->kind->name, job->message);
}

static void job_run(Work *work)
{
    StorageJob *job = CONTAINER(work, StorageJob, work);
    JobRun run = {job->storage, job->parameters, &work->stop, &job->percent};
    AUTO_FAIL why = {0};
    job_enter(job, JOB_RUNNING, 0, NULL);
    job_tell(job);
    int error = job->kind->run(&run, &why);
    JobStatus status = !error ? JOB_DONE : error == VDSM_TASK_ABORTED ? JOB_ABORTED : JOB_FAILED;
    job_enter(job, status, error, &why);
}

static void job_ended(Work *work)
{
    StorageJob *job = CONTAINER(work, StorageJob, work);
    job_tell(job);
    uv_mutex_lock(&job->storage->jobs.mutex);
    job->ended_ms = clock_monotonic_ms();
    uv_mutex_unlock(&job->storage->jobs.mutex);
}

static StorageJob *job_new(Storage *storage, const JobKind *kind, const char *id,
                           const Json *parameters)
{
    AUTO_STRBUF text = {0};
    JsonWriter writer = {.out = &text};
    const char *error;
    size_t offset;
    StorageJob *job = NEW(StorageJob);
    json_put(&writer, parameters);
    arena_init(&job->arena, text.length * 3 + 256);
    char *copy = arena_bytes(&job->arena, text.data, text.length);
    job->parameters = json_parse(&job->arena, copy, text.length, &error, &offset);
    job->storage = storage;
    job->kind = kind;
    snprintf(job->id, sizeof(job->id), "%s", id);
    job->work = (Work){.run = job_run, .ended = job_ended};
    job->work.what = memory_format("job %s (%s)", job->id, kind->name);
    kind->locks(job->parameters, &job->work.locks);
    return job;
}

int storage_job_add(Storage *storage, const char *kind_name, const char *id, const Json *parameters,
                    Fail *why)
{
    StorageJobs *jobs = &storage->jobs;
    const JobKind *kind = job_kind_find(kind_name);
    int error = kind->check(parameters, why);
    if (error)
        return error;
    uv_mutex_lock(&jobs->mutex);
    jobs_prune(jobs);
    StorageJob *job = map_get(&jobs->jobs, id) ? NULL : job_new(storage, kind, id, parameters);
    if (job)
        map_put(&jobs->jobs, job->id, job);
    uv_mutex_unlock(&jobs->mutex);
    if (!job)
        return storage_fail(why, VDSM_JOB_EXISTS, "There is a job %s already", id);
    if (!work_add(&storage->works, &job->work))
        return 0;
    uv_mutex_lock(&jobs->mutex);
    map_remove(&jobs->jobs, id);
    uv_mutex_unlock(&jobs->mutex);
    free(job->work.what);
    job_free(job);
    return storage_fail(why, VDSM_RESOURCE_EXHAUSTED, "Too many jobs are waiting");
}
