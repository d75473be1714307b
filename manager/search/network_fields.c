// Fields of clusters, networks, vNIC profiles and the interfaces of VMs.
#include <stdlib.h>
#include <string.h>

#include "manager/search/search_fields.h"

// ---- clusters

static const ApiCluster *cluster_of(const Subject *subject)
{
    return subject->object;
}

void get_cluster_architecture(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    if (cluster_of(subject)->cpu)
        values_add_choice(ret, (int)cluster_of(subject)->cpu->architecture);
}

void get_cluster_version(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_version(ret, cluster_of(subject)->version);
}

void get_cluster_cpu_type(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    if (cluster_of(subject)->cpu)
        values_add_text(ret, cluster_of(subject)->cpu->type);
}

void get_cluster_data_center(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_name(ret, scope_entity(scope, KIND_DATA_CENTER, cluster_of(subject)->data_center));
}

// The subject is the cluster: each of its networks has the cluster's name.
void get_cluster_network_name(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiCluster *cluster = cluster_of(subject);
    for (uint32_t i = 0; i < cluster->networks.count; i++)
        values_add_name(ret, scope_entity(scope, KIND_NETWORK, cluster->networks.items[i]));
}

// ---- networks

static const ApiNetwork *network_of(const Subject *subject)
{
    return subject->object;
}

void get_network_vlanid(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiVlan *vlan = network_of(subject)->vlan;
    if (vlan && vlan->id)
        values_add_number(ret, strtod(vlan->id, NULL));
}

void get_network_stp(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_boolean(ret, network_of(subject)->stp == API_TRUE);
}

void get_network_vmnetwork(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiNetwork *network = network_of(subject);
    bool found = false;
    for (uint32_t i = 0; i < network->usages.count; i++)
        found = found || network->usages.items[i] == API_NETWORK_USAGE_VM;
    values_add_boolean(ret, found);
}

void get_network_data_center(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_name(ret, scope_entity(scope, KIND_DATA_CENTER, network_of(subject)->data_center));
}

void get_network_label(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiNetwork *network = network_of(subject);
    for (uint32_t i = 0; i < network->network_labels.count; i++)
        values_add_text(ret, network->network_labels.items[i]->id);
}

void get_network_provider_name(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    if (network_of(subject)->external_provider)
        values_add_text(ret, network_of(subject)->external_provider->name);
}

void get_network_qos_name(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    if (network_of(subject)->qos)
        values_add_text(ret, network_of(subject)->qos->name);
}

// ---- vNIC profiles

static const ApiVnicProfile *profile_of(const Subject *subject)
{
    return subject->object;
}

void get_vnic_profile_port_mirroring(const SearchScope *scope, const Subject *subject,
                                     FieldValues *ret)
{
    values_add_boolean(ret, profile_of(subject)->port_mirroring == API_TRUE);
}

void get_vnic_profile_passthrough(const SearchScope *scope, const Subject *subject,
                                  FieldValues *ret)
{
    const ApiVnicPassThrough *pass = profile_of(subject)->pass_through;
    values_add_boolean(ret, pass && pass->mode == API_VNIC_PASS_THROUGH_MODE_ENABLED);
}

void get_vnic_profile_network_name(const SearchScope *scope, const Subject *subject,
                                   FieldValues *ret)
{
    values_add_name(ret, scope_entity(scope, KIND_NETWORK, profile_of(subject)->network));
}

static Entity *profile_data_center(const SearchScope *scope, const Subject *subject)
{
    const Entity *network = scope_entity(scope, KIND_NETWORK, profile_of(subject)->network);
    return network
               ? scope_entity(scope, KIND_DATA_CENTER, ENTITY_OBJECT(network, Network)->data_center)
               : NULL;
}

void get_vnic_profile_data_center(const SearchScope *scope, const Subject *subject,
                                  FieldValues *ret)
{
    values_add_name(ret, profile_data_center(scope, subject));
}

void get_vnic_profile_version(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const Entity *data_center = profile_data_center(scope, subject);
    if (data_center)
        values_add_version(ret, ENTITY_OBJECT(data_center, DataCenter)->version);
}

void get_vnic_profile_qos_name(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    if (profile_of(subject)->qos)
        values_add_text(ret, profile_of(subject)->qos->name);
}

void get_vnic_profile_network_filter(const SearchScope *scope, const Subject *subject,
                                     FieldValues *ret)
{
    if (profile_of(subject)->network_filter)
        values_add_text(ret, profile_of(subject)->network_filter->name);
}

void get_vnic_profile_failover(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    values_add_name(ret, scope_entity(scope, KIND_VNIC_PROFILE, profile_of(subject)->failover));
}

// ---- interfaces of VMs and templates

void get_vnic_mac(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiNic *nic = subject->object;
    values_add_text(ret, nic->mac ? nic->mac->address : NULL);
}

void get_vnic_network_name(const SearchScope *scope, const Subject *subject, FieldValues *ret)
{
    const ApiNic *nic = subject->object;
    const Entity *profile = scope_entity(scope, KIND_VNIC_PROFILE, nic->vnic_profile);
    const void *network = profile ? (const void *)ENTITY_OBJECT(profile, VnicProfile)->network
                                  : (const void *)nic->network;
    values_add_name(ret, scope_entity(scope, KIND_NETWORK, network));
}
