#include "agent/storage/verb_answer.h"

#include <stdlib.h>

void answer_list(Call *call, int error, const Fail *why, Array *strings)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    json_open(&writer, '[');
    for (size_t i = 0; i < strings->count; i++) {
        json_put_string(&writer, strings->items[i]);
        free(strings->items[i]);
    }
    json_close(&writer, ']');
    strings->count = 0;
    answer_json(call, error, why, &json);
}

bool call_require_pool(Call *call, bool spm)
{
    AUTO_FAIL why = {0};
    int error =
        storage_pool_require(call_storage(call), call_string(call, "storagepoolID"), spm, &why);
    if (error)
        call_fail_why(call, (VdsmError)error, &why);
    return !error;
}

bool call_open_domain(Call *call, const char *parameter, StorageDomain *ret)
{
    AUTO_FAIL why = {0};
    int error = storage_domain_open(call_storage(call), call_string(call, parameter), ret, &why);
    if (error)
        call_fail_why(call, (VdsmError)error, &why);
    return !error;
}

void answer_task(Call *call, const char *verb, bool spm)
{
    AUTO_FAIL why = {0};
    char id[UUID_SIZE];
    if (!call_require_pool(call, spm))
        return;
    int error = storage_task_add(call_storage(call), verb, call_params(call), id, &why);
    if (error)
        call_fail_why(call, (VdsmError)error, &why);
    else
        call_reply_string(call, id);
}
