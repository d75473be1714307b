// Guests' operating systems: the catalogue of the model.
#include <stdlib.h>
#include <string.h>

#include "manager/rest/check.h"
#include "manager/rest/items.h"
#include "manager/system/icon.h"
#include "model/operating_system.h"
#include "rest_handlers.h"

static void add_system(Request *request, Items *items, const OperatingSystem *system)
{
    static const ApiTpmSupport tpm[] = {
        [OS_TPM_UNSUPPORTED] = API_TPM_SUPPORT_UNSUPPORTED,
        [OS_TPM_SUPPORTED] = API_TPM_SUPPORT_SUPPORTED,
        [OS_TPM_REQUIRED] = API_TPM_SUPPORT_REQUIRED,
    };
    ApiOperatingSystemInfo *info = ARENA_NEW(&request->arena, ApiOperatingSystemInfo);
    info->id = arena_format(&request->arena, "%d", system->number);
    info->name = system->name;
    info->description = system->text;
    info->architecture = system->architecture;
    info->tpm_support = tpm[system->tpm];
    info->small_icon =
        api_reference_new(&request->arena, &api_type_icon, icon_id(system->family, false));
    info->large_icon =
        api_reference_new(&request->arena, &api_type_icon, icon_id(system->family, true));
    info->small_icon->href = arena_format(&request->arena, "/icons/%s", info->small_icon->id);
    info->large_icon->href = arena_format(&request->arena, "/icons/%s", info->large_icon->id);
    items_add_value(items, info);
}

int operating_system_list(Request *request, Items *items)
{
    for (int i = 0; operating_system_at(i); i++)
        add_system(request, items, operating_system_at(i));
    return 0;
}

int operating_system_get(Request *request, Items *items)
{
    const char *id = request_last_id(request);
    for (int i = 0; operating_system_at(i); i++) {
        AUTO_FREE char *number = memory_format("%d", operating_system_at(i)->number);
        if (strcmp(number, id))
            continue;
        add_system(request, items, operating_system_at(i));
        return 0;
    }
    return request_not_found(request, "operating system", id);
}
