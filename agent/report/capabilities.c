// Host.getCapabilities and Host.getHardwareInfo: what the manager must know to use this host.
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <libvirt/libvirt.h>

#include "agent/network/host_network.h"
#include "agent/report/proc.h"
#include "agent/rpc/verbs.h"
#include "agent/vm/hooks.h"
#include "agent/vm/hypervisor.h"
#include "base/file.h"
#include "base/xml.h"

enum { FLAGS_MAX = 64 * 1024 };

static void add_list(JsonWriter *writer, const char *key, const char *const *values, size_t count)
{
    json_key(writer, key);
    json_open(writer, '[');
    for (size_t i = 0; i < count; i++)
        json_put_string(writer, values[i]);
    json_close(writer, ']');
}

static void add_empty(JsonWriter *writer, const char *key, char bracket)
{
    json_key(writer, key);
    json_open(writer, bracket);
    json_close(writer, bracket == '{' ? '}' : ']');
}

// ---- CPU

static char *cpuinfo_value(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length))
            continue;
        const char *colon = strchr(line, ':');
        if (!colon || colon[1 + strspn(colon + 1, " ")] == 0)
            return NULL;
        colon += 1 + strspn(colon + 1, " ");
        return memory_bytes(colon, strcspn(colon, "\n"));
    }
    return NULL;
}

// CPU models that libvirt says this host can run, as "model_X" flags.
static void add_models(StrBuf *flags, virConnectPtr connection)
{
    char *text = connection
                     ? virConnectGetDomainCapabilities(connection, NULL, "x86_64", NULL, NULL, 0)
                     : NULL;
    AUTO_ARENA arena = {0};
    Xml *root = text ? xml_parse(&arena, text, strlen(text), NULL, NULL) : NULL;
    free(text);
    XML_EACH(xml_child(root, "cpu"), mode) {
        const char *name = xml_attribute(mode, "name");
        if (strcmp(mode->name, "mode") || !name || strcmp(name, "custom"))
            continue;
        XML_EACH(mode, model) {
            const char *usable = xml_attribute(model, "usable");
            if (!strcmp(model->name, "model") && usable && !strcmp(usable, "yes"))
                strbuf_addf(flags, ",model_%s", model->text);
        }
    }
}

static void write_cpu(JsonWriter *writer, virConnectPtr connection)
{
    virNodeInfo info = {0};
    AUTO_STRBUF flags = {0};
    AUTO_FREE char *text = NULL;
    if (file_read("/proc/cpuinfo", 16 * 1024 * 1024, &text, NULL))
        text = memory_string("");
    AUTO_FREE char *model = cpuinfo_value(text, "model name");
    AUTO_FREE char *plain = cpuinfo_value(text, "flags");
    AUTO_FREE char *speed = cpuinfo_value(text, "cpu MHz");
    for (char *at = plain; at && *at; at++)
        if (*at == ' ')
            *at = ',';
    strbuf_adds(&flags, plain ? plain : "");
    add_models(&flags, connection);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    if (connection)
        virNodeGetInfo(connection, &info);
    int sockets = info.sockets ? (int)(info.sockets * (info.nodes ? info.nodes : 1)) : 1;
    int cores = info.cores ? (int)info.cores * sockets : (int)online;
    json_add_format(writer, "cpuThreads", "%ld", online);
    json_add_format(writer, "cpuCores", "%d", cores);
    json_add_format(writer, "cpuSockets", "%d", sockets);
    json_add_string(writer, "cpuModel", model ? model : "unknown");
    json_add_string(writer, "cpuSpeed", speed ? speed : "0");
    json_add_string(writer, "cpuFlags", flags.data ? flags.data : "");
    AUTO_STRBUF numbers = {0};
    for (long i = 0; i < online; i++)
        strbuf_addf(&numbers, "%s%ld", i ? "," : "", i);
    json_add_string(writer, "onlineCpus", numbers.data);
    json_key(writer, "cpuTopology");
    json_open(writer, '[');
    for (long i = 0; i < online; i++) {
        json_open(writer, '{');
        json_add_integer(writer, "cpu_id", i);
        json_add_integer(writer, "numa_cell_id", 0);
        json_add_integer(writer, "socket_id", i * sockets / online);
        json_add_integer(writer, "die_id", 0);
        json_add_integer(writer, "core_id", i * cores / online);
        json_close(writer, '}');
    }
    json_close(writer, ']');
}

static void write_machines(JsonWriter *writer, virConnectPtr connection)
{
    char *text = connection ? virConnectGetCapabilities(connection) : NULL;
    AUTO_ARENA arena = {0};
    Xml *root = text ? xml_parse(&arena, text, strlen(text), NULL, NULL) : NULL;
    free(text);
    json_key(writer, "emulatedMachines");
    json_open(writer, '[');
    XML_EACH(root, guest) {
        const Xml *arch = xml_child(guest, "arch");
        const char *name = xml_attribute(arch, "name");
        if (strcmp(guest->name, "guest") || !name || strcmp(name, "x86_64"))
            continue;
        XML_EACH(arch, machine)
            if (!strcmp(machine->name, "machine"))
                json_put_string(writer, machine->text);
    }
    json_close(writer, ']');
}

// ---- memory, software

static void write_memory(JsonWriter *writer)
{
    json_add_format(writer, "memSize", "%lld", (long long)proc_memory("MemTotal") / 1024);
    json_add_string(writer, "reservedMem", "321");
    json_add_string(writer, "guestOverhead", "65");
    json_key(writer, "hugepages");
    json_open(writer, '[');
    json_put_integer(writer, 2048);
    json_close(writer, ']');
    json_key(writer, "numaNodes");
    json_open(writer, '{');
    json_key(writer, "0");
    json_open(writer, '{');
    json_add_format(writer, "totalMemory", "%lld", (long long)proc_memory("MemTotal") / 1024);
    json_key(writer, "cpus");
    json_open(writer, '[');
    for (long i = 0; i < sysconf(_SC_NPROCESSORS_ONLN); i++)
        json_put_integer(writer, i);
    json_close(writer, ']');
    add_empty(writer, "hugepages", '{');
    json_close(writer, '}');
    json_close(writer, '}');
    json_key(writer, "numaNodeDistance");
    json_open(writer, '{');
    json_key(writer, "0");
    json_open(writer, '[');
    json_put_integer(writer, 10);
    json_close(writer, ']');
    json_close(writer, '}');
    json_add_integer(writer, "autoNumaBalancing", 2);
}

static char *os_release(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) || line[length] != '=')
            continue;
        const char *value = line + length + 1;
        value += *value == '"';
        return memory_bytes(value, strcspn(value, "\"\n"));
    }
    return memory_string("");
}

// The names that managers know.
static const char *system_name(const char *id)
{
    static const struct {
        const char *id, *name;
    } rows[] = {{"debian", "Debian"}, {"fedora", "Fedora"}, {"rhel", "RHEL"}, {"centos", "RHEL"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].id, id))
            return rows[i].name;
    return "unknown";
}

static void write_system(JsonWriter *writer)
{
    AUTO_FREE char *text = NULL;
    if (file_read("/etc/os-release", 65536, &text, NULL))
        text = memory_string("");
    AUTO_FREE char *name = os_release(text, "ID"), *version = os_release(text, "VERSION_ID");
    AUTO_FREE char *pretty = os_release(text, "PRETTY_NAME");
    json_key(writer, "operatingSystem");
    json_open(writer, '{');
    json_add_string(writer, "name", system_name(name));
    json_add_string(writer, "version", version);
    json_add_string(writer, "release", version);
    json_add_string(writer, "pretty_name", pretty);
    json_close(writer, '}');
}

static void write_package(JsonWriter *writer, const char *name, const char *version,
                          const char *release)
{
    json_key(writer, name);
    json_open(writer, '{');
    json_add_string(writer, "version", version);
    json_add_string(writer, "release", release);
    json_close(writer, '}');
}

static void write_number_package(JsonWriter *writer, const char *name, unsigned long number)
{
    char text[64];
    snprintf(text, sizeof(text), "%lu.%lu.%lu", number / 1000000, number / 1000 % 1000,
             number % 1000);
    write_package(writer, name, text, "");
}

static void write_packages(JsonWriter *writer, virConnectPtr connection)
{
    struct utsname system;
    unsigned long libvirt = 0, qemu = 0;
    uname(&system);
    if (connection) {
        virConnectGetLibVersion(connection, &libvirt);
        virConnectGetVersion(connection, &qemu);
    }
    json_key(writer, "packages2");
    json_open(writer, '{');
    write_package(writer, "kernel", system.release, "");
    write_package(writer, "vdsm", "4.50.5", "vireo");
    write_number_package(writer, "libvirt", libvirt);
    write_number_package(writer, "qemu-kvm", qemu);
    json_close(writer, '}');
}

static void write_levels(JsonWriter *writer, virConnectPtr connection)
{
    // 4.7 needs libvirt 8.0, 4.8 needs libvirt 10.10 and QEMU 9.1.
    static const char *const levels[] = {"4.2", "4.3", "4.4", "4.5", "4.6", "4.7", "4.8"};
    unsigned long libvirt = 0, qemu = 0;
    if (connection) {
        virConnectGetLibVersion(connection, &libvirt);
        virConnectGetVersion(connection, &qemu);
    }
    size_t count = libvirt >= 10010000 && qemu >= 9001000 ? 7 : libvirt >= 8000000 ? 6 : 5;
    add_list(writer, "clusterLevels", levels, count);
    static const char *const engines[] = {"4.3", "4.4", "4.5"};
    add_list(writer, "supportedENGINEs", engines, COUNT_OF(engines));
    json_add_string(writer, "software_version", "4.50.5");
    json_add_string(writer, "software_revision", "vireo-" VIREO_VERSION);
    json_add_string(writer, "version_name", "Vireo " VIREO_VERSION);
}

static void write_features(JsonWriter *writer, const Agent *agent)
{
    static const char *const features[] = {"VIREO_AGENT"};
    static const char *const rng[] = {"random", "hwrng"}, *const types[] = {"kvm"};
    bool kvm = hypervisor_accelerator(agent->hypervisor) == ACCELERATOR_KVM;
    json_add_string(writer, "kvmEnabled", kvm ? "true" : "false");
    json_add_string(writer, "vireoAccelerator", kvm ? "kvm" : "tcg");
    json_add_string(writer, "vireoAcceleratorReason",
                    hypervisor_accelerator_reason(agent->hypervisor));
    add_list(writer, "additionalFeatures", features, COUNT_OF(features));
    add_list(writer, "rngSources", rng, access("/dev/hwrng", F_OK) ? 1 : 2);
    add_list(writer, "vmTypes", types, COUNT_OF(types));
    json_add_bool(writer, "vncEncrypted", false);
    json_add_bool(writer, "backupEnabled", false);
    json_add_bool(writer, "coldBackupEnabled", false);
    json_add_bool(writer, "clearBitmapsEnabled", false);
    json_add_bool(writer, "cd_change_pdiv", true);
    json_add_bool(writer, "hostedEngineDeployed", false);
    json_add_string(writer, "hostdevPassthrough", "false");
    json_add_bool(writer, "fipsEnabled", false);
    json_add_integer(writer, "kdumpStatus", -1);
    json_add_bool(writer, "ovnConfigured", false);
    json_key(writer, "selinux");
    json_open(writer, '{');
    json_add_string(writer, "mode", "-1");
    json_close(writer, '}');
    add_empty(writer, "supported_block_size", '{');
    json_key(writer, "domain_versions");
    json_open(writer, '[');
    json_put_integer(writer, 5);
    json_close(writer, ']');
}

static void write_storage(JsonWriter *writer)
{
    AUTO_FREE char *line = proc_line("/etc/iscsi/initiatorname.iscsi");
    const char *initiator = strncmp(line, "InitiatorName=", 14) ? "" : line + 14;
    json_add_string(writer, "ISCSIInitiatorName", initiator);
    json_key(writer, "HBAInventory");
    json_open(writer, '{');
    add_empty(writer, "FC", '[');
    json_key(writer, "iSCSI");
    json_open(writer, '[');
    json_open(writer, '{');
    json_add_string(writer, "InitiatorName", initiator);
    json_close(writer, '}');
    json_close(writer, ']');
    json_close(writer, '}');
}

// The agent takes any CPU that is online and its own.
static void write_affinity(JsonWriter *writer)
{
    cpu_set_t set;
    json_key(writer, "vdsmToCpusAffinity");
    json_open(writer, '[');
    if (!sched_getaffinity(0, sizeof(set), &set))
        for (int i = 0; i < CPU_SETSIZE; i++)
            if (CPU_ISSET(i, &set))
                json_put_integer(writer, i);
    json_close(writer, ']');
}

void host_get_capabilities(Call *call)
{
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    Agent *agent = call_agent(call);
    virConnectPtr connection = hypervisor_take(agent->hypervisor, NULL);
    AUTO_FREE char *boot = proc_boot_id(), *command = proc_line("/proc/cmdline");
    json_open(&writer, '{');
    json_add_string(&writer, "uuid", agent->host_id);
    json_add_string(&writer, "boot_uuid", boot);
    json_add_string(&writer, "kernelArgs", command);
    json_add_string(&writer, "lastClientIface", agent->config.network);
    write_levels(&writer, connection);
    write_cpu(&writer, connection);
    write_machines(&writer, connection);
    write_memory(&writer);
    write_system(&writer);
    write_packages(&writer, connection);
    write_features(&writer, agent);
    write_storage(&writer);
    write_affinity(&writer);
    hooks_write_installed(agent, &writer);
    host_network_write_capabilities(agent->network, &writer);
    json_close(&writer, '}');
    hypervisor_give(agent->hypervisor, connection);
    call_reply(call, &json);
}

void host_get_hardware(Call *call)
{
    static const struct {
        const char *key, *file;
    } rows[] = {
        {"systemManufacturer", "sys_vendor"}, {"systemProductName", "product_name"},
        {"systemVersion", "product_version"}, {"systemSerialNumber", "product_serial"},
        {"systemFamily", "product_family"},
    };
    AUTO_STRBUF json = {0};
    JsonWriter writer = {.out = &json};
    json_open(&writer, '{');
    json_add_string(&writer, "systemUUID", call_agent(call)->host_id);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *path = memory_format("/sys/class/dmi/id/%s", rows[i].file);
        AUTO_FREE char *value = proc_line(path);
        json_add_string(&writer, rows[i].key, value);
    }
    json_close(&writer, '}');
    call_reply(call, &json);
}
