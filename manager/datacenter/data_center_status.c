#include "manager/datacenter/data_center_status.h"

#include "manager/fleet/fleet.h"
#include "manager/inventory/state.h"
#include "manager/storage/pool.h"

ApiDataCenterStatus data_center_status_of(const DataCenterFacts *facts)
{
    if (!facts->domains)
        return API_DATA_CENTER_STATUS_UNINITIALIZED;
    if (!facts->master_wanted)
        return API_DATA_CENTER_STATUS_MAINTENANCE;
    if (facts->has_manager)
        return API_DATA_CENTER_STATUS_UP;
    if (!facts->hosts_up)
        return API_DATA_CENTER_STATUS_NOT_OPERATIONAL;
    return facts->electing ? API_DATA_CENTER_STATUS_CONTEND : API_DATA_CENTER_STATUS_PROBLEMATIC;
}

ApiDataCenterStatus data_center_status(const Manager *manager, const Entity *data_center)
{
    AUTO_ARRAY domains = {0};
    const DataCenterState *state = data_center_state(data_center);
    pool_domains(manager, data_center, &domains);
    const Entity *first = domains.count ? domains.items[0] : NULL;
    DataCenterFacts facts = {
        .domains = (int)domains.count,
        .master_wanted = first && ENTITY_OBJECT(first, StorageDomain)->wanted_active == API_TRUE,
        .has_manager = state->spm != NULL,
        .electing = state->connecting,
    };
    if (facts.domains && !facts.has_manager)
        INVENTORY_EACH(manager->inventory, KIND_HOST, host)
            facts.hosts_up += host_state(host)->status == API_HOST_STATUS_UP &&
                              host_data_center(manager, host) == data_center;
    return data_center_status_of(&facts);
}
