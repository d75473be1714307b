// Verbs on tasks and jobs.
#include "agent/storage/verb_answer.h"

void task_clear(Call *call)
{
    AUTO_FAIL why = {0};
    answer(call, storage_task_clear(call_storage(call), call_string(call, "taskID"), &why), &why);
}

void task_stop(Call *call)
{
    AUTO_FAIL why = {0};
    answer(call, storage_task_stop(call_storage(call), call_string(call, "taskID"), &why), &why);
}

void task_revert(Call *call)
{
    AUTO_FAIL why = {0};
    answer(call, storage_task_revert(call_storage(call), call_string(call, "taskID"), &why), &why);
}

static void task_show(Call *call, TaskView view)
{
    AUTO_FAIL why = {0};
    AUTO_STRBUF json = {0};
    int error =
        storage_task_write(call_storage(call), call_string(call, "taskID"), view, &json, &why);
    answer_json(call, error, &why, &json);
}

void task_get_status(Call *call)
{
    task_show(call, TASK_STATUS);
}

void task_get_info(Call *call)
{
    task_show(call, TASK_INFO);
}

static void tasks_show(Call *call, TaskView view)
{
    AUTO_STRBUF json = {0};
    storage_task_write_all(call_storage(call), view, &json);
    call_reply(call, &json);
}

void host_get_all_tasks_statuses(Call *call)
{
    tasks_show(call, TASK_STATUS);
}

void host_get_all_tasks_info(Call *call)
{
    tasks_show(call, TASK_INFO);
}

void host_get_all_tasks(Call *call)
{
    tasks_show(call, TASK_DETAILS);
}

void host_get_jobs(Call *call)
{
    AUTO_STRBUF json = {0};
    storage_jobs_write(call_storage(call), call_string(call, "job_type"),
                       call_json(call, "job_ids"), &json);
    call_reply(call, &json);
}

static void job_add(Call *call, const char *kind)
{
    AUTO_FAIL why = {0};
    answer(call,
           storage_job_add(call_storage(call), kind, call_string(call, "job_id"), call_params(call),
                           &why),
           &why);
}

void sdm_copy_data(Call *call)
{
    job_add(call, "copy_data");
}

void sdm_update_volume(Call *call)
{
    job_add(call, "update_volume");
}
