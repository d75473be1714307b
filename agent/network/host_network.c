#include "agent/network/host_network.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libvirt/virterror.h>

#include "agent/report/proc.h"
#include "agent/rpc/verbs.h"
#include "agent/vm/hypervisor.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xml.h"

struct HostNetwork {
    Agent *agent;
};

HostNetwork *host_network_new(Agent *agent)
{
    HostNetwork *network = NEW(HostNetwork);
    network->agent = agent;
    return network;
}

void host_network_stop(HostNetwork *network)
{
    (void)network; // the bridge stays: guests use it
}

// ---- the NAT network

typedef struct Subnet {
    uint32_t base, mask; // host order
} Subnet;

static bool subnet_parse(const char *text, Subnet *ret)
{
    char address[32];
    int bits = 0;
    struct in_addr parsed;
    if (sscanf(text, "%31[0-9.]/%d", address, &bits) != 2 || bits < 8 || bits > 28 ||
        inet_pton(AF_INET, address, &parsed) != 1)
        return false;
    ret->mask = 0xffffffffu << (32 - bits);
    ret->base = ntohl(parsed.s_addr) & ret->mask;
    return true;
}

static const char *subnet_address(const Subnet *subnet, uint32_t host, char text[INET_ADDRSTRLEN])
{
    struct in_addr address = {.s_addr = htonl(subnet->base + host)};
    return inet_ntop(AF_INET, &address, text, INET_ADDRSTRLEN);
}

static char *network_xml(const Config *config, const Subnet *subnet)
{
    char own[INET_ADDRSTRLEN], mask[INET_ADDRSTRLEN], first[INET_ADDRSTRLEN], last[INET_ADDRSTRLEN];
    struct in_addr netmask = {.s_addr = htonl(subnet->mask)};
    AUTO_STRBUF text = {0};
    XmlWriter writer = {.out = &text};
    xml_open(&writer, "network");
    xml_add_text(&writer, "name", config->network);
    xml_add_empty(&writer, "forward", "mode", "nat", NULL);
    xml_add_empty(&writer, "bridge", "name", config->network, "stp", "off", "delay", "0", NULL);
    xml_open(&writer, "ip");
    xml_put_attribute(&writer, "address", subnet_address(subnet, 1, own));
    xml_put_attribute(&writer, "netmask", inet_ntop(AF_INET, &netmask, mask, sizeof(mask)));
    xml_open(&writer, "dhcp");
    xml_add_empty(&writer, "range", "start", subnet_address(subnet, 2, first), "end",
                  subnet_address(subnet, ~subnet->mask - 1, last), NULL);
    xml_close(&writer);
    xml_close(&writer);
    xml_close(&writer);
    return strbuf_take(&text);
}

void host_network_ensure(HostNetwork *network, virConnectPtr connection)
{
    const Config *config = &network->agent->config;
    Subnet subnet;
    if (!*config->network || strcmp(config->network_mode, "nat"))
        return;
    virNetworkPtr found = virNetworkLookupByName(connection, config->network);
    if (found && virNetworkIsActive(found) == 1) {
        virNetworkFree(found);
        return;
    }
    if (found) {
        virNetworkUndefine(found);
        virNetworkFree(found);
    }
    if (!subnet_parse(config->network_subnet, &subnet)) {
        log_error("network.nat", LOG_NONE, "network_subnet: \"%s\" is no subnet.",
                  config->network_subnet);
        return;
    }
    AUTO_FREE char *xml = network_xml(config, &subnet);
    virNetworkPtr made = virNetworkCreateXML(connection, xml);
    if (made) {
        log_notice("network.nat", LOG_NONE, "Made network %s on %s.", config->network,
                   config->network_subnet);
        virNetworkFree(made);
    } else
        log_error("network.nat", LOG_NONE, "The network %s can't be made: %s", config->network,
                  virGetLastErrorMessage());
}

// ---- what there is

typedef struct Interface {
    char name[32];
    bool bridge, bond, vlan, physical;
} Interface;

static bool sys_exists(const char *interface, const char *file)
{
    AUTO_FREE char *path = memory_format("/sys/class/net/%s/%s", interface, file);
    return access(path, F_OK) == 0;
}

static char *sys_read(const char *interface, const char *file)
{
    AUTO_FREE char *path = memory_format("/sys/class/net/%s/%s", interface, file);
    return proc_line(path);
}

// Guests' taps and libvirt's dummies are no NICs of the host.
static bool interface_is_guests(const char *name)
{
    return !strcmp(name, "lo") || sys_exists(name, "tun_flags") || strstr(name, "-nic");
}

static int interface_order(const void *one, const void *other)
{
    return strcmp(((const Interface *)one)->name, ((const Interface *)other)->name);
}

static Interface *interfaces_list(int *ret_count)
{
    Interface *list = NULL;
    int count = 0;
    DIR *folder = opendir("/sys/class/net");
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.' || interface_is_guests(entry->d_name))
            continue;
        list = memory_resize(list, (size_t)count + 1, sizeof(Interface));
        Interface *one = &list[count++];
        *one = (Interface){0};
        snprintf(one->name, sizeof(one->name), "%.31s", entry->d_name);
        one->bridge = sys_exists(one->name, "bridge");
        one->bond = sys_exists(one->name, "bonding");
        AUTO_FREE char *vlan = memory_format("/proc/net/vlan/%s", one->name);
        one->vlan = access(vlan, F_OK) == 0;
        one->physical = !one->bridge && !one->bond && !one->vlan;
    }
    if (folder)
        closedir(folder);
    if (count)
        qsort(list, (size_t)count, sizeof(Interface), interface_order);
    *ret_count = count;
    return list;
}

static void write_addresses(JsonWriter *writer, const char *name)
{
    struct ifaddrs *all = NULL;
    char address[INET6_ADDRSTRLEN] = "", netmask[INET_ADDRSTRLEN] = "";
    AUTO_STRBUF v4 = {0}, v6 = {0};
    JsonWriter list4 = {.out = &v4}, list6 = {.out = &v6};
    json_open(&list4, '[');
    json_open(&list6, '[');
    if (getifaddrs(&all))
        all = NULL;
    for (struct ifaddrs *at = all; at; at = at->ifa_next) {
        char text[INET6_ADDRSTRLEN], whole[INET6_ADDRSTRLEN + 8];
        if (!at->ifa_addr || strcmp(at->ifa_name, name))
            continue;
        if (at->ifa_addr->sa_family == AF_INET) {
            struct in_addr mask = ((struct sockaddr_in *)at->ifa_netmask)->sin_addr;
            inet_ntop(AF_INET, &((struct sockaddr_in *)at->ifa_addr)->sin_addr, text, sizeof(text));
            snprintf(whole, sizeof(whole), "%s/%d", text, __builtin_popcount(mask.s_addr));
            json_put_string(&list4, whole);
            if (!*address) {
                strcpy(address, text);
                inet_ntop(AF_INET, &mask, netmask, sizeof(netmask));
            }
        } else if (at->ifa_addr->sa_family == AF_INET6) {
            inet_ntop(AF_INET6, &((struct sockaddr_in6 *)at->ifa_addr)->sin6_addr, text,
                      sizeof(text));
            snprintf(whole, sizeof(whole), "%s/64", text);
            json_put_string(&list6, whole);
        }
    }
    freeifaddrs(all);
    json_close(&list4, ']');
    json_close(&list6, ']');
    json_add_string(writer, "addr", address);
    json_add_string(writer, "netmask", netmask);
    json_key(writer, "ipv4addrs");
    json_put_raw(writer, v4.data, v4.length);
    json_key(writer, "ipv6addrs");
    json_put_raw(writer, v6.data, v6.length);
}

static void write_common(JsonWriter *writer, const char *name)
{
    AUTO_FREE char *mtu = sys_read(name, "mtu");
    write_addresses(writer, name);
    json_add_string(writer, "mtu", *mtu ? mtu : "1500");
    json_add_string(writer, "gateway", "");
    json_add_string(writer, "ipv6gateway", "::");
    json_add_bool(writer, "dhcpv4", false);
    json_add_bool(writer, "dhcpv6", false);
    json_add_bool(writer, "ipv6autoconf", false);
    json_add_bool(writer, "ipv4defaultroute", false);
}

static void write_nic(JsonWriter *writer, const Interface *nic)
{
    AUTO_FREE char *mac = sys_read(nic->name, "address"), *speed = sys_read(nic->name, "speed");
    json_key(writer, nic->name);
    json_open(writer, '{');
    json_add_string(writer, "hwaddr", mac);
    json_add_integer(writer, "speed", strtoll(speed, NULL, 10) > 0 ? strtoll(speed, NULL, 10) : 0);
    write_common(writer, nic->name);
    json_close(writer, '}');
}

static void write_ports(JsonWriter *writer, const char *bridge)
{
    AUTO_FREE char *path = memory_format("/sys/class/net/%s/brif", bridge);
    DIR *folder = opendir(path);
    json_key(writer, "ports");
    json_open(writer, '[');
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            json_put_string(writer, entry->d_name);
    json_close(writer, ']');
    if (folder)
        closedir(folder);
}

static void write_bridge(JsonWriter *writer, const Interface *bridge, bool as_network)
{
    AUTO_FREE char *stp = sys_read(bridge->name, "bridge/stp_state");
    AUTO_FREE char *mac = sys_read(bridge->name, "address");
    json_key(writer, bridge->name);
    json_open(writer, '{');
    write_common(writer, bridge->name);
    write_ports(writer, bridge->name);
    json_add_string(writer, "stp", strcmp(stp, "0") ? "on" : "off");
    if (as_network) {
        json_add_string(writer, "iface", bridge->name);
        json_add_string(writer, "southbound", bridge->name);
        json_add_bool(writer, "bridged", true);
        json_add_string(writer, "switch", "legacy");
        json_key(writer, "nameservers");
        json_open(writer, '[');
        json_close(writer, ']');
    } else
        json_add_string(writer, "hwaddr", mac);
    json_close(writer, '}');
}

static void write_group(JsonWriter *writer, const char *key, const Interface *list, int count,
                        char kind)
{
    json_key(writer, key);
    json_open(writer, '{');
    for (int i = 0; i < count; i++) {
        if (kind == 'n' && list[i].physical)
            write_nic(writer, &list[i]);
        else if ((kind == 'b' || kind == 'w') && list[i].bridge)
            write_bridge(writer, &list[i], kind == 'w');
    }
    json_close(writer, '}');
}

void host_network_write_capabilities(HostNetwork *network, JsonWriter *writer)
{
    int count;
    (void)network;
    AUTO_FREE Interface *list = interfaces_list(&count);
    write_group(writer, "networks", list, count, 'w');
    write_group(writer, "bridges", list, count, 'b');
    write_group(writer, "nics", list, count, 'n');
    write_group(writer, "bondings", list, 0, 'n');
    write_group(writer, "vlans", list, 0, 'n');
    json_key(writer, "nameservers");
    json_open(writer, '[');
    json_close(writer, ']');
    json_add_bool(writer, "supportsIPv6", true);
    json_add_string(writer, "netConfigDirty", "False");
}

void host_network_write_stats(JsonWriter *writer)
{
    static const struct {
        const char *key, *file;
    } rows[] = {
        {"rx", "statistics/rx_bytes"},          {"tx", "statistics/tx_bytes"},
        {"rxErrors", "statistics/rx_errors"},   {"txErrors", "statistics/tx_errors"},
        {"rxDropped", "statistics/rx_dropped"}, {"txDropped", "statistics/tx_dropped"},
    };
    int count;
    uint64_t sums[COUNT_OF(rows)] = {0};
    AUTO_FREE Interface *list = interfaces_list(&count);
    json_key(writer, "network");
    json_open(writer, '{');
    for (int i = 0; i < count; i++) {
        AUTO_FREE char *state = sys_read(list[i].name, "operstate");
        AUTO_FREE char *speed = sys_read(list[i].name, "speed");
        AUTO_FREE char *mac = sys_read(list[i].name, "address");
        json_key(writer, list[i].name);
        json_open(writer, '{');
        json_add_string(writer, "name", list[i].name);
        json_add_string(writer, "macAddr", mac);
        json_add_string(writer, "state", strcmp(state, "down") ? "up" : "down");
        json_add_format(writer, "speed", "%lld",
                        strtoll(speed, NULL, 10) > 0 ? strtoll(speed, NULL, 10) : 0);
        for (size_t row = 0; row < COUNT_OF(rows); row++) {
            AUTO_FREE char *value = sys_read(list[i].name, rows[row].file);
            json_add_string(writer, rows[row].key, *value ? value : "0");
            sums[row] += strtoull(value, NULL, 10);
        }
        json_add_decimal(writer, "sampleTime", (double)clock_monotonic_ms() / 1000);
        json_close(writer, '}');
    }
    json_close(writer, '}');
    for (size_t row = 0; row < COUNT_OF(rows); row++)
        if (strstr(rows[row].key, "Dropped"))
            json_add_format(writer, rows[row].key, "%llu", (unsigned long long)sums[row]);
}

void host_get_network(Call *call)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    json_open(&writer, '{');
    host_network_write_capabilities(call_agent(call)->network, &writer);
    json_close(&writer, '}');
    call_reply(call, &json);
}
