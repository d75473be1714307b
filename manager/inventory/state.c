#include "manager/inventory/state.h"

#include <stdlib.h>
#include <string.h>

size_t state_size(Kind kind)
{
    switch (kind) {
    case KIND_HOST: return sizeof(HostState);
    case KIND_VM: return sizeof(VmState);
    case KIND_STORAGE_DOMAIN: return sizeof(StorageDomainState);
    case KIND_DISK: return sizeof(DiskState);
    case KIND_DATA_CENTER: return sizeof(DataCenterState);
    case KIND_IMAGE_TRANSFER: return sizeof(TransferState);
    case KIND_MAC_POOL: return sizeof(MacPoolState);
    default: return 0;
    }
}

void state_init(Entity *entity)
{
    switch (entity->kind) {
    case KIND_HOST: list_init(&host_state(entity)->vms); break;
    case KIND_VM: vm_state(entity)->entity = entity; break;
    case KIND_DISK: disk_state(entity)->actual_size = -1; break;
    case KIND_STORAGE_DOMAIN:
        storage_domain_state(entity)->available = storage_domain_state(entity)->used = -1;
        break;
    default: break;
    }
}

void nic_rates_free(NicRates *nics, int count)
{
    for (int i = 0; i < count; i++) {
        free(nics[i].name);
        free(nics[i].mac);
    }
    free(nics);
}

const NicRates *nic_rates_find(const NicRates *nics, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (nics[i].name && !strcmp(nics[i].name, name))
            return &nics[i];
    return NULL;
}

static void host_state_done(HostState *state)
{
    LIST_EACH(&state->vms, VmState, on_host, vm)
        list_remove(&vm->on_host);
    api_document_unref(state->hardware);
    api_document_unref(state->networks);
    nic_rates_free(state->nics, state->nic_count);
    free(state->status_reason);
    free(state->accelerator_reason);
    free(state->boot_id);
    free(state->ended_tasks);
}

void vm_state_forget_guest(VmState *state)
{
    char **texts[] = {&state->fqdn,        &state->guest_ip,        &state->os_family,
                      &state->os_version,  &state->os_distribution, &state->os_kernel,
                      &state->os_codename, &state->os_architecture, &state->time_zone,
                      &state->sessions,    &state->applications,    &state->disk_mapping,
                      &state->disk_usage};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        free(*texts[i]);
        *texts[i] = NULL;
    }
    for (int i = 0; i < state->guest_nic_count; i++) {
        GuestNic *nic = &state->guest_nics[i];
        for (int j = 0; j < nic->address_count; j++)
            free(nic->addresses[j]);
        free(nic->addresses);
        free(nic->name);
        free(nic->mac);
    }
    free(state->guest_nics);
    state->guest_nics = NULL;
    state->guest_nic_count = 0;
    state->agent_seen = false;
}

static void vm_state_done(VmState *state)
{
    vm_state_forget_guest(state);
    list_remove(&state->on_host);
    if (state->host)
        entity_unref(state->host);
    nic_rates_free(state->nics, state->nic_count);
    for (int i = 0; i < state->disk_count; i++)
        free(state->disks[i].disk);
    free(state->disks);
    free(state->status_detail);
    free(state->exit_message);
    free(state->display_address);
    free(state->hash);
    free(state->xml);
    free(state->cdrom);
}

void state_done(Kind kind, void *state)
{
    switch (kind) {
    case KIND_HOST: host_state_done(state); break;
    case KIND_VM: vm_state_done(state); break;
    case KIND_STORAGE_DOMAIN: free(((StorageDomainState *)state)->reason); break;
    case KIND_DISK: free(((DiskState *)state)->illegal_reason); break;
    case KIND_DATA_CENTER:
        if (((DataCenterState *)state)->spm)
            entity_unref(((DataCenterState *)state)->spm);
        break;
    default: break;
    }
}

void vm_state_set_host(Entity *vm, Entity *host)
{
    VmState *state = vm_state(vm);
    if (state->host == host)
        return;
    list_remove(&state->on_host);
    if (state->host)
        entity_unref(state->host);
    state->host = host ? entity_ref(host) : NULL;
    if (host)
        list_append(&host_state(host)->vms, &state->on_host);
}
