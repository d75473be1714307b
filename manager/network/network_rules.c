#include "manager/network/network_rules.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "manager/inventory/state.h"
#include "manager/rest/check.h"

enum {
    NETWORK_NAME_MAX = 256,
    BRIDGE_NAME_MAX = 15,
    VLAN_MAX = 4094,
    MTU_MIN = 68,
    MTU_MAX = 65520,
    NAMES_SHOWN = 5,
};

// ---- usages

unsigned network_usages(const ApiNetwork *network)
{
    unsigned usages = 0;
    for (uint32_t i = 0; i < network->usages.count; i++)
        usages |= 1u << network->usages.items[i];
    return usages;
}

void network_set_usages(Arena *arena, ApiNetwork *network, unsigned usages)
{
    network->usages.items = ARENA_ARRAY(arena, ApiNetworkUsage, api_enum_network_usage.count);
    network->usages.count = 0;
    network->usages.set = true;
    for (int usage = 1; usage < api_enum_network_usage.count; usage++)
        if (usages & 1u << usage)
            network->usages.items[network->usages.count++] = (ApiNetworkUsage)usage;
}

// ---- looking up

Entity *network_data_center(const Manager *manager, const Entity *network)
{
    const ApiNetwork *object = ENTITY_OBJECT(network, Network);
    return object->data_center
               ? inventory_get(manager->inventory, KIND_DATA_CENTER, object->data_center->id)
               : NULL;
}

Entity *network_named(const Manager *manager, const Entity *data_center, const char *name)
{
    Entity *network = inventory_named(manager->inventory, KIND_NETWORK, name);
    while (network && !reference_is(ENTITY_OBJECT(network, Network)->data_center, data_center->id))
        network = network->twin;
    return network;
}

static bool is_bridge_name(const char *name)
{
    size_t length = strlen(name);
    for (const unsigned char *at = (const unsigned char *)name; *at; at++)
        if (*at >= 0x80 || (!isalnum(*at) && *at != '_' && *at != '-'))
            return false;
    return length && length <= BRIDGE_NAME_MAX;
}

void network_set_bridge_name(Arena *arena, ApiNetwork *network)
{
    char name[BRIDGE_NAME_MAX + 1] = "on";
    size_t length = 2;
    if (is_bridge_name(network->name)) {
        network->vdsm_name = network->name;
        return;
    }
    for (const char *at = network->id; *at && length < BRIDGE_NAME_MAX; at++)
        if (*at != '-')
            name[length++] = *at;
    name[length] = 0;
    network->vdsm_name = arena_string(arena, name);
}

const Entity *network_host(const Manager *manager, const Entity *network)
{
    const char *bridge = ENTITY_OBJECT(network, Network)->vdsm_name;
    INVENTORY_EACH(manager->inventory, KIND_HOST, host) {
        const ApiDocument *hardware = host_state(host)->hardware;
        const ApiHost *object = hardware ? hardware->object : NULL;
        for (uint32_t i = 0; object && bridge && i < object->nics.count; i++)
            if (object->nics.items[i]->bridged == API_TRUE &&
                !strcmp(object->nics.items[i]->name, bridge))
                return host;
    }
    return NULL;
}

// ---- rules

static int check_clash(Request *request, const ApiNetwork *network, const Entity *data_center,
                       const Entity *except)
{
    INVENTORY_EACH(request->manager->inventory, KIND_NETWORK, other) {
        const ApiNetwork *object = ENTITY_OBJECT(other, Network);
        bool bridge = object->vdsm_name && !strcmp(object->vdsm_name, network->name);
        if (other == except || !reference_is(object->data_center, data_center->id) ||
            (strcmp(object->name, network->name) && !bridge))
            continue;
        fail_set(&request->why, FAIL_EXISTS,
                 "Cannot %s network. The name %s is already in use in data center %s.",
                 except ? "edit" : "add", network->name, entity_name(data_center));
        fail_detail(&request->why, "network %s has it%s", other->id,
                    strcmp(object->name, network->name) ? " as the name of its bridge" : "");
        fail_object(&request->why, other->id);
        return fail_to_errno(FAIL_EXISTS);
    }
    return 0;
}

// A VLAN's tag is its id.
static int check_vlan(Request *request, const ApiVlan *vlan)
{
    if (!vlan)
        return 0;
    char *end;
    errno = 0;
    long tag = strtol(vlan->id, &end, 10);
    if (*end || end == vlan->id || errno)
        return fail_set(&request->why, FAIL_INVALID,
                        "network.vlan.id: \"%.100s\" is not an integer.", vlan->id);
    return request_check_integer(request, "network.vlan.id", API_INT(tag), 0, VLAN_MAX);
}

static int check_name_servers(Request *request, const ApiDnsResolverConfiguration *dns)
{
    for (uint32_t i = 0; dns && i < dns->name_servers.count; i++) {
        const char *text = dns->name_servers.items[i];
        unsigned char address[sizeof(struct in6_addr)];
        if (inet_pton(AF_INET, text, address) != 1 && inet_pton(AF_INET6, text, address) != 1)
            return fail_set(&request->why, FAIL_INVALID,
                            "network.dns_resolver_configuration.name_servers: \"%.100s\" is no IP "
                            "address.",
                            text);
    }
    return 0;
}

static int check_vm_only(Request *request, const ApiNetwork *network)
{
    if (network_usages(network) & USAGE_BIT(VM))
        return 0;
    if (network->stp == API_TRUE)
        return fail_set(&request->why, FAIL_INVALID,
                        "network.stp: a network that is not for VMs has no bridge to run STP.");
    if (network->port_isolation == API_TRUE)
        return fail_set(&request->why, FAIL_INVALID,
                        "network.port_isolation: only a network for VMs can isolate its ports.");
    return 0;
}

static int check_foreign(Request *request, const ApiNetwork *network)
{
    if (network->external_provider) {
        fail_set(&request->why, FAIL_NOT_IMPLEMENTED,
                 "network.external_provider: networks of providers are not implemented yet.");
        return fail_to_errno(FAIL_NOT_IMPLEMENTED);
    }
    if (network->qos && network->qos->id)
        return request_not_found(request, "QoS", network->qos->id);
    return 0;
}

int network_check(Request *request, const ApiNetwork *network, const Entity *data_center,
                  const Entity *except)
{
    int result =
        request_check_identified(request, &api_type_network, network, NAME_TEXT, NETWORK_NAME_MAX);
    if (!result && !strncasecmp(network->name, "bond", 4))
        result = fail_set(&request->why, FAIL_INVALID,
                          "network.name: \"%s\" begins like the name of a bond.", network->name);
    if (!result)
        result = check_vlan(request, network->vlan);
    if (!result && network->mtu.value)
        result = request_check_integer(request, "network.mtu", network->mtu, MTU_MIN, MTU_MAX);
    if (!result)
        result = check_name_servers(request, network->dns_resolver_configuration);
    if (!result)
        result = check_vm_only(request, network);
    if (!result)
        result = check_foreign(request, network);
    return result ? result : check_clash(request, network, data_center, except);
}

// ---- uses

static bool nic_uses(const Manager *manager, const ApiNic *nic, const Entity *network,
                     const Entity *profile)
{
    if (profile || !nic->vnic_profile)
        return profile && reference_is(nic->vnic_profile, profile->id);
    Entity *found = inventory_get(manager->inventory, KIND_VNIC_PROFILE, nic->vnic_profile->id);
    return found && reference_is(ENTITY_OBJECT(found, VnicProfile)->network, network->id);
}

typedef struct UserNames {
    StrBuf text;
    size_t count;
} UserNames;

static void add_user_name(UserNames *names, const char *name)
{
    if (names->count++ < NAMES_SHOWN)
        strbuf_addf(&names->text, "%s%s", names->count > 1 ? ", " : "", name);
}

static void find_users(const Manager *manager, const Entity *network, const Entity *profile,
                       UserNames *names)
{
    INVENTORY_EACH(manager->inventory, KIND_VM, vm) {
        const ApiVm *object = ENTITY_OBJECT(vm, Vm);
        for (uint32_t i = 0; i < object->nics.count; i++)
            if (nic_uses(manager, object->nics.items[i], network, profile)) {
                add_user_name(names, entity_name(vm));
                break;
            }
    }
    INVENTORY_EACH(manager->inventory, KIND_TEMPLATE, template) {
        const ApiTemplate *object = ENTITY_OBJECT(template, Template);
        for (uint32_t i = 0; i < object->nics.count; i++)
            if (nic_uses(manager, object->nics.items[i], network, profile)) {
                add_user_name(names, entity_name(template));
                break;
            }
    }
}

int network_check_unused(Request *request, const Entity *network, const Entity *profile,
                         const char *verb)
{
    UserNames names = {0};
    const Entity *what = profile ? profile : network;
    find_users(request->manager, network, profile, &names);
    if (names.count > NAMES_SHOWN)
        strbuf_addf(&names.text, " and %zu more", names.count - NAMES_SHOWN);
    if (names.count) {
        fail_set(&request->why, FAIL_CONFLICT, "Cannot %s %s. %s is in use by: %s.", verb,
                 kind_noun(what->kind), entity_name(what), names.text.data);
        fail_hint(&request->why, "Move their network interfaces to another vNIC profile first");
        fail_object(&request->why, what->id);
    }
    strbuf_done(&names.text);
    return names.count ? fail_to_errno(FAIL_CONFLICT) : 0;
}

// ---- adding and removing

void network_add_profile(Change *change, const ApiNetwork *network)
{
    ApiDocument *draft = change_add(change, KIND_VNIC_PROFILE, NULL);
    ApiVnicProfile *profile = draft->object;
    Arena *arena = &draft->arena;
    profile->name = arena_string(arena, network->name);
    profile->description = profile->comment = "";
    profile->port_mirroring = API_FALSE;
    profile->network = api_reference_new(arena, &api_type_network, network->id);
    profile->pass_through = ARENA_NEW(arena, ApiVnicPassThrough);
    profile->pass_through->mode = API_VNIC_PASS_THROUGH_MODE_DISABLED;
}

const char *network_add_management(Change *change, const char *data_center)
{
    ApiDocument *draft = change_add(change, KIND_NETWORK, NULL);
    ApiNetwork *network = draft->object;
    Arena *arena = &draft->arena;
    network->name = network->vdsm_name = "ovirtmgmt";
    network->description = "Management Network";
    network->comment = "";
    network->mtu = API_INT(0);
    network->stp = network->port_isolation = API_FALSE;
    network_set_usages(arena, network, USAGE_BIT(VM));
    network->data_center = api_reference_new(arena, &api_type_data_center, data_center);
    network_add_profile(change, network);
    return network->id;
}

static void detach_everywhere(Change *change, const Entity *network)
{
    INVENTORY_EACH(change_manager(change)->inventory, KIND_CLUSTER, cluster) {
        const ApiCluster *object = ENTITY_OBJECT(cluster, Cluster);
        for (uint32_t i = 0; i < object->networks.count; i++) {
            if (strcmp(object->networks.items[i]->id, network->id))
                continue;
            ApiCluster *edited = change_edit(change, cluster)->object;
            for (uint32_t j = 0; j < edited->networks.count; j++)
                if (!strcmp(edited->networks.items[j]->id, network->id))
                    api_list_remove(&edited->networks, edited->networks.items[j]);
            break;
        }
    }
}

void network_remove_from(Change *change, Entity *network)
{
    INVENTORY_EACH(change_manager(change)->inventory, KIND_VNIC_PROFILE, profile)
        if (reference_is(ENTITY_OBJECT(profile, VnicProfile)->network, network->id))
            change_remove(change, profile);
    detach_everywhere(change, network);
    change_remove(change, network);
}
