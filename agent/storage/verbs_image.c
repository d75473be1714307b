// Verbs on images.
#include <stdlib.h>
#include <string.h>

#include "agent/storage/image.h"
#include "agent/storage/verb_answer.h"
#include "agent/storage/volume_chain.h"

void image_delete_verb(Call *call)
{
    AUTO_FAIL why = {0};
    AUTO_DOMAIN domain = {0};
    if (!call_require_pool(call, true) || !call_open_domain(call, "storagedomainID", &domain))
        return;
    int error = image_check_delete(call_storage(call), &domain, call_string(call, "imageID"), &why);
    if (error)
        call_fail_why(call, (VdsmError)error, &why);
    else
        answer_task(call, "deleteImage", true);
}

void image_delete_volumes(Call *call)
{
    answer_task(call, "deleteVolume", true);
}

void image_prepare(Call *call)
{
    AUTO_FAIL why = {0};
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    VolumePath path = {0};
    const char *pool = call_string(call, "storagepoolID");
    if (pool && !uuid_is_zero(pool) && !call_require_pool(call, false))
        return;
    int error = storage_prepare(call_storage(call), call_string(call, "storagedomainID"),
                                call_string(call, "imageID"), call_string(call, "volumeID"),
                                call_bool(call, "allowIllegal", false), &path, &why);
    json_open(&writer, '{');
    json_add_string(&writer, "path", path.path);
    json_close(&writer, '}');
    volume_path_done(&path);
    answer_json(call, error, &why, &json);
}

void image_teardown(Call *call)
{
    storage_teardown(call_storage(call), call_string(call, "storagedomainID"),
                     call_string(call, "imageID"), call_string(call, "volumeID"));
    call_ok(call);
}

// The chain as it is on disk, base first.
void image_reconcile_chain(Call *call)
{
    AUTO_FAIL why = {0};
    AUTO_DOMAIN domain = {0};
    AUTO_VOLUME_LIST list = {0};
    AUTO_ARRAY chain = {0}, ids = {0};
    const char *image = call_string(call, "imageID");
    if (!call_open_domain(call, "storagedomainID", &domain))
        return;
    int error = volume_list(call_storage(call), &domain, image, &list, &why);
    if (!error)
        error = volume_chain(&list, image, call_string(call, "leafVolID"), true, &chain, &why);
    for (size_t i = chain.count; i-- > 0;)
        array_add(&ids, memory_string(chain.items[i]));
    answer_list(call, error, &why, &ids);
}
